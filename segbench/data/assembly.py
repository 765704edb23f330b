"""The samples of a source, checked and counted, as the folder of a Hugging Face ``DatasetDict`` with its manifest.

Samples are read here, in order, and decoded, checked and encoded by ``segbench.data.row`` in as many processes as there
are; their rows come back in order and go into shards. What a killed preparation has finished is recognised by the
digest of each sample's input: those samples are read again, because the source's checks and digests cover them, but not
decoded.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segbench.data.fingerprint import combine
from segbench.data.hf_folder import shard_name, write_dict, write_split
from segbench.data.row import Corrupt, Row, Rules, packed, row_maker
from segbench.data.sample import Source, SourceOptions
from segbench.data.shards import Entry, Shard, ShardWriter, finished_shards
from segbench.data.tally import SplitTally
from segbench.data.workers import in_order
from segbench.errors import CorruptImageError, DataError
from segbench.manifest import Manifest, SkippedSample
from segbench.progress import Task
from segbench.specs import SPLITS, DatasetSpec, VariantSpec

__all__ = ["Assembly", "ChangedSourceError"]

# Parts that do not start with a dot, so that an id can name a file below any folder and never one outside it.
ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", flags=re.ASCII)


RowMaker = Callable[[Iterable[bytes]], Iterator[Row | Corrupt]]


class ChangedSourceError(Exception):
    """The source is not the one that the finished shards were made from."""


@dataclass
class Assembly:
    """One variant on its way from its source to a folder.

    Attributes:
        spec: The dataset.
        variant: Its configuration.
        options: What the user asked for.
        source: Its opened samples.
        processes: How many decode and encode.
        skip_corrupt: How many samples that cannot be decoded are left out instead of ending it.
        tallies: The figures of each split written so far.
        skipped: What was left out.
    """

    spec: DatasetSpec
    variant: VariantSpec
    options: SourceOptions
    source: Source
    processes: int = 1
    skip_corrupt: int = 0
    tallies: dict[str, SplitTally] = field(default_factory=dict)
    skipped: list[SkippedSample] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def fill(self, work: Path) -> None:
        """Writes the shards of all splits into ``work``, going on after those that are finished there.

        Raises:
            DataError: A sample is wrong; names it.
            ChangedSourceError: The finished shards are of something else; empty ``work`` and open the source anew.
        """
        with in_order(row_maker(self._rules()), self.processes) as make_rows:
            for split in self._splits():
                self.tallies[split] = SplitTally(self.variant.num_classes)
                folder = work / split
                folder.mkdir(exist_ok=True)
                with self.options.progress.task(f"prepare {split}", self.source.counts[split], "images") as bar:
                    self._fill_split(split, folder, make_rows, bar)
                if not self.tallies[split].sizes:
                    raise DataError(f"No sample of {split} of {self.spec.name} {self.variant.name} can be decoded.")

    def complete(self, work: Path, target: Path) -> Manifest:
        """Makes the dataset's folder out of the shards.

        Args:
            work: Filled; its shards are moved away.
            target: An empty folder on the same disk.

        Returns:
            The manifest, which is written last.
        """
        for split, tally in self.tallies.items():
            (target / split).mkdir()
            shards = finished_shards(work / split)
            for position, shard in enumerate(shards):
                shard.path.rename(target / split / shard_name(position, len(shards)))
            write_split(target / split, split, len(shards), tally.summary().fingerprint, (self.spec, self.variant))
        write_dict(target, list(self.tallies))
        manifest = self._manifest()
        manifest.write(target)
        return manifest

    def _splits(self) -> list[str]:
        splits = [name for name in SPLITS if self.source.counts.get(name)]
        if not splits:
            raise DataError(f"The source of {self.spec.name} {self.variant.name} holds no sample.")
        return splits

    def _fill_split(self, split: str, folder: Path, make_rows: RowMaker, bar: Task) -> None:
        samples = self._packed_samples(split)
        finished = finished_shards(folder)
        for shard in finished:
            self._recognise(split, shard, samples, bar)
        ended = bool(finished) and finished[-1].last
        if ended and next(samples, None) is not None:
            raise ChangedSourceError
        if finished:
            count = sum(len(shard.entries) for shard in finished)
            self.options.progress.message(f"{count} images of {split} were finished before the interruption.")
        if ended:
            return
        writer = ShardWriter(folder, self.variant, len(finished))
        try:
            for entry, row in _rows(samples, make_rows):
                self._account(split, entry)
                writer.add(entry, row)
                bar.advance()
            writer.finish()
        finally:
            writer.abandon()

    def _recognise(self, split: str, shard: Shard, samples: Iterator[tuple[str, bytes]], bar: Task) -> None:
        for entry in shard.entries:
            sample_id, content = next(samples, ("", b""))
            if (sample_id, _digest(content)) != (entry.id, entry.input):
                raise ChangedSourceError
            self._account(split, entry)
            bar.advance()

    def _packed_samples(self, split: str) -> Iterator[tuple[str, bytes]]:
        for sample in self.source.samples(split):
            self._check_id(sample.id, split)
            yield sample.id, packed(sample)

    def _account(self, split: str, entry: Entry) -> None:
        if entry.measure is not None:
            self.tallies[split].add(entry.measure)
            return
        if len(self.skipped) == self.skip_corrupt:
            so_far = f" {self.skip_corrupt} were left out before it." if self.skip_corrupt else ""
            hint = f"Fetch the source again, or add --skip-corrupt {self.skip_corrupt + 1} to leave it out."
            raise CorruptImageError(f"{entry.reason}{so_far}", hint)
        self.skipped.append(SkippedSample(entry.id, split, entry.reason))
        self.options.progress.message(f"Left out {split} {entry.id}: {entry.reason}")

    def _check_id(self, sample_id: str, split: str) -> None:
        if not ID.fullmatch(sample_id):
            raise DataError(f"The id {sample_id!r} cannot name a file: letters, digits, _-./ and no part '..'.")
        if sample_id in self._seen:
            raise DataError(f"The id '{sample_id}' of {split} is there twice.")
        self._seen.add(sample_id)

    def _rules(self) -> Rules:
        size = self.options.size or self.variant.size
        return Rules(self.variant.name, self.variant.num_classes, size, self.variant.depth)

    def _manifest(self) -> Manifest:
        splits = {split: tally.summary() for split, tally in self.tallies.items()}
        sizes = {size for tally in self.tallies.values() for size in tally.sizes}
        labelled = {name: split.fingerprint for name, split in splits.items() if split.labelled}
        return Manifest(
            dataset=self.spec.name,
            variant=self.variant.name,
            class_names=self.variant.class_names,
            palette=self.variant.palette,
            splits=splits,
            sources=tuple(self.source.archives),
            # An unlabelled test split makes no other data of what is trained on and compared.
            fingerprint=combine(labelled),
            licence=self.spec.licence,
            citation=self.spec.citation,
            homepage=self.spec.homepage,
            size=sizes.pop() if len(sizes) == 1 else None,
            partial=self.source.partial or bool(self.skipped),
            skipped=tuple(self.skipped),
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _rows(samples: Iterator[tuple[str, bytes]], make_rows: RowMaker) -> Iterator[tuple[Entry, Row | None]]:
    """What becomes of each sample, in order."""
    waiting: deque[tuple[str, bytes]] = deque()

    def contents() -> Iterator[bytes]:
        for sample_id, content in samples:
            waiting.append((sample_id, content))
            yield content

    for made in make_rows(contents()):
        sample_id, content = waiting.popleft()
        if isinstance(made, Corrupt):
            yield Entry(sample_id, _digest(content), reason=made.reason), None
        else:
            yield Entry(sample_id, _digest(content), made.measure), made.unpacked(content)
