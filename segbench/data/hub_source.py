"""``--from hf:ORG/NAME``: the samples of a dataset that was pushed to the Hub.

A pushed dataset is one source among others: ids, sizes, labels and class names are checked as anywhere, and the
fingerprint of the result is that of the same samples from their origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.data.codec import decode_ids
from segbench.data.hub_repository import HubRepository, is_hub, parse_address
from segbench.data.official_ids import differences, official_ids
from segbench.data.sample import LateSample, Sample, SourceArchive, SourceOptions
from segbench.errors import DataError, UsageError
from segbench.specs import SPLITS, DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

__all__ = ["HubSource", "open_source"]

BATCH = 16
COLUMNS = ("id", "image", "label", "classes")
PARTIAL_HINT = "Add --partial to prepare what is there; boards refuse the result."


@contextmanager
def open_source(spec: DatasetSpec, variant: VariantSpec, options: SourceOptions) -> Iterator[HubSource]:
    """Fetches the parquet files of the configuration that bears the variant's name, and checks all but the pixels.

    Raises:
        UsageError: Other sources were named beside it.
        DataError: The repository cannot be read, or does not hold this variant of this dataset.
    """
    repository_name, revision = parse_address(_only(options.sources))
    repository = HubRepository.at(repository_name, revision)
    files = repository.parquet_files(variant.name)
    if odd := sorted(set(files) - set(SPLITS)):
        raise DataError(f"hf:{repository.name} has the split '{odd[0]}'; {spec.name} has {', '.join(SPLITS)}.")
    places = {split: repository.fetch(files[split], options.progress) for split in SPLITS if split in files}
    opened = HubSource(repository, variant, places, allow_partial=options.partial)
    opened.check()
    yield opened


def _only(sources: Sequence[Path | str]) -> str:
    if len(sources) != 1 or not is_hub(sources[0]):
        raise UsageError("A Hub repository is the only source or none: give one --from hf:ORG/NAME alone.")
    return str(sources[0])


@dataclass
class HubSource:
    """The samples of one configuration of a repository.

    Attributes:
        repository: Where they come from.
        variant: What they have to be.
        files: Local parquet files by split.
        allow_partial: Missing samples are allowed.
        partial: Samples are missing.
    """

    repository: HubRepository
    variant: VariantSpec
    files: Mapping[str, Sequence[Path]]
    allow_partial: bool = False
    partial: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Samples by split."""
        return {split: sum(file.metadata.num_rows for file in self._opened(split)) for split in self.files}

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The repository; its digest is the commit."""
        return (SourceArchive(f"hf:{self.repository.name}", self.repository.address, digest=self.repository.commit),)

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the rows of a split; labels are decoded when they are looked at."""
        for row in self._rows(split, [*COLUMNS[:3], *(["depth"] if self.variant.depth else [])]):
            parts = [(row.get(name) or {}).get("bytes") for name in ("image", "label", "depth")]
            if parts[0] is None:
                raise DataError(f"hf:{self.repository.name}: {row['id']} of {split} has no image bytes.")
            yield LateSample(row["id"], _sample, row["id"], *parts)

    def check(self) -> None:
        """Holds columns, class names, counts and ids against the variant.

        Raises:
            DataError: Something differs.
        """
        for split in self.files:
            for file in self._opened(split):
                self._check_columns(split, file)
        counts = self.counts
        for split in [split for split in SPLITS if split in {*counts, *self.variant.counts}]:
            self._check_ids(split, [str(row["id"]) for row in self._rows(split, ["id"])])

    def _check_columns(self, split: str, file: parquet.ParquetFile) -> None:
        wanted = {*COLUMNS, *(["depth"] if self.variant.depth else [])}
        if missing := sorted(wanted - set(file.schema_arrow.names)):
            raise DataError(f"hf:{self.repository.name}: {split} has no column '{missing[0]}'.")
        if (names := _class_names(file)) != self.variant.class_names:
            raise DataError(
                f"hf:{self.repository.name}: the classes of {split} are {', '.join(names) or 'not named'}; "
                f"{self.variant.name} has {', '.join(self.variant.class_names)}."
            )

    def _check_ids(self, split: str, ids: list[str]) -> None:
        where = f"hf:{self.repository.name}: of {split}"
        official = official_ids(self.variant, split)
        if found := differences(ids, official, may_lack=self.allow_partial):
            hint = PARTIAL_HINT if all(one.what == "is missing" for one in found) else ""
            raise DataError(f"{where}, {found[0].id} {found[0].what} ({len(found)} such ids).", hint)
        expected = self.variant.counts.get(split)
        if expected in (None, len(ids)):
            return
        if not self.allow_partial:
            raise DataError(f"{where}, {len(ids)} samples are there; {expected} are published.", PARTIAL_HINT)
        self.partial = True

    def _rows(self, split: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        import pyarrow

        try:
            for file in self._opened(split):
                for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                    yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._damaged(split, error) from error

    def _opened(self, split: str) -> Iterator[parquet.ParquetFile]:
        import pyarrow
        from pyarrow import parquet

        for path in self.files.get(split, ()):
            try:
                with parquet.ParquetFile(path) as file:
                    yield file
            except (pyarrow.ArrowException, OSError) as error:
                raise self._damaged(split, error) from error

    def _damaged(self, split: str, error: Exception) -> DataError:
        return DataError(f"hf:{self.repository.name}: the parquet of {split} is damaged ({type(error).__name__}).")


def _class_names(file: parquet.ParquetFile) -> tuple[str, ...]:
    import datasets

    try:
        feature = datasets.Features.from_arrow_schema(file.schema_arrow)["classes"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return tuple(getattr(getattr(feature, "feature", None), "names", None) or ())


def _sample(sample_id: str, image: bytes, label: bytes | None, depth: bytes | None = None) -> Sample:
    ids = None if label is None else decode_ids(label, f"the label of {sample_id}")
    return Sample(sample_id, image, ids, depth)
