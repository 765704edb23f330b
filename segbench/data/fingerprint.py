"""What makes two datasets the same: ids, image pixels and label pixels in order, however they are encoded or stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SplitHash", "combine", "label_line", "labels_digest", "sample_digest"]


def sample_digest(sample_id: str, image: NDArray[np.uint8], label: NDArray[np.uint8] | None) -> bytes:
    """What ``SplitHash`` takes in of one sample; any process may compute it.

    Args:
        sample_id: Its id.
        image: RGB pixels, uint8 [H, W, 3].
        label: Ids, uint8 [H, W]; ``None`` where labels are not published.

    Returns:
        32 bytes.
    """
    import numpy as np

    sample = hashlib.sha256(f"{sample_id}\n{image.shape[0]}x{image.shape[1]}\n".encode())
    sample.update(np.ascontiguousarray(image).data)
    if label is not None:
        sample.update(np.ascontiguousarray(label).data)
    return sample.digest()


class SplitHash:
    """Grows with every sample of a split; the result depends on nothing but the samples and their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"segbench split 1\n")

    def add(self, sample_id: str, image: NDArray[np.uint8], label: NDArray[np.uint8] | None) -> None:
        """Adds one sample; the arguments are those of ``sample_digest``."""
        self.add_digest(sample_digest(sample_id, image, label))

    def add_digest(self, digest: bytes) -> None:
        """Adds one sample by what ``sample_digest`` returned for it."""
        self._hash.update(digest)

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._hash.hexdigest()


def combine(splits: Mapping[str, str]) -> str:
    """The fingerprint of a dataset from those of its splits."""
    lines = "".join(f"{name} {fingerprint}\n" for name, fingerprint in splits.items())
    return hashlib.sha256(b"segbench dataset 1\n" + lines.encode()).hexdigest()


def label_line(sample_id: str, label: NDArray[np.uint8]) -> str:
    """``<id> <H>x<W> <sha256>`` of one label map, uint8 [H, W]."""
    digest = hashlib.sha256(label.tobytes()).hexdigest()
    return f"{sample_id} {label.shape[0]}x{label.shape[1]} {digest}"


def labels_digest(lines: Iterable[str]) -> str:
    """What makes label maps alone the same, whatever their split and order.

    Args:
        lines: The ``label_line`` of each map.

    Returns:
        64 hex digits: sha256 over the sorted lines, a newline after each.
    """
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()
