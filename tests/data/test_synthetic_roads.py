"""synthetic-roads as a dataset: the same bytes everywhere, all classes, the promised shares, the source's contract."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

from segbench.data.camvid import CAMVID, TUTORIAL_VARIANT
from segbench.data.sample import Sample, SourceOptions
from segbench.data.synthetic_roads import COUNTS, DEFAULT_SIZE, FIRST_SEEDS, SYNTHETIC_ROADS, scene
from segbench.data.synthetic_source import open_source
from segbench.errors import UsageError
from segbench.registry import DATASETS
from segbench.specs import SPLITS, VariantSpec

Pixels = NDArray[np.uint8]

NAMES = SYNTHETIC_ROADS.variants[SYNTHETIC_ROADS.default_variant].class_names
SCENES = 40

# A change here changes the dataset: scores on it are no longer comparable with older ones.
DIGESTS = {
    (0, (96, 128)): "632599b3c394b49b",
    (1, (96, 128)): "bad5dd56203a8069",
    (2_000_000, (96, 128)): "5952a8faae9aaba5",
    (5, (180, 240)): "ad4d59df53281c0c",
    (2, (97, 131)): "0c29b82747d31c63",
    (3, (360, 480)): "44e09511381aecd0",
}


def digest(image: Pixels, label: Pixels) -> str:
    return hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()[:16]


@cache
def scenes() -> tuple[Pixels, Pixels]:
    """uint8 [SCENES, H, W, 3] and [SCENES, H, W]."""
    drawn = [scene(seed) for seed in range(SCENES)]
    return np.stack([image for image, _ in drawn]), np.stack([label for _, label in drawn])


def share_of_images(name: str, at_least: int) -> float:
    """Share of the images with ``at_least`` pixels of the class."""
    pixels = (scenes()[1] == NAMES.index(name)).sum(axis=(1, 2))
    return float((pixels >= at_least).mean())


@pytest.mark.parametrize(("seed", "size"), DIGESTS)
def test_known_scenes_have_known_bytes(seed: int, size: tuple[int, int]) -> None:
    assert digest(*scene(seed, size)) == DIGESTS[seed, size]


def test_a_fresh_process_draws_the_same_bytes() -> None:
    program = (
        "import hashlib; from segbench.data.synthetic_roads import scene; image, label = scene(7);"
        "print(hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()[:16])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == digest(*scene(7))


def test_what_was_drawn_before_does_not_matter() -> None:
    first = digest(*scene(11))
    scene(12, (60, 80))
    assert digest(*scene(11)) == first


def test_seeds_differ() -> None:
    assert len({digest(*pair) for pair in zip(*scenes(), strict=True)}) == SCENES


@pytest.mark.parametrize("size", [(48, 64), (97, 131), (64, 256), (200, 100)])
def test_any_size_from_the_smallest(size: tuple[int, int]) -> None:
    image, label = scene(3, size)
    assert image.shape == (*size, 3) and image.dtype == np.uint8 and image.flags.c_contiguous
    assert label.shape == size and label.dtype == np.uint8


@pytest.mark.parametrize("size", [(47, 64), (48, 63)])
def test_smaller_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="48x64"):
        scene(0, size)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="-1"):
        scene(-1)


def test_a_seed_shows_the_same_street_at_every_size() -> None:
    small, large = scene(4, (96, 128))[1], scene(4, (192, 256))[1]
    shrunk = large[::2, ::2]
    told = (small != 255) & (shrunk != 255)
    assert (small == shrunk)[told].mean() > 0.9


def test_labels_are_the_eleven_classes_and_void() -> None:
    assert set(np.unique(scenes()[1])) == {*range(11), 255}


def test_void_has_its_share() -> None:
    assert 0.015 <= (scenes()[1] == 255).mean() <= 0.05


@pytest.mark.parametrize("name", ["Sky", "Building", "Road", "Pavement", "Tree", "Car", "Pole"])
def test_common_classes_are_common(name: str) -> None:
    assert share_of_images(name, 20) > 0.6


@pytest.mark.parametrize("name", ["SignSymbol", "Fence", "Pedestrian", "Bicyclist"])
def test_rare_classes_are_in_enough_images(name: str) -> None:
    assert share_of_images(name, 20) > 0.35


@pytest.mark.parametrize("name", ["Pole", "SignSymbol", "Pedestrian", "Bicyclist"])
def test_rare_classes_stay_small(name: str) -> None:
    assert 0.002 < (scenes()[1] == NAMES.index(name)).mean() < 0.04


def test_no_single_colour_gives_a_class_away() -> None:
    """Car pixels spread over as wide a range of brightness as building pixels; a threshold cannot tell them."""
    images, labels = scenes()
    for name in ("Car", "Building", "Pole", "Pedestrian"):
        assert images[labels == NAMES.index(name)].mean(axis=1).std() > 25


def vehicles(label: Pixels) -> list[tuple[int, int]]:
    """Lowest row and height of each connected car region that is wholly in the picture."""
    regions, _ = ndimage.label(label == NAMES.index("Car"))
    found = []
    for rows, columns in ndimage.find_objects(regions):
        inside = columns.start > 0 and columns.stop < label.shape[1] and rows.stop < label.shape[0]
        if inside and rows.stop - rows.start >= 3:
            found.append((rows.stop, rows.stop - rows.start))
    return found


def test_vehicles_lower_in_the_picture_are_larger() -> None:
    bottoms, heights = zip(*(car for label in scenes()[1] for car in vehicles(label)), strict=True)
    assert len(bottoms) > 40
    assert stats.spearmanr(bottoms, heights).statistic > 0.4


def test_sky_is_above_and_road_below() -> None:
    labels = scenes()[1]
    height = labels.shape[1]
    rows = np.arange(height)[None, :, None]
    sky, road = labels == NAMES.index("Sky"), labels == NAMES.index("Road")
    assert (rows * sky).max() < 0.62 * height
    assert (np.where(road, rows, height)).min() > 0.38 * height


def test_light_varies() -> None:
    brightness = scenes()[0].mean(axis=(1, 2, 3))
    assert brightness.std() > 12
    assert 90 < brightness.mean() < 165


def test_classes_and_colours_are_those_of_camvid() -> None:
    tutorial = CAMVID.variants[TUTORIAL_VARIANT]
    for variant in SYNTHETIC_ROADS.variants.values():
        assert (variant.class_names, variant.palette) == (tutorial.class_names, tutorial.palette)


def test_it_is_registered_as_embedded() -> None:
    assert DATASETS["synthetic-roads"] is SYNTHETIC_ROADS
    assert SYNTHETIC_ROADS.embedded
    default = SYNTHETIC_ROADS.variants[SYNTHETIC_ROADS.default_variant]
    assert default.size == DEFAULT_SIZE == (96, 128)
    assert [variant.size for variant in SYNTHETIC_ROADS.variants.values()] == [(96, 128), (180, 240), (360, 480)]


def test_splits_share_no_seed() -> None:
    seeds = [set(range(FIRST_SEEDS[split], FIRST_SEEDS[split] + COUNTS[split])) for split in SPLITS]
    assert len(set().union(*seeds)) == sum(COUNTS.values()) == 360


def few() -> VariantSpec:
    return VariantSpec("tiny", NAMES, SYNTHETIC_ROADS.variants["96x128-11"].palette, {"train": 3, "test": 2}, (48, 64))


def drawn(split: str, options: SourceOptions | None = None) -> list[Sample]:
    with open_source(few(), options or SourceOptions()) as source:
        samples = [sample.made for sample in source.samples(split)]
        assert len(samples) == source.counts[split]
        assert source.archives == () and not source.partial
    return samples


def test_samples_are_the_scenes_of_their_seeds() -> None:
    samples = drawn("test")
    assert [sample.id for sample in samples] == ["test-2000000", "test-2000001"]
    image, label = scene(2_000_001, (48, 64))
    assert np.array_equal(np.array(Image.open(io.BytesIO(samples[1].image))), image)
    assert samples[1].label is not None and np.array_equal(samples[1].label, label)


def test_ids_are_unique_over_splits() -> None:
    assert len({sample.id for split in ("train", "test") for sample in drawn(split)}) == 5


def test_size_option_wins_over_the_variant() -> None:
    labels = [sample.label for sample in drawn("train", SourceOptions(size=(50, 70)))]
    assert [label.shape for label in labels if label is not None] == [(50, 70)] * 3


def test_a_size_too_small_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(UsageError, match="10x10"), open_source(few(), SourceOptions(size=(10, 10))):
        pytest.fail("opened")


def test_archives_are_refused() -> None:
    with pytest.raises(UsageError, match="--from"), open_source(few(), SourceOptions(sources=("scenes.zip",))):
        pytest.fail("opened")


def test_drawing_is_fast() -> None:
    """A third of what one core reaches, so that a busy machine passes; ``process_time`` leaves waiting out."""
    scene(0)
    start = time.process_time()
    for seed in range(15):
        scene(seed)
    assert 15 / (time.process_time() - start) > 20
