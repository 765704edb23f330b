"""The README.md of a dataset repository: what its viewer and ``load_dataset`` need to know, and what people do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from segbench.errors import UsageError
from segbench.hub.card import card, merge_cards, section, split_card
from segbench.hub.card_template import drawn
from segbench.hub.dataset_shards import SplitShards
from segbench.manifest import Manifest, SplitSummary
from segbench.specs import IGNORE_INDEX, DatasetSpec

__all__ = ["DatasetCard", "licence_metadata"]

DATASET_SECTION = re.compile(r"<!-- segbench begins: dataset:(\S+)")
# Lower bounds and names of the Hub's size_categories.
SIZES = (
    (0, "n<1K"),
    (1_000, "1K<n<10K"),
    (10_000, "10K<n<100K"),
    (100_000, "100K<n<1M"),
    (1_000_000, "1M<n<10M"),
)


class ClassRow(NamedTuple):
    """A line of the table of classes."""

    id: int
    name: str
    colour: str
    rgb: str
    shares: tuple[str, ...]


@dataclass(frozen=True)
class DatasetCard:
    """One configuration of a dataset repository.

    Attributes:
        repo_id: ``ORG/NAME``.
        spec: The dataset.
        manifest: The variant as it was prepared.
        features: Its columns in the JSON of ``datasets``.
        shards: Its parquet files; none where only the recipe is pushed.
    """

    repo_id: str
    spec: DatasetSpec
    manifest: Manifest
    features: Mapping[str, Any]
    shards: tuple[SplitShards, ...] = ()

    def readme(self, existing: str | None = None) -> str:
        """The README.md with this configuration in it.

        Args:
            existing: The one that is on the Hub. Other configurations in it are kept, and so is what people wrote.

        Raises:
            HubError: Its metadata cannot be read.
            UsageError: It is of another dataset, or lists the images that a recipe goes without.
        """
        theirs, text = split_card(existing or "")
        known = _by_name(theirs.get("configs"))
        self._check(known, text)
        facts = self._facts({**_by_name(theirs.get("dataset_info")), **self._infos()})
        ours = card({**licence_metadata(self.spec), **facts, **self._tables(bool(known))}, self._body())
        if existing is None:
            return merge_cards(ours, None)
        # These follow from all configurations, and lists of both would be united.
        kept = {key: value for key, value in theirs.items() if key != "viewer" or not (self.shards or known)}
        if "size_categories" in kept:
            kept["size_categories"] = facts["size_categories"]
        return merge_cards(ours, card(kept, text))

    def _body(self) -> str:
        main = drawn("dataset.md.j2", spec=self.spec, ignore_index=IGNORE_INDEX)
        return f"{section(f'dataset:{self.spec.name}', main)}\n\n{section(self.manifest.variant, self._section())}"

    def _check(self, known: Mapping[str, Any], text: str) -> None:
        others = set(DATASET_SECTION.findall(text)) - {self.spec.name}
        if others:
            # A configuration of the same name would be replaced.
            raise UsageError(
                f"{self.repo_id} holds {min(others)}, and a repository holds one dataset.", "Name another repository."
            )
        if not self.shards and self.manifest.variant in known:
            raise UsageError(
                f"{self.repo_id} holds the images of {self.manifest.variant} already; --recipe-only takes none away.",
                "Name another repository, or push without --recipe-only.",
            )

    def _section(self) -> str:
        default = self.manifest.variant == self.spec.default_variant
        return drawn(
            "dataset_config.md.j2",
            manifest=self.manifest,
            ignore_index=IGNORE_INDEX,
            repo_id=self.repo_id,
            images=bool(self.shards),
            depth="depth" in self.features,
            first_split=next(iter(self.manifest.splits)),
            arguments=self.spec.name + ("" if default else f" --variant {self.manifest.variant}"),
            labelled=self._labelled(),
            share=_share,
            class_rows=self._class_rows(),
        )

    def _labelled(self) -> dict[str, SplitSummary]:
        return {name: split for name, split in self.manifest.splits.items() if split.labelled}

    def _class_rows(self) -> list[ClassRow]:
        return [self._class_row(position) for position in range(self.manifest.num_classes)]

    def _class_row(self, position: int) -> ClassRow:
        colour = self.manifest.palette[position]
        shares = tuple(_share(split.pixels[position], split.num_pixels) for split in self._labelled().values())
        return ClassRow(
            position,
            self.manifest.class_names[position],
            "#{:02x}{:02x}{:02x}".format(*colour),
            ", ".join(map(str, colour)),
            shares,
        )

    # --- metadata -----------------------------------------------------------------------------------------------------

    def _facts(self, infos: Mapping[str, Any]) -> dict[str, Any]:
        largest = max([_examples(info) for info in infos.values()], default=sum(self.manifest.counts.values()))
        return {
            "pretty_name": self.spec.title,
            "task_categories": ["image-segmentation"],
            "task_ids": ["semantic-segmentation"],
            "size_categories": [next(name for least, name in reversed(SIZES) if largest >= least)],
            "tags": ["segbench"],
        }

    def _tables(self, any_images: bool) -> dict[str, Any]:
        if self.shards:
            return {"configs": [self._config()], "dataset_info": list(self._infos().values())}
        # Lists of ids are no rows that the viewer should show.
        return {} if any_images else {"viewer": False}

    def _config(self) -> dict[str, Any]:
        folder = self.manifest.variant
        files = [{"split": one.split, "path": f"{folder}/{one.split}-*.parquet"} for one in self.shards]
        default = {"default": True} if folder == self.spec.default_variant else {}
        return {"config_name": folder, "data_files": files, **default}

    def _infos(self) -> dict[str, Any]:
        return {self.manifest.variant: self._info()} if self.shards else {}

    def _info(self) -> dict[str, Any]:
        splits = [{"name": one.split, "num_bytes": one.num_bytes, "num_examples": one.num_rows} for one in self.shards]
        return {
            "config_name": self.manifest.variant,
            "features": [{"name": name, **_column(described)} for name, described in self.features.items()],
            "splits": splits,
            "download_size": sum(one.file_bytes for one in self.shards),
            "dataset_size": sum(one.num_bytes for one in self.shards),
        }


def licence_metadata(spec: DatasetSpec) -> dict[str, str]:
    """The licence in the Hub's words: one of its list, or ``other`` with a name and where the terms are."""
    if spec.licence_id:
        return {"license": spec.licence_id}
    link = {"license_link": spec.homepage} if spec.homepage else {}
    return {"license": "other", "license_name": f"{spec.name}-terms", **link}


def _by_name(listed: Any) -> dict[str, Any]:
    """Configurations by name; the Hub takes a single one without a list, and calls it default."""
    entries = listed if isinstance(listed, list) else [listed] if isinstance(listed, dict) else []
    return {str(entry.get("config_name", "default")): entry for entry in entries if isinstance(entry, dict)}


def _examples(info: Mapping[str, Any]) -> int:
    return sum(int(split.get("num_examples") or 0) for split in info.get("splits") or () if isinstance(split, dict))


def _column(described: Mapping[str, Any]) -> dict[str, Any]:
    """A column as front matter describes it."""
    kind = described["_type"]
    if kind == "Value":
        return {"dtype": described["dtype"]}
    if kind == "Image":
        return {"dtype": "image"}
    if kind == "List":
        return {"list": _column(described["feature"]) if "_type" in described["feature"] else {}}
    if kind == "ClassLabel":
        return {"class_label": {"names": {str(number): name for number, name in enumerate(described["names"])}}}
    raise UsageError(f"A column of the type {kind} is none that segbench prepares.", "Prepare the dataset again.")


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.2f}" if total else ""
