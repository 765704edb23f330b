"""Whether a prepared dataset is what it says: everything is read and hashed again and held against what is known.

Only findings make a dataset wrong: pictures that merely look alike and a digest that nobody has confirmed are told, not
held against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segbench.data.checks import (
    CHECKS,
    Check,
    Content,
    Digest,
    Finding,
    fingerprints,
    known_content,
    total_fingerprint,
    void_shares,
)
from segbench.data.examination import examine_split, open_splits
from segbench.data.near_duplicates import NEAR_BITS, NearPairs, near_pairs
from segbench.data.preparation import find_prepared, find_variant
from segbench.errors import DataError
from segbench.manifest import Manifest
from segbench.progress import SILENT, Progress
from segbench.specs import DatasetSpec, VariantSpec

__all__ = ["LookAlikes", "Verification", "verify", "verify_folder"]


@dataclass(frozen=True)
class LookAlikes:
    """Two samples of different splits whose images differ in few bits of their perceptual hash."""

    first_split: str
    first: str
    second_split: str
    second: str
    bits: int


@dataclass(frozen=True)
class Verification:
    """What is known of a prepared dataset after all of it was content.

    Attributes:
        manifest: What it says of itself.
        checks: In the order in which they were made.
        digest: How its content stands to known-good content.
        fingerprint: Of what is stored, empty where it could not be content.
        void_shares: Void pixels over all pixels by split, labelled splits only.
        look_alikes: Pairs of near images of two splits, closest first, the first thousand.
        look_alikes_between: How many there are.
        look_alikes_within: How many pairs of near images are within one split.
    """

    manifest: Manifest
    checks: tuple[Check, ...]
    digest: Digest
    fingerprint: str = ""
    void_shares: dict[str, float] = field(default_factory=dict)
    look_alikes: tuple[LookAlikes, ...] = ()
    look_alikes_between: int = 0
    look_alikes_within: int = 0

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """Everything that is wrong, with the name of its check."""
        return tuple((check.name, finding) for check in self.checks for finding in check.findings)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(dataset: str, variant: str | None = None, *, progress: Progress = SILENT) -> Verification:
    """Verifies the prepared dataset: reads every image and label map once, on all cores.

    Args:
        dataset: Registered name.
        variant: Configuration; ``None`` means the default one.
        progress: Told how far it is.

    Raises:
        UnknownNameError: No such dataset or variant.
        NotPreparedError: It is not there.
        DataError: Its manifest is damaged.
    """
    spec, configuration = find_variant(dataset, variant)
    return verify_folder(find_prepared(dataset, variant).folder, spec, configuration, progress=progress)


def verify_folder(
    folder: Path, spec: DatasetSpec, variant: VariantSpec, *, progress: Progress = SILENT
) -> Verification:
    """Verifies the prepared dataset in ``folder``, wherever that is.

    Raises:
        DataError: Its manifest is missing or damaged.
    """
    manifest = Manifest.read(folder)
    try:
        splits = open_splits(folder)
        samples = {split: examine_split(rows, split, progress) for split, rows in splits.items()}
    except DataError as error:
        unread = Check("files", f"{folder}", "wrong", (Finding(error.message.rstrip(".")),))
        return Verification(manifest, (unread,), "unconfirmed")
    return _judge(Content(spec, variant, manifest, splits, samples))


def _judge(content: Content) -> Verification:
    near = _near(content)
    checks = [check(content) for check in CHECKS]
    digest, known = known_content(content)
    return Verification(
        manifest=content.manifest,
        checks=(*checks, known, _near_check(near)),
        digest=digest,
        fingerprint=total_fingerprint(content, fingerprints(content)),
        void_shares=void_shares(content),
        look_alikes=tuple(_look_alikes(content, near)),
        look_alikes_between=near.between,
        look_alikes_within=near.within,
    )


def _near(content: Content) -> NearPairs:
    samples = list(content.readable())
    splits = {split: number for number, split in enumerate(content.samples_of)}
    hashes = np.array([sample.hash for _, sample in samples], dtype=np.uint64)
    return near_pairs(hashes, np.array([splits[split] for split, _ in samples], dtype=np.int64))


def _look_alikes(content: Content, found: NearPairs) -> Iterator[LookAlikes]:
    samples = [(split, sample.id) for split, sample in content.readable()]
    for pair in found.closest:
        yield LookAlikes(*samples[pair.first], *samples[pair.second], pair.bits)


def _near_check(found: NearPairs) -> Check:
    detail = (
        f"{found.between:,} pairs between splits and {found.within:,} within differ in at most {NEAR_BITS} of 64 bits "
        "of a perceptual hash"
    )
    return Check("look-alikes", detail, "note" if found.between or found.within else "ok")
