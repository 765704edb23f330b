"""``segbench compare``: names of runs, protocols, verdicts and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segbench.leaderboard import store
from segbench.metrics.comparison import compare
from segbench.record import BoundaryProtocol, Protocol
from tests.cli.conftest import Segbench
from tests.leaderboard import examples
from tests.leaderboard.test_certainty import NAMES, VIDEO, runs


def save(found: dict[str, examples.Run]) -> list[examples.Run]:
    for run in found.values():
        store.save_result(
            Path("leaderboards"), run.record, run.scorer.tallies, run.predictions.items(), examples.PALETTE
        )
    return list(found.values())


@pytest.fixture
def pair(home: Path) -> list[examples.Run]:
    """A better run and a worse one."""
    return save(runs(0.2, 0.3))


@pytest.fixture
def video(home: Path) -> list[examples.Run]:
    return save(runs(0.2, 0.3, ids=VIDEO))


def ids(pair: list[examples.Run]) -> tuple[str, str]:
    return pair[0].record.run_id, pair[1].record.run_id


def values(segbench: Segbench, *arguments: str) -> dict[str, Any]:
    code, out, err = segbench("compare", *arguments, "--json", "--resamples", "400")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_better_run_is_named_with_its_lead(segbench: Segbench, pair: list[examples.Run]) -> None:
    code, out, err = segbench("compare", *ids(pair), "--images", "2")
    assert (code, err) == (0, "")
    verdict = out.strip().splitlines()[-1]
    assert verdict.startswith("A is better by ") and " points of mean IoU [" in verdict and "p = 0.0002." in verdict
    assert max(map(len, out.splitlines())) <= 80
    for run in pair:
        assert run.record.run_id in out
    assert all(name in out for name in ("global accuracy", "Holm p", "sky", "road", "car", "Boundary F1", NAMES[0][:2]))


def test_the_other_way_round_b_is_better(segbench: Segbench, pair: list[examples.Run]) -> None:
    one, other = values(segbench, *ids(pair)), values(segbench, *ids(pair)[::-1])
    assert other["verdict"] == "B" + one["verdict"][1:]
    assert other["scores"]["mean_iou"]["p_value"] == one["scores"]["mean_iou"]["p_value"]


def test_a_run_ties_with_itself(segbench: Segbench, pair: list[examples.Run]) -> None:
    found = values(segbench, ids(pair)[0], ids(pair)[0][:6])
    assert found["tied"] and found["verdict"] == "Tied in mean IoU: A − B is 0.0 points [0.0, 0.0], p = 1.0000."


def test_json_holds_what_compare_gives(segbench: Segbench, pair: list[examples.Run]) -> None:
    found = values(segbench, *ids(pair), "--seed", "7")
    from segbench.metrics.resampling import Resampling

    first, second = (run.scorer.tallies for run in pair)
    wanted = compare(first, second, Protocol(), Resampling(40, resamples=400, seed=7))
    assert found["scores"]["mean_iou"]["difference"] == wanted.mean_iou.difference
    assert found["per_class"]["car"]["iou"]["holm_p_value"] == wanted.per_class["car"].iou.holm_p_value
    assert [image["image_id"] for image in found["images"]] == [image.image_id for image in wanted.images[:5]]
    assert found["resampling"]["block_length"] == 1 and found["independent_images"] is None
    assert (found["a"]["model"], found["b"]["run_id"]) == ("segnet-basic", pair[1].record.run_id)
    assert found["images_better"] == {"a": wanted.better[0], "b": wanted.better[1], "neither": wanted.better[2]}


def test_frames_of_a_video_are_drawn_in_blocks_with_single_images_beside(
    segbench: Segbench, video: list[examples.Run]
) -> None:
    found = values(segbench, *ids(video))
    assert (found["resampling"]["block_length"], found["resampling"]["runs_of_frames"]) == (7, 1)
    assert found["independent_images"]["mean_iou"] != found["scores"]["mean_iou"]
    out = segbench("compare", *ids(video)).out
    assert "blocks of 7 frames" in " ".join(out.split()) and "Were the images independent" in out
    single = values(segbench, *ids(video), "--blocks", "1")
    assert single["scores"]["mean_iou"] == found["independent_images"]["mean_iou"]
    assert values(segbench, *ids(video), "--blocks", "3")["resampling"]["block_length"] == 3


def test_tallies_are_scored_again_under_another_protocol(segbench: Segbench, pair: list[examples.Run]) -> None:
    options = ("--boundary-rule", "distance", "--boundary-void", "masked", "--boundary-average", "paper-text")
    found = values(segbench, *ids(pair), *options)
    boundary = BoundaryProtocol(rule="distance", void="masked", average="paper-text")
    wanted = compare(pair[0].scorer.tallies, pair[1].scorer.tallies, Protocol(boundary=boundary))
    assert found["protocol"]["boundary"] == boundary.model_dump()
    assert found["scores"]["boundary_f1"]["first"] == wanted.boundary_f1.first
    zero = values(segbench, *ids(pair), "--protocol", "segnet-script")
    assert (zero["protocol"]["name"], zero["protocol"]["absent"]) == ("segnet-script", "zero")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "A"), "There is no run 'nothing'"),
        (("A", "A", "--blocks", "some"), "--blocks 'some' is neither a number of frames nor auto"),
        (("A", "A", "--blocks", "5"), "not consecutive frames of a video"),
        (("A", "A", "--resamples", "5"), "5 resamples are too few"),
        (("A", "A", "--boundary-rule", "both"), "Unknown boundary rule 'both'"),
        (("A", "A", "--protocol", "mine"), "Unknown protocol 'mine'"),
        (("A", "A", "--photographs"), "--photographs goes with --pictures"),
    ],
)
def test_wrong_use_is_one_line(
    segbench: Segbench, pair: list[examples.Run], arguments: tuple[str, ...], message: str
) -> None:
    known = {"A": pair[0].record.run_id}
    code, out, err = segbench("compare", *(known.get(text, text) for text in arguments))
    assert (code, out) == (2, "")
    assert message in err and len(err.strip().splitlines()) == 1


def test_runs_on_other_images_are_refused(segbench: Segbench, pair: list[examples.Run]) -> None:
    other = examples.run(seed=5, recipe=examples.RECIPE.model_copy(update={"dataset": "other"}))
    save({other.record.run_id: other})
    code, _, err = segbench("compare", pair[0].record.run_id, other.record.run_id)
    assert code == 2 and "differ in the number of images: 40 and 4" in err


# --- pictures --------------------------------------------------------------------------------------------------------


def test_pictures_are_bare_label_maps(segbench: Segbench, pair: list[examples.Run]) -> None:
    arguments = ("compare", *ids(pair), "--pictures", "shown", "--images", "2", "--json", "--resamples", "100")
    code, out, err = segbench(*arguments)
    found = json.loads(out)
    assert code == 0 and "Pictures without the truth: Unknown dataset 'toy'" in err
    paths = [Path(path) for path in found["pictures"]]
    names = [image["image_id"] for image in found["images"]]
    assert [path.name for path in paths] == [f"0{number}-{name}.png" for number, name in enumerate(names, start=1)]
    with Image.open(paths[0]) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {*examples.PALETTE} <= colours


def test_photographs_need_the_prepared_dataset(segbench: Segbench, pair: list[examples.Run]) -> None:
    code, _, err = segbench("compare", *ids(pair), "--pictures", "shown", "--photographs", "--quiet")
    assert code == 2 and "--photographs needs the prepared dataset" in err
    assert not Path("shown").exists()


def test_pictures_need_predictions(segbench: Segbench, pair: list[examples.Run]) -> None:
    store.result_files(Path("leaderboards"), pair[1].record).predictions.unlink()
    code, _, err = segbench("compare", *ids(pair), "--pictures", "shown")
    assert code == 2 and "no predicted label maps" in err


@pytest.mark.usefixtures("toy_dataset")
def test_the_truth_and_the_photograph_of_a_prepared_dataset(segbench: Segbench) -> None:
    from segbench.data.preparation import ensure_prepared
    from segbench.data.raw_cache import open_split

    assert segbench("prepare", "toy", "--quiet").code == 0
    prepared = ensure_prepared("toy")
    split = open_split(prepared, "test")
    labels = {image_id: split.label(place) for place, image_id in enumerate(split.ids)}
    names = prepared.manifest.class_names
    made = {}
    for seed in (0, 1):
        from segbench.metrics import Scorer

        rng = np.random.default_rng(seed)
        guesses = {name: rng.integers(0, len(names), label.shape, np.uint8) for name, label in labels.items()}
        scorer = Scorer(names)
        for name, label in labels.items():
            scorer.update(name, label, guesses[name])
        variant = prepared.manifest.variant
        recipe = examples.RECIPE.model_copy(update={"dataset_variant": variant})
        record = examples.record(
            scorer.scores(), recipe, seed=seed, dataset_fingerprint=prepared.manifest.fingerprint, split="test"
        )
        made[record.run_id] = examples.Run(record, scorer, labels, guesses)
    pair = ids(save(made))
    plain, photographed = (
        segbench("compare", *pair, "--pictures", folder, "--images", "1", "--resamples", "100", *options)
        for folder, options in (("plain", ()), ("photographs", ("--photographs",)))
    )
    assert (plain.code, photographed.code) == (0, 0), plain.err + photographed.err
    widths = [Image.open(next(Path(folder).glob("*.png"))).width for folder in ("plain", "photographs")]
    assert widths == [4 * 400, 5 * 400]
