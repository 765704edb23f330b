"""The truth that recorded runs were scored against, where their dataset is prepared on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segbench.errors import NotPreparedError, UnknownNameError
from segbench.leaderboard.truths import Pixels, Truth
from segbench.progress import SILENT, Progress
from segbench.record import RunRecord
from segbench.registry import DATASETS

if TYPE_CHECKING:
    from segbench.data.raw_cache import RawSplit

__all__ = ["find_truth", "scored_split", "truth_of"]


def find_truth(record: RunRecord) -> Truth | None:
    """The labels a run was scored against; ``None`` where its dataset is not prepared here with the same content."""
    split = scored_split(record, SILENT)
    return None if isinstance(split, str) else truth_of(split, photographs=False)


def scored_split(record: RunRecord, progress: Progress) -> RawSplit | str:
    """The split a run was scored on, where it is prepared with the same content; else why it is not."""
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.preparation import find_prepared
    from segbench.data.raw_cache import open_split

    try:
        prepared = find_prepared(record.dataset, record.dataset_variant)
    except (NotPreparedError, UnknownNameError) as error:
        return str(error)
    if prepared.manifest.fingerprint != record.dataset_fingerprint:
        return f"{record.dataset} {record.dataset_variant} is prepared with other content than run {record.run_id} saw."
    split = open_split(prepared, record.split, progress)
    return split if split.labelled else f"the {record.split} split of {record.dataset} has no labels here."


def truth_of(split: RawSplit, *, photographs: bool) -> Truth:
    """Labels by the name of the image; images that everybody may pass on too, photographs where they are asked for."""
    found, free = _Places(split), DATASETS[split.manifest.dataset].redistributable
    return Truth(found.label, found.image if photographs or free else None, free)


class _Places:
    """Maps and photographs by name; a worker process opens the files itself."""

    def __init__(self, split: RawSplit) -> None:
        self.split = split
        self.places = {name: place for place, name in enumerate(split.ids)}

    def label(self, name: str) -> Pixels:
        """Class ids, uint8 [H,W]."""
        return self.split.label(self.places[name])

    def image(self, name: str) -> Pixels:
        """RGB, uint8 [H,W,3]."""
        return self.split.image(self.places[name])
