"""The samples of a source, checked and counted, as the folder of a Hugging Face ``DatasetDict`` with its manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.data.codec import decode_rgb, encode_ids
from segbench.data.fingerprint import combine
from segbench.data.sample import Sample, Source, SourceOptions
from segbench.data.tally import SplitTally
from segbench.errors import DataError
from segbench.manifest import Manifest
from segbench.specs import IGNORE_INDEX, SPLITS, DatasetSpec, VariantSpec

if TYPE_CHECKING:
    import datasets
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Assembly"]

# Parts that do not start with a dot, so that an id can name a file below any folder and never one outside it.
ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", flags=re.ASCII)


@dataclass
class Assembly:
    """One variant on its way from its source to a folder.

    Attributes:
        spec: The dataset.
        variant: Its configuration.
        options: What the user asked for.
        source: Its opened samples.
        tallies: The figures of each split written so far.
    """

    spec: DatasetSpec
    variant: VariantSpec
    options: SourceOptions
    source: Source
    tallies: dict[str, SplitTally] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def write(self, target: Path, scratch: Path) -> Manifest:
        """Writes all splits and, last, the manifest.

        Args:
            target: An empty folder for the dataset.
            scratch: An empty folder that the caller removes afterwards.

        Raises:
            DataError: A sample is wrong; names it.
        """
        import datasets

        written = datasets.DatasetDict()
        with _quiet_datasets():
            for split in (name for name in SPLITS if self.source.counts.get(name)):
                written[split] = self._build(split, scratch)
            if not written:
                raise DataError(f"The source of {self.spec.name} {self.variant.name} holds no sample.")
            written.save_to_disk(str(target))
        manifest = self._manifest()
        manifest.write(target)
        return manifest

    def _build(self, split: str, scratch: Path) -> datasets.Dataset:
        import datasets

        self.tallies[split] = SplitTally(self.variant.num_classes)
        try:
            built = datasets.Dataset.from_generator(
                lambda: self._rows(split),
                features=_features(self.variant),
                cache_dir=str(scratch),
                split=datasets.NamedSplit(split),
                fingerprint=f"segbench-{split}",
            )
        except datasets.exceptions.DatasetGenerationError as error:
            # datasets wraps whatever the rows raise; the person wants the cause.
            raise error.__cause__ or error from None
        # What from_generator notes down holds paths of this machine; facts replace it.
        built._info = self._info()
        built._fingerprint = self.tallies[split].summary().fingerprint
        return built

    def _rows(self, split: str) -> Iterator[dict[str, Any]]:
        with self.options.progress.task(f"prepare {split}", self.source.counts[split], "images") as bar:
            for sample in self.source.samples(split):
                self._check_id(sample.id, split)
                image = decode_rgb(sample.image, sample.id)
                self._check_sizes(sample, image)
                self._check_label(sample)
                yield {
                    "id": sample.id,
                    "image": {"bytes": sample.image, "path": None},
                    "label": {"bytes": encode_ids(sample.label), "path": None},
                    "classes": self.tallies[split].add(sample.id, image, sample.label),
                }
                bar.advance()

    def _check_id(self, sample_id: str, split: str) -> None:
        if not ID.fullmatch(sample_id):
            raise DataError(f"The id {sample_id!r} cannot name a file: letters, digits, _-./ and no part '..'.")
        if sample_id in self._seen:
            raise DataError(f"The id '{sample_id}' of {split} is there twice.")
        self._seen.add(sample_id)

    def _check_sizes(self, sample: Sample, image: NDArray[np.uint8]) -> None:
        height, width = image.shape[:2]
        if sample.label.shape != (height, width):
            label = "x".join(map(str, sample.label.shape))
            raise DataError(f"{sample.id}: the image is {height}x{width} but its label is {label}.")
        expected = self.options.size or self.variant.size
        if expected not in (None, (height, width)):
            allowed = "x".join(map(str, expected))
            raise DataError(f"{sample.id} is {height}x{width}; {self.variant.name} has {allowed} only.")

    def _check_label(self, sample: Sample) -> None:
        wrong = sample.label[(sample.label >= self.variant.num_classes) & (sample.label != IGNORE_INDEX)]
        if wrong.size:
            raise DataError(
                f"{sample.id}: its label holds {int(wrong[0])}; "
                f"{self.variant.name} has 0..{self.variant.num_classes - 1} and {IGNORE_INDEX} (ignore)."
            )

    def _info(self) -> datasets.DatasetInfo:
        import datasets

        return datasets.DatasetInfo(
            description=self.spec.summary,
            citation=self.spec.citation,
            homepage=self.spec.homepage,
            license=self.spec.licence,
            features=_features(self.variant),
            dataset_name=self.spec.name,
            config_name=self.variant.name,
        )

    def _manifest(self) -> Manifest:
        splits = {split: tally.summary() for split, tally in self.tallies.items()}
        sizes = {size for tally in self.tallies.values() for size in tally.sizes}
        return Manifest(
            dataset=self.spec.name,
            variant=self.variant.name,
            class_names=self.variant.class_names,
            palette=self.variant.palette,
            splits=splits,
            sources=tuple(self.source.archives),
            fingerprint=combine({name: split.fingerprint for name, split in splits.items()}),
            licence=self.spec.licence,
            citation=self.spec.citation,
            homepage=self.spec.homepage,
            size=sizes.pop() if len(sizes) == 1 else None,
            partial=self.source.partial,
        )


def _features(variant: VariantSpec) -> datasets.Features:
    import datasets

    return datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.Image(),
            "classes": datasets.List(datasets.ClassLabel(names=list(variant.class_names))),
        }
    )


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    import datasets

    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
