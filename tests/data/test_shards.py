"""Shards: bounded, the same whatever happens on the way, taken up after an interruption, opened by ``datasets``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from segbench.data import codec, preparation, row, shards
from segbench.data.hf_folder import arrow_schema
from segbench.data.preparation import load, prepare
from segbench.data.sample import LateSample, Sample
from segbench.errors import CorruptImageError, DataError
from segbench.manifest import Manifest, SkippedSample
from segbench.registry import DATASETS
from tests.data import toy
from tests.data.notes import Notes
from tests.data.trees import contents

REPLACEMENTS = list[toy.ToySource]
COUNT = 40
LIMIT = 8000
LIMIT_OF_EVERYBODY = shards.MAX_SHARD_BYTES


@pytest.fixture(autouse=True)
def source(toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch) -> toy.ToySource:
    """Forty samples and two in shards of at most 8 KB."""
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", LIMIT)
    # In this process where a test does not say otherwise: what is interrupted has then done all it has read.
    monkeypatch.setattr(preparation, "SAMPLES_PER_PROCESS", 1000)
    samples = [toy.sample(position, (16, 16)) for position in range(COUNT + 2)]
    toy_dataset.append(toy.ToySource({"train": samples[:COUNT], "test": samples[COUNT:]}))
    return toy_dataset[0]


@dataclass
class Interrupted(toy.ToySource):
    """Ends as Ctrl-C ends it."""

    after: int = 0

    def samples(self, split: str) -> Iterator[Sample]:
        for position, item in enumerate(super().samples(split)):
            if position == self.after:
                raise KeyboardInterrupt
            yield item


def interrupt(toy_dataset: REPLACEMENTS, after: int = 30) -> None:
    """Prepares until the sample at ``after`` is asked for."""
    whole = toy_dataset[0]
    toy_dataset[0] = Interrupted(whole.groups, after=after)
    with pytest.raises(KeyboardInterrupt):
        prepare("toy")
    toy_dataset[0] = whole


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each label that is encoded in this process."""
    calls: list[int] = []
    encode = codec.encode_ids

    def counting(label: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
        calls.append(1)
        return encode(label)

    monkeypatch.setattr(row, "encode_ids", counting)
    return calls


def test_the_limit_is_500_megabytes() -> None:
    assert LIMIT_OF_EVERYBODY == 500 * 10**6


def test_each_is_bounded_and_together_they_are_the_split() -> None:
    folder = prepare("toy").folder / "train"
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.arrow"))]
    assert len(sizes) > 4
    assert max(sizes) <= LIMIT
    state = json.loads((folder / "state.json").read_text())
    expected = [f"data-{position:05d}-of-{len(sizes):05d}.arrow" for position in range(len(sizes))]
    assert [file["filename"] for file in state["_data_files"]] == expected
    rows = load("toy")["train"]
    assert rows["id"] == [f"toy_{position:03d}" for position in range(COUNT)]
    np.testing.assert_array_equal(np.array(rows[33]["image"]), toy.pixels(33, (16, 16)))
    np.testing.assert_array_equal(np.array(rows[33]["label"]), toy.label(33, (16, 16)))


def test_the_files_are_those_of_datasets(tmp_path: Path) -> None:
    import datasets

    folder = prepare("toy").folder
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.Image(),
            "classes": datasets.List(datasets.ClassLabel(names=list(toy.VARIANT.class_names))),
        }
    )
    assert arrow_schema(toy.VARIANT).equals(features.arrow_schema, check_metadata=True)
    datasets.load_from_disk(str(folder)).save_to_disk(str(tmp_path / "again"))
    for name in ("dataset_dict.json", "train/state.json", "train/dataset_info.json"):
        ours, theirs = (json.loads((root / name).read_text()) for root in (folder, tmp_path / "again"))
        files = ours.pop("_data_files", []), theirs.pop("_data_files", [])
        # They make a fingerprint of their own when they save.
        assert {**ours, "_fingerprint": ""} == {**theirs, "_fingerprint": ""}
        assert all({"filename"} == entry.keys() for file in files for entry in file)
    assert load("toy")["train"].features == features


def test_the_result_does_not_depend_on_the_number_of_processes() -> None:
    made = [contents(prepare("toy", force=True, jobs=jobs).folder) for jobs in (1, 2, 3)]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("after", [1, 20, 39])
def test_an_interrupted_one_goes_on_and_ends_the_same(
    toy_dataset: REPLACEMENTS, after: int, encoded: list[int], notes: Notes
) -> None:
    clean = contents(prepare("toy").folder)
    total = len(encoded)
    (prepare("toy").folder / "manifest.json").unlink()
    encoded.clear()
    interrupt(toy_dataset, after)
    prepare("toy", progress=notes)
    finished = [
        message for message in notes.messages if message.endswith("of train were finished before the interruption.")
    ]
    assert len(finished) == (after > 10)
    # What was encoded for a shard that was not finished is encoded again.
    assert total <= len(encoded) <= total + 12
    assert contents(prepare("toy").folder) == clean
    encoded.clear()
    assert not prepare("toy").fresh
    assert encoded == []


def test_an_interruption_keeps_what_is_finished_and_an_error_nothing(toy_dataset: REPLACEMENTS, home: Path) -> None:
    interrupt(toy_dataset)
    folder = home / "data" / "toy"
    assert sorted(path.name for path in folder.iterdir()) == [".small.lock", ".small.shards.partial"]
    toy_dataset[0].groups["train"][35] = replace(toy_dataset[0].groups["train"][35], image=b"no image")
    with pytest.raises(CorruptImageError):
        prepare("toy")
    assert [path.name for path in folder.iterdir()] == [".small.lock"]


@pytest.mark.parametrize("change", ["image", "label", "id", "fewer", "order"])
def test_a_changed_source_begins_anew(toy_dataset: REPLACEMENTS, change: str, notes: Notes) -> None:
    interrupt(toy_dataset)
    train = toy_dataset[0].groups["train"]
    if change == "image":
        train[2] = replace(train[2], image=toy.png(toy.pixels(99, (16, 16))))
    elif change == "label":
        train[2] = replace(train[2], label=toy.label(99, (16, 16)))
    elif change == "id":
        train[2] = replace(train[2], id="another")
    elif change == "fewer":
        del train[2:]
    else:
        train.reverse()
    resumed = contents(prepare("toy", progress=notes).folder)
    assert "starting anew" in notes.messages[0]
    assert resumed == contents(prepare("toy", force=True).folder)


def test_more_samples_after_the_last_shard_begin_anew(toy_dataset: REPLACEMENTS, home: Path, notes: Notes) -> None:
    whole = toy_dataset[0]
    short = {**whole.groups, "train": whole.groups["train"][:10]}

    @dataclass
    class EndsInTest(toy.ToySource):
        def samples(self, split: str) -> Iterator[Sample]:
            if split == "test":
                raise KeyboardInterrupt
            yield from super().samples(split)

    toy_dataset[0] = EndsInTest(short)
    with pytest.raises(KeyboardInterrupt):
        prepare("toy")
    toy_dataset[0] = whole
    resumed = contents(prepare("toy", progress=notes).folder)
    assert "starting anew" in notes.messages[0]
    assert resumed == contents(prepare("toy", force=True).folder)


def test_other_limits_or_options_begin_anew(
    toy_dataset: REPLACEMENTS, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(toy_dataset)
    encoded.clear()
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 2 * LIMIT)
    prepare("toy")
    assert len(encoded) == COUNT + 2


@pytest.mark.parametrize("harm", ["cut", "gone", "unknown", "not json"])
def test_a_damaged_shard_is_made_again(toy_dataset: REPLACEMENTS, home: Path, harm: str) -> None:
    clean = contents(prepare("toy").folder)
    (prepare("toy").folder / "manifest.json").unlink()
    interrupt(toy_dataset)
    work = home / "data" / "toy" / ".small.shards.partial" / "train"
    if harm == "cut":
        (work / "00001.arrow").write_bytes((work / "00001.arrow").read_bytes()[:-1])
    elif harm == "gone":
        (work / "00001.arrow").unlink()
    elif harm == "unknown":
        (work / "00001.json").write_text('{"bytes": 3}')
    else:
        (work / "00001.json").write_text("{")
    assert contents(prepare("toy").folder) == clean


class TestSkipCorrupt:
    @pytest.fixture(autouse=True)
    def _two_broken(self, toy_dataset: REPLACEMENTS) -> None:
        train = toy_dataset[0].groups["train"]
        train[3] = replace(train[3], image=train[3].image[:-60], file="photographs/three.png")
        train[7] = replace(train[7], image=b"<html>")

    def test_it_is_fatal_and_named(self) -> None:
        with pytest.raises(
            CorruptImageError, match=r"^photographs/three\.png is not a readable image: .*\. .*--skip-corrupt 1 "
        ):
            prepare("toy")

    def test_one_too_many(self) -> None:
        with pytest.raises(CorruptImageError, match=r"^toy_007 is .* 1 were left out before it\. .*--skip-corrupt 2 "):
            prepare("toy", skip_corrupt=1)

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_they_are_left_out_and_listed(self, jobs: int, notes: Notes) -> None:
        manifest = prepare("toy", skip_corrupt=2, jobs=jobs, progress=notes).manifest
        assert [(sample.id, sample.split) for sample in manifest.skipped] == [
            ("toy_003", "train"),
            ("toy_007", "train"),
        ]
        assert manifest.skipped[1] == SkippedSample(
            "toy_007", "train", "toy_007 is not a readable image: its bytes are of no known format."
        )
        assert (manifest.partial, manifest.counts) == (True, {"train": COUNT - 2, "test": 2})
        assert load("toy")["train"]["id"][2:6] == ["toy_002", "toy_004", "toy_005", "toy_006"]
        assert [message for message in notes.messages if message.startswith("Left out train toy_003: photographs/th")]
        assert Manifest.read(prepare("toy", skip_corrupt=2).folder) == manifest

    def test_twice_does_nothing_but_less_leave_begins_anew(self, toy_dataset: REPLACEMENTS) -> None:
        prepare("toy", skip_corrupt=5)
        assert not prepare("toy", skip_corrupt=2).fresh
        with pytest.raises(CorruptImageError):
            prepare("toy", skip_corrupt=1)
        toy_dataset.clear()
        assert not prepare("toy").manifest.partial

    def test_it_goes_on_after_an_interruption(self, toy_dataset: REPLACEMENTS) -> None:
        clean = contents(prepare("toy", skip_corrupt=2).folder)
        whole = toy_dataset[0]
        toy_dataset[0] = Interrupted(whole.groups, after=30)
        with pytest.raises(KeyboardInterrupt):
            prepare("toy", skip_corrupt=2, force=True)
        toy_dataset[0] = whole
        assert contents(prepare("toy", skip_corrupt=2, force=True).folder) == clean

    def test_a_split_of_which_nothing_is_left(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset[0].groups["test"] = [toy_dataset[0].groups["train"].pop(3)]
        with pytest.raises(DataError, match="No sample of test of toy small can be decoded"):
            prepare("toy", skip_corrupt=2)

    def test_a_wrong_sample_is_no_corrupt_one(self, toy_dataset: REPLACEMENTS) -> None:
        train = toy_dataset[0].groups["train"]
        train[1] = replace(train[1], label=toy.label(1, (3, 3)))
        with pytest.raises(DataError, match="the image is 16x16 but its label is 3x3"):
            prepare("toy", skip_corrupt=5)


def late(position: int) -> Sample:
    return toy.sample(position, (16, 16))


@pytest.mark.parametrize("jobs", [1, 2])
def test_late_samples_are_made_where_they_are_prepared(toy_dataset: REPLACEMENTS, jobs: int) -> None:
    clean = contents(prepare("toy").folder)
    groups = {
        split: [LateSample(item.id, late, int(item.id[4:])) for item in group]
        for split, group in toy_dataset[0].groups.items()
    }
    assert groups["train"][3].label is not None
    toy_dataset[0] = toy.ToySource(groups)  # type: ignore[arg-type]
    assert contents(prepare("toy", force=True, jobs=jobs).folder) == clean


def unlabelled(toy_dataset: REPLACEMENTS) -> None:
    groups = toy_dataset[0].groups
    toy_dataset[0] = toy.ToySource({**groups, "test": [replace(item, label=None) for item in groups["test"]]})


def test_a_split_without_labels(toy_dataset: REPLACEMENTS) -> None:
    labelled = prepare("toy").manifest
    train_only = labelled.splits["train"].fingerprint
    unlabelled(toy_dataset)
    manifest = prepare("toy", force=True).manifest
    assert (manifest.splits["test"].num_images, manifest.splits["test"].num_pixels) == (2, 0)
    assert manifest.splits["train"].fingerprint == train_only
    del toy_dataset[0].groups["test"]
    # Pictures without labels make no other data of what is compared.
    assert prepare("toy", force=True).manifest.fingerprint == manifest.fingerprint != labelled.fingerprint


def test_rows_without_labels_open(toy_dataset: REPLACEMENTS) -> None:
    unlabelled(toy_dataset)
    prepare("toy")
    rows = load("toy")["test"]
    assert (rows[1]["label"], rows[1]["classes"]) == (None, [])
    np.testing.assert_array_equal(np.array(rows[1]["image"]), toy.pixels(COUNT + 1, (16, 16)))


def test_a_mixture_is_refused(toy_dataset: REPLACEMENTS) -> None:
    train = toy_dataset[0].groups["train"]
    train[5] = replace(train[5], label=None)
    with pytest.raises(DataError, match="toy_005 has no label but others of its split have"):
        prepare("toy")


class TestDepth:
    @pytest.fixture(autouse=True)
    def _with_depth(self, toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch) -> None:
        deep = replace(toy.SPEC, variants={"small": replace(toy.VARIANT, depth=True)})
        monkeypatch.setitem(DATASETS._specs, "toy", deep)

    def give(self, toy_dataset: REPLACEMENTS, depth: bytes | None) -> None:
        groups = toy_dataset[0].groups
        toy_dataset[0] = toy.ToySource(
            {name: [replace(item, depth=depth) for item in group] for name, group in groups.items()}
        )

    def test_it_is_a_column_and_no_part_of_the_fingerprint(
        self, toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 200
        self.give(toy_dataset, toy.png(values))  # type: ignore[arg-type]
        fingerprint = prepare("toy").manifest.fingerprint
        row_with_depth = load("toy")["train"][3]
        assert list(row_with_depth) == ["id", "image", "label", "depth", "classes"]
        np.testing.assert_array_equal(np.array(row_with_depth["depth"]), values)
        monkeypatch.setitem(DATASETS._specs, "toy", toy.SPEC)
        assert prepare("toy", force=True).manifest.fingerprint == fingerprint

    def test_it_has_to_be_there_and_of_the_images_size(self, toy_dataset: REPLACEMENTS) -> None:
        with pytest.raises(DataError, match="toy_000 has no depth"):
            prepare("toy")
        self.give(toy_dataset, toy.png(np.zeros((4, 6), dtype=np.uint8)))
        with pytest.raises(DataError, match="the image is 16x16 but its depth is 4x6"):
            prepare("toy")


def test_known_content_is_that_or_refused(toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch) -> None:
    known = prepare("toy").manifest.fingerprint
    variant = replace(toy.VARIANT, known_fingerprint=known, size=(16, 16))
    monkeypatch.setitem(DATASETS._specs, "toy", replace(toy.SPEC, variants={"small": variant}))
    assert prepare("toy", force=True).manifest.fingerprint == known
    toy_dataset[0].groups["train"][0] = toy.sample(99, (16, 16))
    with pytest.raises(DataError, match=r"toy small has the fingerprint .* the complete dataset has"):
        prepare("toy", force=True)
