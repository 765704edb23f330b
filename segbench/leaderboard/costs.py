"""What networks cost in use: profiles of one device, at one input size, joined to the rows of a board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from segbench.leaderboard.profiles import ProfileGroup, group_profiles
from segbench.record import Profile, ProfileRecord, RunRecord

__all__ = ["Cost", "Costs", "join_profiles"]


@dataclass(frozen=True)
class Cost:
    """Inference of one batch.

    Attributes:
        latency_ms: Median.
        peak_memory_mib: Most that the allocator held, weights and input included.
    """

    latency_ms: float
    peak_memory_mib: float


@dataclass(frozen=True)
class Costs:
    """Profiles of one device at one size.

    Attributes:
        heading: Device, size and batch, in words.
        by_run: By run id; not every run has one.
    """

    heading: str
    by_run: Mapping[str, Cost]


def join_profiles(records: Sequence[RunRecord], profiles: Iterable[ProfileRecord]) -> Costs | None:
    """The profiles of the device and size that suit the rows of a board best: one for all, so that they compare.

    First comes what covers most rows, then a size that networks of the board take, then what was measured last.

    Args:
        records: The runs of a board.
        profiles: Of any networks, with any number of classes.

    Returns:
        ``None`` where no profile is of a network of this board with its number of classes.
    """
    classes = len(records[0].scores.per_class)
    groups = [group for group in group_profiles(profiles) if group.first.num_classes == classes]
    sizes = {record.recipe.input_size or record.scores.protocol.size for record in records}
    best = max(
        groups, key=lambda group: (_covered(records, group), group.first.size in sizes, _last(group)), default=None
    )
    if best is None or not _covered(records, best):
        return None
    profiled = {run.run_id: best.records[run.model].profile for run in records if run.model in best.records}
    return Costs(best.heading, dict(_costs(profiled)))


def _covered(records: Sequence[RunRecord], group: ProfileGroup) -> int:
    return sum(record.model in group.records for record in records)


def _last(group: ProfileGroup) -> str:
    return max(profile.created for profile in group.records.values())


def _costs(profiled: Mapping[str, Profile]) -> Iterator[tuple[str, Cost]]:
    for run_id, profile in profiled.items():
        # What another library than torch computes has no memory of torch's allocator; such networks have no runs.
        if profile.inference_memory_mib is not None:
            yield run_id, Cost(profile.forward.p50_ms, profile.inference_memory_mib)
