"""Samples to a dataset that others open: complete or not there, the same everywhere, and clear about what is wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segbench.data.preparation import PreparedDataset, ensure_prepared, find_prepared, find_variant, load, prepare
from segbench.data.sample import Sample
from segbench.errors import DataError, NotPreparedError, UnknownNameError
from segbench.manifest import Manifest, SourceArchive
from segbench.registry import DATASETS
from tests.data import toy
from tests.data.notes import Notes

CHECKOUT = Path(__file__).parents[2]
REPLACEMENTS = list[toy.ToySource]
PREPARE_TOY = (
    "from segbench.registry import DATASETS; from segbench.data.preparation import prepare; from tests.data import toy;"
    "DATASETS.add(toy.SPEC); print(prepare('toy').fresh)"
)


def in_background(home: Path, code: str, delay: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "SEGBENCH_HOME": str(home), "TOY_DELAY": str(delay), "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=home.parent, stdout=subprocess.PIPE, text=True
    )


def with_sample(sample: Sample) -> toy.ToySource:
    return replace(toy.ordinary(), groups={"train": [sample]})


@pytest.mark.usefixtures("toy_dataset")
class TestPrepare:
    def test_the_rows(self) -> None:
        prepared = prepare("toy")
        assert prepared.fresh
        data = load("toy")
        assert {split: data[split].num_rows for split in data} == {"train": 3, "test": 2}
        for position, row in enumerate([*data["train"], *data["test"]]):
            size = toy.SIZES[position % 3]
            assert row["id"] == f"toy_{position:03d}"
            np.testing.assert_array_equal(np.array(row["image"]), toy.pixels(position, size))
            assert row["label"].mode == "L"
            np.testing.assert_array_equal(np.array(row["label"]), toy.label(position, size))
            assert row["classes"] == sorted(set(toy.label(position, size).flat) - {255})
        assert data["train"].features["classes"].feature.names == ["sky", "road", "car"]

    def test_the_image_bytes_are_the_sources(self) -> None:
        import datasets

        prepare("toy")
        stored = load("toy")["train"].cast_column("image", datasets.Image(decode=False))
        assert stored[1]["image"]["bytes"] == toy.sample(1).image

    def test_the_manifest(self) -> None:
        manifest = prepare("toy").manifest
        assert manifest == Manifest.read(find_prepared("toy").folder)
        assert (manifest.dataset, manifest.variant, manifest.counts) == ("toy", "small", {"train": 3, "test": 2})
        assert (manifest.size, manifest.partial) == (None, False)
        assert manifest.sources == (SourceArchive("toy.zip", sha256="a" * 64),)
        labels = [toy.label(position, size) for position, size in enumerate(toy.SIZES)]
        assert manifest.splits["train"].pixels == tuple(sum(int((one == c).sum()) for one in labels) for c in range(3))
        assert manifest.licence == "CC0-1.0"

    def test_the_fingerprint_depends_on_pixels_not_on_encoding(self, toy_dataset: REPLACEMENTS) -> None:
        first = prepare("toy").manifest.fingerprint
        source = toy.ordinary()
        loose = [
            replace(s, image=toy.png(toy.pixels(n, toy.SIZES[n]), compress_level=0))
            for n, s in enumerate(source.groups["train"])
        ]
        assert loose[0].image != source.groups["train"][0].image
        toy_dataset.append(replace(source, groups={**source.groups, "train": loose}))
        again = prepare("toy", force=True)
        assert again.manifest.fingerprint == first
        expected = again.manifest.splits["train"].fingerprint
        assert load("toy")["train"]._fingerprint == expected
        assert json.loads((again.folder / "train" / "state.json").read_text())["_fingerprint"] == expected

    def test_opens_without_segbench(self, tmp_path: Path) -> None:
        folder = prepare("toy").folder
        code = (
            "import sys, datasets; d = datasets.load_from_disk(sys.argv[1]);"
            "print(d['test'][0]['label'].mode, d['test'].num_rows, 'segbench' in sys.modules)"
        )
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == ["L", "2", "False"]

    def test_no_path_of_this_machine_is_kept(self, home: Path) -> None:
        folder = prepare("toy").folder
        for path in folder.rglob("*"):
            assert path.is_dir() or str(home).encode() not in path.read_bytes()

    def test_the_second_time_does_nothing_and_says_so(self, notes: Notes) -> None:
        first = prepare("toy")
        before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
        second = prepare("toy", progress=notes)
        assert not second.fresh
        assert second.manifest == first.manifest
        assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before
        assert notes.messages == [f"toy small is prepared already: {first.folder}"]
        assert notes.totals == {}

    def test_force_makes_it_again(self) -> None:
        prepare("toy")
        assert prepare("toy", force=True).fresh

    def test_progress_counts_images(self, notes: Notes) -> None:
        prepare("toy", progress=notes)
        assert notes.totals == notes.steps == {"prepare train": 3, "prepare test": 2}

    def test_the_progress_bars_of_datasets_come_back(self) -> None:
        import datasets

        before = datasets.is_progress_bar_enabled()
        prepare("toy")
        assert datasets.is_progress_bar_enabled() == before

    def test_a_variant_has_its_own_folder(self, home: Path) -> None:
        assert prepare("toy").folder == home / "data" / "toy" / "small"
        assert prepare("toy", "other").folder == home / "data" / "toy" / "other"

    def test_download_only_prepares_nothing(self, notes: Notes) -> None:
        assert prepare("toy", download_only=True, progress=notes) is None
        assert notes.messages == ["The sources of toy small are here."]
        with pytest.raises(NotPreparedError):
            find_prepared("toy")

    def test_another_size_is_made_anew(self) -> None:
        prepare("toy", size=(4, 4))
        assert prepare("toy", size=(6, 8)).manifest.size == (6, 8)
        assert not prepare("toy", size=(6, 8)).fresh
        assert not prepare("toy").fresh


class TestVariantWithASize:
    @pytest.fixture(autouse=True)
    def _sized(self, toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch) -> None:
        sized = replace(toy.SPEC, variants={"small": replace(toy.VARIANT, size=(4, 6))})
        monkeypatch.setitem(DATASETS._specs, "toy", sized)

    def test_every_image_has_it(self) -> None:
        with pytest.raises(DataError, match=r"^toy_001 is 5x3; small has 4x6 only\.$"):
            prepare("toy")

    def test_a_source_that_can_may_make_another(self) -> None:
        assert prepare("toy", size=(6, 8)).manifest.size == (6, 8)


class TestPartial:
    def test_the_manifest_says_so_and_the_whole_replaces_it(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(replace(with_sample(toy.sample(0)), partial=True))
        assert prepare("toy", partial=True).manifest.partial
        assert not prepare("toy", partial=True).fresh
        toy_dataset.clear()
        whole = prepare("toy")
        assert whole.fresh
        assert not whole.manifest.partial
        assert not prepare("toy", partial=True).fresh


class TestWrongSamples:
    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, toy_dataset: REPLACEMENTS, home: Path) -> object:
        yield
        assert [path.name for path in home.rglob("*") if path.name != ".small.lock" and path.is_file()] == []
        with pytest.raises(NotPreparedError):
            find_prepared("toy")

    def test_sizes_that_differ(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(with_sample(replace(toy.sample(0), label=toy.label(0, (4, 5)))))
        with pytest.raises(DataError, match=r"^toy_000: the image is 4x6 but its label is 4x5\.$"):
            prepare("toy")

    def test_a_label_beyond_the_classes(self, toy_dataset: REPLACEMENTS) -> None:
        wrong = toy.label(0, (4, 6))
        wrong[1, 1] = 3
        toy_dataset.append(with_sample(replace(toy.sample(0), label=wrong)))
        with pytest.raises(DataError, match=r"^toy_000: its label holds 3; small has 0\.\.2 and 255 \(ignore\)\.$"):
            prepare("toy")

    def test_an_id_twice_even_across_splits(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(toy.ToySource({"train": [toy.sample(0)], "test": [toy.sample(0)]}))
        with pytest.raises(DataError, match="'toy_000' of test is there twice"):
            prepare("toy")

    def test_an_id_that_cannot_name_a_file(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(with_sample(replace(toy.sample(0), id="a b")))
        with pytest.raises(DataError, match=r"'a b' cannot name a file"):
            prepare("toy")

    @pytest.mark.parametrize("sample_id", ["../a", "a/../../b", "/a", "a//b", "a/", ".a", "", "a\n", "ä"])
    def test_an_id_that_leaves_its_folder(self, toy_dataset: REPLACEMENTS, sample_id: str) -> None:
        toy_dataset.append(with_sample(replace(toy.sample(0), id=sample_id)))
        with pytest.raises(DataError, match="cannot name a file"):
            prepare("toy")

    def test_no_image(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(with_sample(replace(toy.sample(0), image=b"<html>")))
        with pytest.raises(DataError, match="toy_000 is not a readable image"):
            prepare("toy")

    def test_no_sample(self, toy_dataset: REPLACEMENTS) -> None:
        toy_dataset.append(toy.ToySource({"train": []}))
        with pytest.raises(DataError, match="toy small holds no sample"):
            prepare("toy")


@pytest.mark.usefixtures("toy_dataset")
class TestFinding:
    def test_the_hint_is_the_command(self) -> None:
        with pytest.raises(NotPreparedError, match=r"toy small is not prepared\. Run: segbench prepare toy$"):
            find_prepared("toy")
        with pytest.raises(NotPreparedError, match=r"Run: segbench prepare toy --variant other$"):
            find_prepared("toy", "other")

    def test_names_are_answered_with_the_closest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"'smal' of toy\. Did you mean small"):
            find_variant("toy", "smal")
        with pytest.raises(UnknownNameError, match=r"'camvit'\. Did you mean camvid"):
            find_variant("camvit")

    def test_a_damaged_manifest_names_the_command(self) -> None:
        (prepare("toy").folder / "manifest.json").write_text("{")
        with pytest.raises(DataError, match=r"manifest\.json cannot be read.*Run: segbench prepare toy --force"):
            find_prepared("toy")
        assert prepare("toy", force=True).fresh

    def test_only_an_embedded_dataset_is_made_on_the_spot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(NotPreparedError):
            ensure_prepared("toy")
        monkeypatch.setitem(DATASETS._specs, "toy", replace(toy.SPEC, embedded=True))
        assert ensure_prepared("toy").fresh
        assert not ensure_prepared("toy").fresh
        assert ensure_prepared("toy", size=(6, 6)).manifest.size == (6, 6)


def test_a_killed_prepare_leaves_nothing_that_looks_finished(toy_dataset: REPLACEMENTS, home: Path) -> None:
    home.mkdir()
    running = in_background(home, PREPARE_TOY, delay=0.5)
    folder = home / "data" / "toy"
    wait_for(lambda: any(folder.glob(".small.*.partial")))
    time.sleep(0.7)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert any(folder.glob(".small.*.partial"))
    assert not (folder / "small").exists()
    with pytest.raises(NotPreparedError):
        find_prepared("toy")
    assert prepare("toy").manifest.counts == {"train": 3, "test": 2}
    assert sorted(path.name for path in folder.iterdir()) == [".small.lock", "small"]


class TestDisk:
    def test_a_full_one_is_said_and_leaves_nothing(
        self, toy_dataset: REPLACEMENTS, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(manifest: Manifest, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Manifest, "write", full)
        with pytest.raises(DataError, match=r"toy/small cannot be written \(No space left on device\)\. Free some"):
            prepare("toy")
        assert [path.name for path in (home / "data" / "toy").iterdir()] == [".small.lock"]

    def test_a_home_that_is_a_file_is_said(self, toy_dataset: REPLACEMENTS, home: Path) -> None:
        home.write_text("")
        with pytest.raises(DataError, match=r"toy/small cannot be written \(Not a directory\)\. .*SEGBENCH_HOME"):
            prepare("toy")

    def test_a_bug_stays_a_bug(self, toy_dataset: REPLACEMENTS, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(manifest: Manifest, folder: Path) -> None:
            raise FileNotFoundError(errno.ENOENT, "No such file")

        monkeypatch.setattr(Manifest, "write", broken)
        with pytest.raises(FileNotFoundError):
            prepare("toy")


def test_two_at_once_make_it_once(toy_dataset: REPLACEMENTS, home: Path) -> None:
    home.mkdir()
    running = [in_background(home, PREPARE_TOY, delay=0.1) for _ in range(2)]
    assert sorted(process.communicate()[0].strip() for process in running) == ["False", "True"]
    assert find_prepared("toy").manifest.counts == {"train": 3, "test": 2}


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'datasets', 'pyarrow', 'pandas', 'PIL', 'httpx', 'filelock'}"
    code = f"import sys, segbench.data.preparation; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_json_files_are_small_and_plain(toy_dataset: REPLACEMENTS) -> None:
    prepared: PreparedDataset = prepare("toy")
    info = json.loads((prepared.folder / "train" / "dataset_info.json").read_text())
    assert (info["license"], info["dataset_name"], info["config_name"]) == ("CC0-1.0", "toy", "small")
