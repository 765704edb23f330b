"""Which images of a split stand for all of them where label maps are shown."""

from __future__ import annotations

import numpy as np

from segbench.metrics.tallies import ImageTally, Tallies

__all__ = ["RULE", "example_images"]

PARTS = 3
RULE = "of each third of the images, in the order of their names, the first one whose truth has most classes"


def example_images(tallies: Tallies) -> tuple[str, ...]:
    """Names of images by ``RULE``, which knows nothing of predictions; fewer where there are fewer images."""
    classes = {name: _classes(image) for name, image in tallies}
    parts = np.array_split(np.array(sorted(classes), object), PARTS)
    # The first of several greatest ones is what max() returns.
    return tuple(max(part, key=lambda name: classes[name]) for part in parts if len(part))


def _classes(image: ImageTally) -> int:
    """How many classes the truth has."""
    return len({*image.pairs.true.tolist(), *image.pairs.missed_class.tolist()})
