"""The card of a dataset repository: what the Hub and ``datasets`` read in it, and how it grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard as HubCard
from huggingface_hub import DatasetCardData

import segbench.data  # noqa: F401  (registers the datasets)
from segbench.errors import HubError, UsageError
from segbench.hub.dataset_card import DatasetCard, licence_metadata
from segbench.hub.dataset_shards import SplitShards
from segbench.manifest import ClassCount, Manifest, SkippedSample, SourceArchive, SplitSummary
from segbench.registry import DATASETS
from tests.data import toy

FEATURES: dict[str, Any] = {
    "id": {"dtype": "string", "_type": "Value"},
    "image": {"_type": "Image"},
    "label": {"_type": "Image"},
    "classes": {"feature": {"names": ["sky", "road", "on"], "_type": "ClassLabel"}, "_type": "List"},
}


def summary(images: int = 2, *, labelled: bool = True) -> SplitSummary:
    """Sixty pixels, a sixth of them void."""
    counts = [ClassCount(pixels, images, 60) for pixels in (30, 15, 5)] if labelled else [ClassCount(0, 0, 0)] * 3
    void = ClassCount(10, images, 60) if labelled else ClassCount(0, 0, 0)
    return SplitSummary(images, 60 if labelled else 0, tuple(counts), void, "f" * 64)


def manifest(variant: str = "small", **changes: Any) -> Manifest:
    values = Manifest(
        dataset="toy",
        variant=variant,
        class_names=("sky", "road", "on"),
        palette=toy.VARIANT.palette,
        splits={"train": summary(), "test": summary(1, labelled=False)},
        sources=(SourceArchive("toy.zip", "https://example.org/toy.zip", "a" * 64), SourceArchive("folder")),
        fingerprint="0123456789abcdef" * 4,
        licence="CC0-1.0",
        citation="Nobody 2026",
        homepage="https://example.org/toy",
    )
    return replace(values, **changes)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[SplitShards, ...]:
    paths = [tmp_path / f"{split}-00000-of-00001.parquet" for split in ("train", "test")]
    for path in paths:
        path.write_bytes(b"12345")
    return SplitShards("train", (paths[0],), 2, 100), SplitShards("test", (paths[1],), 1, 50)


def pushed(parts: tuple[SplitShards, ...], variant: str = "small", **changes: Any) -> DatasetCard:
    return DatasetCard("lab/toy", toy.SPEC, manifest(variant, **changes), FEATURES, parts)


def metadata(text: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return values


def test_front_matter(parts: tuple[SplitShards, ...]) -> None:
    found = metadata(pushed(parts).readme())
    assert found == {
        "license": "other",
        "license_name": "toy-terms",
        "license_link": "https://example.org/toy",
        "pretty_name": "Toy",
        "task_categories": ["image-segmentation"],
        "task_ids": ["semantic-segmentation"],
        "size_categories": ["n<1K"],
        "tags": ["segbench"],
        "configs": [
            {
                "config_name": "small",
                "data_files": [
                    {"split": "train", "path": "small/train-*.parquet"},
                    {"split": "test", "path": "small/test-*.parquet"},
                ],
                "default": True,
            }
        ],
        "dataset_info": [
            {
                "config_name": "small",
                "features": found["dataset_info"][0]["features"],
                "splits": [
                    {"name": "train", "num_bytes": 100, "num_examples": 2},
                    {"name": "test", "num_bytes": 50, "num_examples": 1},
                ],
                "download_size": 10,
                "dataset_size": 150,
            }
        ],
    }
    columns = found["dataset_info"][0]["features"]
    assert datasets.Features._from_yaml_list(columns) == datasets.Features.from_dict(FEATURES)


def test_the_hubs_own_class_reads_it(parts: tuple[SplitShards, ...]) -> None:
    data = HubCard(pushed(parts).readme()).data
    assert isinstance(data, DatasetCardData)
    assert (data.license, data.pretty_name, data.size_categories) == ("other", "Toy", ["n<1K"])


def test_what_people_read(parts: tuple[SplitShards, ...]) -> None:
    text = pushed(parts).readme()
    for line in (
        'data = load_dataset("lab/toy", "small")',
        "segbench prepare toy --from hf:lab/toy",
        "| train | 2 | 50 | 10 | `ffffffffffffffff` |",
        "| test | 1 | not published | not published | `ffffffffffffffff` |",
        "| 0 | `sky` | `#0000ff` | 0, 0, 255 | 50.00 |",
        "| 255 | void | | | 16.67 |",
        f"| toy.zip | https://example.org/toy.zip | sha256 `{'a' * 64}` |",
        "| folder | local | none |",
        "Nobody 2026",
        "CC0-1.0",
        manifest().fingerprint,
    ):
        assert line in text, line
    assert "{{" not in text and "{%" not in text and "\n\n\n\n" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_what_is_missing_is_said(parts: tuple[SplitShards, ...]) -> None:
    assert "not the complete dataset" not in pushed(parts).readme()
    assert "a part of the official lists only. Boards refuse it." in pushed(parts, partial=True).readme()
    skipped = (SkippedSample("toy_1", "train", "damaged"),)
    text = pushed(parts, partial=True, skipped=skipped).readme()
    assert "1 image that cannot be decoded was left out" in text


def test_the_same_push_gives_the_same_card(parts: tuple[SplitShards, ...]) -> None:
    once = pushed(parts).readme()
    assert pushed(parts).readme(once) == once
    both = pushed(parts, "other").readme(once)
    assert pushed(parts).readme(both) == both
    assert pushed(parts, "other").readme(both) == both


def test_a_second_configuration_and_what_people_wrote_are_kept(parts: tuple[SplitShards, ...]) -> None:
    edited = pushed(parts).readme().replace("tags:\n", "tags:\n- roads\n").replace("# Toy\n", "# Toy\n", 1)
    edited = edited.rstrip() + "\n\n## Mine\n\nWritten by hand.\n"
    edited = edited.replace("pretty_name: Toy", "pretty_name: My toy\nlanguage: en")
    merged = pushed(parts, "other").readme(edited)
    found = metadata(merged)
    assert [config["config_name"] for config in found["configs"]] == ["small", "other"]
    assert [info["config_name"] for info in found["dataset_info"]] == ["small", "other"]
    assert (found["pretty_name"], found["language"], set(found["tags"])) == ("My toy", "en", {"roads", "segbench"})
    assert merged.count("Written by hand.") == 1
    assert merged.count("\n# Toy\n") == 1
    assert merged.count("\n## small\n") == merged.count("\n## other\n") == 1


def test_the_size_is_that_of_the_largest_configuration(parts: tuple[SplitShards, ...]) -> None:
    large = (replace(parts[0], num_rows=1_000), parts[1])
    once = pushed(large).readme()
    assert metadata(once)["size_categories"] == ["1K<n<10K"]
    both = pushed(parts, "other").readme(once)
    assert metadata(both)["size_categories"] == ["1K<n<10K"]
    assert metadata(pushed(parts).readme(both))["size_categories"] == ["n<1K"]


def test_a_recipe_first_and_images_later(parts: tuple[SplitShards, ...]) -> None:
    recipe = pushed(()).readme()
    assert metadata(recipe)["viewer"] is False
    assert "configs" not in metadata(recipe) and "load_dataset" not in recipe
    assert "Without images and label maps" in recipe
    assert "small/ids/" in recipe
    images = pushed(parts).readme(recipe)
    assert "viewer" not in metadata(images)
    assert "Without images" not in images
    with pytest.raises(UsageError, match=r"lab/toy holds the images of small already; --recipe-only takes none away"):
        pushed(()).readme(images)
    beside = pushed((), "other").readme(images)
    assert "viewer" not in metadata(beside)
    assert [config["config_name"] for config in metadata(beside)["configs"]] == ["small"]


def test_a_repository_holds_one_dataset(parts: tuple[SplitShards, ...]) -> None:
    other = replace(pushed(parts), spec=replace(toy.SPEC, name="toys"))
    line = "lab/toy holds toy, and a repository holds one dataset. Name another repository."
    for card in (pushed(parts), pushed(())):
        with pytest.raises(UsageError, match=f"^{line}$"):
            other.readme(card.readme())
    assert other.readme("# Mine\n").startswith("---\nlicense")


def test_depth_is_a_column(parts: tuple[SplitShards, ...]) -> None:
    assert "`depth`" not in pushed(parts).readme()
    text = replace(pushed(parts), features={**FEATURES, "depth": {"_type": "Image"}}).readme()
    assert "`depth` (PNG of 16 bits)" in text
    assert {"name": "depth", "dtype": "image"} in metadata(text)["dataset_info"][0]["features"]


def test_a_damaged_card_is_one_line(parts: tuple[SplitShards, ...]) -> None:
    with pytest.raises(HubError, match=r"README\.md .*metadata that is no YAML"):
        pushed(parts).readme("---\na: [\n---\n")


def test_names_that_yaml_would_take_for_numbers(parts: tuple[SplitShards, ...]) -> None:
    found = metadata(pushed(parts, "37").readme())
    assert found["configs"][0]["config_name"] == "37"
    assert found["dataset_info"][0]["config_name"] == "37"
    names = found["dataset_info"][0]["features"][3]["list"]["class_label"]["names"]
    assert names == {"0": "sky", "1": "road", "2": "on"}


@pytest.mark.parametrize("name", list(DATASETS))
def test_licences(name: str) -> None:
    spec = DATASETS[name]
    if name == "synthetic-roads":
        assert (licence_metadata(spec), spec.redistributable) == ({"license": "apache-2.0"}, True)
        assert "None is a photograph." in DatasetCard("me/roads", spec, manifest(), FEATURES).readme()
    else:
        assert licence_metadata(spec) == {
            "license": "other",
            "license_name": f"{name}-terms",
            "license_link": spec.homepage,
        }
        assert not spec.redistributable
        assert "edistribute" in spec.licence
        assert "photograph." not in DatasetCard("me/it", spec, manifest(), FEATURES).readme()
