"""Profiles on disk, and which of them may be put side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segbench.errors import RecordError
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.store import PROFILES_FOLDER, RECORDS_FOLDER
from segbench.leaderboard.wording import size_text
from segbench.record import ProfileRecord, load_profile, save_profile
from segbench.specs import folder_name

__all__ = [
    "ProfileGroup",
    "file_profile",
    "filed_profiles",
    "group_profiles",
    "profile_path",
    "storage_multiplier",
]

PAPER_MAPS, POSITION_BITS = 64, 2


@dataclass(frozen=True)
class ProfileGroup:
    """Profiles that may be compared: one machine and version, one way to compute, one input.

    Attributes:
        records: The newest profile of each model, by model; fastest inference first.
        older: How many others there are.
    """

    heading: str
    records: Mapping[str, ProfileRecord]
    older: int = 0

    @property
    def first(self) -> ProfileRecord:
        """Any of them: what all have in common can be read from it."""
        return next(iter(self.records.values()))


def profile_path(root: Path, record: ProfileRecord) -> Path:
    """Where a profile belongs under the folder of the boards, ``leaderboards``."""
    return root / RECORDS_FOLDER / PROFILES_FOLDER / folder_name(record.model) / f"{record.profile_id}.json"


def file_profile(root: Path, record: ProfileRecord) -> Path:
    """Writes a profile where it belongs; returns its path."""
    path = profile_path(root, record)
    save_profile(path, record)
    return path


def filed_profiles(root: Path) -> list[ProfileRecord]:
    """All profiles, sorted by model and id.

    Raises:
        RecordError: One is damaged, was changed, or lies in the wrong place.
    """
    return [_checked(root, path) for path in sorted((root / RECORDS_FOLDER / PROFILES_FOLDER).glob("*/*.json"))]


def _checked(root: Path, path: Path) -> ProfileRecord:
    record = load_profile(path)
    if profile_path(root, record) != path:
        raise RecordError(f"{path} is a profile of {record.model} that belongs at {profile_path(root, record)}.")
    return record


def group_profiles(records: Iterable[ProfileRecord]) -> list[ProfileGroup]:
    """Groups of profiles that may be compared; the one with most models first, then by heading.

    Networks that were changed by their factory's arguments are left out.
    """
    usual = [record for record in records if not record.config]
    groups = [_group(heading, same) for heading, same in grouped(usual, _heading).items()]
    return sorted(groups, key=lambda group: (-len(group.records), group.heading))


def _group(heading: str, records: list[ProfileRecord]) -> ProfileGroup:
    newest: dict[str, ProfileRecord] = {}
    for record in sorted(records, key=lambda one: (one.created, one.profile_id)):
        newest[record.model] = record
    ordered = sorted(newest.values(), key=lambda one: (one.profile.forward.p50_ms, one.model))
    return ProfileGroup(heading, {one.model: one for one in ordered}, len(records) - len(ordered))


def _heading(record: ProfileRecord) -> str:
    """What has to be equal, in words."""
    found = record.environment
    device = found.cpu if found.device == "cpu" else found.device
    images = "one image" if record.batch == 1 else f"{record.batch} images"
    convolution = [] if found.convolution == "direct" else ["convolution by Fourier transform"]
    parts = [
        f"{images} of {size_text(record.size)}",
        f"{record.num_classes} classes",
        *(f"{name}={json.dumps(value)}" for name, value in sorted(record.config.items())),
        device,
        f"{found.threads} thread{'s' if found.threads != 1 else ''}",
        found.precision,
        *convolution,
        *(["folded BN"] if record.folded else []),
        *(["torch.compile"] if found.compiled else []),
        f"torch {found.versions.get('torch', 'unknown')}",
    ]
    return ", ".join(parts)


def storage_multiplier(num_bytes: int, record: ProfileRecord) -> float:
    """Bytes of the largest resolution in units of SegNet-Basic's pooling positions there, 2 bits each."""
    height, width = record.size
    positions = PAPER_MAPS * -(-height // 2) * -(-width // 2) * record.batch
    return 8 * num_bytes / (POSITION_BITS * positions)
