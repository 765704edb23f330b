"""What is checked of a prepared dataset: each check is one function, which returns what it found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.data.examination import Examined
from segbench.data.fingerprint import SplitHash, combine, labels_digest
from segbench.data.official_ids import differences, official_ids
from segbench.manifest import ClassCount, Manifest, SplitSummary
from segbench.specs import IGNORE_INDEX, DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import datasets

__all__ = [
    "CHECKS",
    "Check",
    "Content",
    "Digest",
    "Finding",
    "fingerprints",
    "known_content",
    "total_fingerprint",
    "void_shares",
]

State = Literal["ok", "wrong", "note", "unconfirmed"]
Digest = Literal["confirmed", "labels confirmed", "unconfirmed", "differs"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        what: One sentence without its full stop.
        split: Where, if in one split.
        id: Of which sample, if of one.
    """

    what: str
    split: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Check:
    """What one check came to.

    Attributes:
        name: Of the check.
        detail: What was compared, with figures.
        state: ``wrong`` where there are findings; ``note`` and ``unconfirmed`` are no fault.
        findings: What is wrong.
    """

    name: str
    detail: str
    state: State = "ok"
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Content:
    """A prepared dataset as it was read: all that the checks look at.

    Attributes:
        spec: What it should be.
        variant: Which configuration.
        manifest: What it says of itself.
        splits: As ``datasets`` opened them.
        samples_of: What was found in each split, in order.
    """

    spec: DatasetSpec
    variant: VariantSpec
    manifest: Manifest
    splits: dict[str, datasets.Dataset]
    samples_of: dict[str, list[Examined]]

    def samples(self) -> Iterator[tuple[str, Examined]]:
        """Every sample with its split."""
        return ((split, sample) for split, group in self.samples_of.items() for sample in group)

    def readable(self) -> Iterator[tuple[str, Examined]]:
        """Every sample that could be decoded, with its split."""
        return ((split, sample) for split, sample in self.samples() if not sample.fault)

    def labelled(self) -> Iterator[tuple[str, Examined]]:
        """Every sample with a label map, with its split."""
        return ((split, sample) for split, sample in self.readable() if sample.counts is not None)

    def is_labelled(self, split: str) -> bool:
        """Whether the manifest says that the split has labels."""
        summary = self.manifest.splits.get(split)
        return summary is None or summary.labelled


def _check(name: str, detail: str, findings: Sequence[Finding], otherwise: State = "ok") -> Check:
    return Check(name, detail, "wrong" if findings else otherwise, tuple(findings))


def _classes(content: Content) -> Check:
    variant, manifest = content.variant, content.manifest
    findings = []
    if (manifest.dataset, manifest.variant) != (content.spec.name, variant.name):
        findings.append(Finding(f"the manifest is of {manifest.dataset} {manifest.variant}"))
    if manifest.class_names != variant.class_names:
        findings.append(Finding(f"the manifest's classes are {', '.join(manifest.class_names)}"))
    if manifest.palette != variant.palette:
        findings.append(Finding("the manifest's colours are not those of the class list"))
    for split, rows in content.splits.items():
        names = _stored_names(rows)
        if names != variant.class_names:
            findings.append(Finding(f"the column 'classes' has the names {', '.join(names) or 'of no class'}", split))
    return _check("classes", f"{variant.num_classes} names and colours", findings)


def _stored_names(rows: datasets.Dataset) -> tuple[str, ...]:
    return tuple(getattr(getattr(rows.features["classes"], "feature", None), "names", None) or ())


def _counts(content: Content) -> Check:
    found = {split: len(group) for split, group in content.samples_of.items()}
    findings = [
        Finding(f"{found.get(split, 0)} samples are stored, the manifest says {count}", split)
        for split, count in content.manifest.counts.items()
        if found.get(split, 0) != count
    ]
    findings += [Finding("is not in the manifest", split) for split in found if split not in content.manifest.counts]
    published = dict(content.variant.counts)
    if not content.manifest.partial:
        findings += [
            Finding(f"{found.get(split, 0)} samples, {count} are published", split)
            for split, count in published.items()
            if found.get(split, 0) != count
        ]
    detail = ", ".join(f"{count} {split}" for split, count in found.items())
    if content.manifest.partial:
        return _check("counts", f"{detail}: a part of what is published", findings, "note")
    return _check("counts", f"{detail}{', as published' if published else ''}", findings)


def _ids(content: Content) -> Check:
    findings = _repeated(content)
    for split, group in content.samples_of.items():
        ids, official = [sample.id for sample in group], official_ids(content.variant, split)
        odd = differences(ids, official, may_lack=content.manifest.partial)
        findings += [Finding(one.what, split, one.id) for one in odd]
    listed = "and as the official lists have them" if content.variant.official_ids else "there is no official list"
    return _check("ids", f"each once, {listed}", findings)


def _repeated(content: Content) -> list[Finding]:
    seen: dict[str, str] = {}
    findings = []
    for split, sample in content.samples():
        if sample.id in seen:
            findings.append(Finding(f"is in {seen[sample.id]} already", split, sample.id))
        seen.setdefault(sample.id, split)
    return findings


def _images(content: Content) -> Check:
    findings = [
        Finding(sample.fault.rstrip("."), split, sample.id) for split, sample in content.samples() if sample.fault
    ]
    size = content.manifest.size
    for split, sample in content.readable():
        if sample.label_size not in (None, sample.size):
            label = _text(sample.label_size)
            findings.append(Finding(f"the image is {_text(sample.size)}, its label {label}", split, sample.id))
        if content.variant.depth and sample.depth_size != sample.size:
            depth = _text(sample.depth_size) or "missing"
            findings.append(Finding(f"the image is {_text(sample.size)}, its depth {depth}", split, sample.id))
        if size is not None and sample.size != size:
            findings.append(Finding(f"the image is {_text(sample.size)}, not {_text(size)}", split, sample.id))
    detail = "readable, each label of its image's size" + (f", {_text(size)}" if size else "")
    return _check("images", detail, findings)


def _text(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))


def _labels(content: Content) -> Check:
    num_classes = content.variant.num_classes
    findings = []
    for split, sample in content.readable():
        if sample.counts is None:
            if content.is_labelled(split):
                findings.append(Finding("has no label", split, sample.id))
            continue
        present = np.flatnonzero(sample.counts)
        wrong = [int(value) for value in present if num_classes <= value != IGNORE_INDEX]
        if wrong:
            findings.append(
                Finding(f"its label holds {wrong[0]} ({int(sample.counts[wrong[0]])} pixels)", split, sample.id)
            )
        elif not sample.label_is_plain:
            findings.append(Finding("its label is not a PNG of mode L with 8 bits", split, sample.id))
        elif sample.classes != tuple(int(value) for value in present if value < num_classes):
            listed = ", ".join(map(str, sample.classes)) or "none"
            findings.append(Finding(f"'classes' says {listed}, its label holds others", split, sample.id))
    return _check("labels", f"0..{num_classes - 1} and {IGNORE_INDEX}, 'classes' are those present", findings)


def _void(content: Content) -> Check:
    shares = void_shares(content)
    counts = [_pixel_counts(sample) for _, sample in content.labelled()]
    empty = sum(bool(one[IGNORE_INDEX] == one.sum()) for one in counts)
    detail = ", ".join(f"{100 * share:.2f} % of {split}" for split, share in shares.items()) or "no labels"
    if empty:
        return Check("void", f"{detail}; nothing is labelled in {empty} images", "note")
    return Check("void", detail)


def void_shares(content: Content) -> dict[str, float]:
    """Void pixels over all pixels, 0..1, of each labelled split."""
    void: dict[str, int] = defaultdict(int)
    pixels: dict[str, int] = defaultdict(int)
    for split, sample in content.labelled():
        counts = _pixel_counts(sample)
        void[split] += int(counts[IGNORE_INDEX])
        pixels[split] += int(counts.sum())
    return {split: void[split] / pixels[split] for split in pixels if pixels[split]}


def _pixel_counts(sample: Examined) -> NDArray[np.int64]:
    assert sample.counts is not None
    return sample.counts


def _figures(content: Content) -> Check:
    findings = []
    for split, summary in content.manifest.splits.items():
        group = [sample for sample in content.samples_of.get(split, ()) if not sample.fault]
        counts = np.stack([_pixel_counts(s) for s in group if s.counts is not None] or [np.zeros(256, np.int64)])
        findings += _other_figures(split, summary, counts, content.manifest.class_names)
    return _check("figures", "pixels and images of each class, as the manifest says", findings)


def _other_figures(split: str, summary: SplitSummary, counts: NDArray[np.int64], names: Sequence[str]) -> list[Finding]:
    stated = [*zip(range(len(names)), names, summary.classes, strict=True), (IGNORE_INDEX, "void", summary.void)]
    found = {value: _class_count(counts, value) for value, _, _ in stated}
    return [
        Finding(f"{name}: {found[value].pixels:,} pixels, the manifest says {count.pixels:,}", split)
        if found[value].pixels != count.pixels
        else Finding(f"{name}: in {found[value].images} images, the manifest says {count.images}", split)
        for value, name, count in stated
        if found[value] != count
    ]


def _class_count(counts: NDArray[np.int64], value: int) -> ClassCount:
    column = counts[:, value]
    return ClassCount(int(column.sum()), int((column > 0).sum()), int(counts[column > 0].sum()))


def _fingerprint(content: Content) -> Check:
    found = fingerprints(content)
    findings = [
        Finding("the stored content has another fingerprint than the manifest says", split)
        for split, summary in content.manifest.splits.items()
        if found.get(split) != summary.fingerprint
    ]
    stated = {split: summary.fingerprint for split, summary in content.manifest.splits.items()}
    if total_fingerprint(content, stated) != content.manifest.fingerprint:
        findings.append(Finding("the manifest's fingerprint is not that of its splits"))
    return _check("fingerprint", f"{content.manifest.fingerprint[:16]}, hashed again", findings)


def total_fingerprint(content: Content, splits: Mapping[str, str]) -> str:
    """Of the dataset: splits whose labels are not published have no say."""
    return combine({split: fingerprint for split, fingerprint in splits.items() if content.is_labelled(split)})


def fingerprints(content: Content) -> dict[str, str]:
    """Of each split, from what is stored."""
    found = {}
    for split, group in content.samples_of.items():
        whole = SplitHash()
        for sample in group:
            whole.add_digest(sample.digest)
        found[split] = whole.hexdigest()
    return found


def _duplicates(content: Content) -> Check:
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split, sample in content.readable():
        groups[sample.image_digest].append((split, sample.id))
    findings = [
        Finding(f"has the very image of {first} in {split_of_first}", split, again)
        for (split_of_first, first), *others in groups.values()
        for split, again in others
    ]
    return _check("duplicates", "no image twice, pixel for pixel, within or between splits", findings)


CHECKS: Sequence[Callable[[Content], Check]] = [
    *(_classes, _counts, _ids, _images, _labels, _void, _figures, _fingerprint, _duplicates)
]


# --- known-good content -----------------------------------------------------------------------------------------------


def known_content(content: Content) -> tuple[Digest, Check]:
    """How the content stands to what is known to be good: of the whole, or of the label maps alone."""
    variant = content.variant
    if content.manifest.partial:
        return "unconfirmed", Check("digest", "of a part, which nothing known can be compared with", "unconfirmed")
    if variant.known_fingerprint and content.manifest.size == variant.size:
        return _compared(
            "all content", total_fingerprint(content, fingerprints(content)), variant.known_fingerprint, "confirmed"
        )
    if variant.known_labels:
        lines = labels_digest(sample.label_line for _, sample in content.labelled())
        return _compared("all label maps, no images", lines, variant.known_labels, "labels confirmed")
    return "unconfirmed", Check("digest", "no known-good content to compare with", "unconfirmed")


def _compared(what: str, found: str, known: str, confirmed: Digest) -> tuple[Digest, Check]:
    detail = f"{known[:16]} is known-good ({what})"
    if found == known:
        return confirmed, Check("digest", detail)
    return "differs", _check(
        "digest", detail, [Finding(f"it is {found[:16]} here, {known[:16]} is known-good ({what})")]
    )
