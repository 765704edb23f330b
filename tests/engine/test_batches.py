"""Order of an epoch, resizing and flips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segbench.engine.batches import epoch_batches, to_tensors, training_batch
from segbench.engine.resizing import resize_images, resize_labels
from segbench.errors import DataError
from segbench.recipe import Augmentation
from tests.engine.tiny import Drawn

CPU = torch.device("cpu")
FLIP, NONE = Augmentation(flip=True), Augmentation()
EVERYTHING = Augmentation(
    flip=True, scale=(0.5, 2.0), crop=(24, 32), brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05
)


@given(st.integers(1, 400), st.integers(1, 64), st.integers(0, 2**32), st.integers(0, 1000))
def test_an_epoch_has_every_image_once_in_even_batches(images: int, batch: int, seed: int, epoch: int) -> None:
    parts = epoch_batches(images, batch, seed, epoch)
    assert sorted(np.concatenate(parts).tolist()) == list(range(images))
    assert len(parts) == -(-images // batch)
    sizes = {len(part) for part in parts}
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1


def test_order_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [int(index) for index in np.concatenate(epoch_batches(40, 6, seed, epoch))]

    assert order(3, 5) == order(3, 5)
    orders = [order(seed, epoch) for seed in range(4) for epoch in range(4)]
    assert len({tuple(values) for values in orders}) == 16


def test_halving_images_averages_two_by_two() -> None:
    images = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).view(2, 3, 4, 6)
    expected = images.view(2, 3, 2, 2, 3, 2).mean((3, 5))
    torch.testing.assert_close(resize_images(images, (2, 3)), expected)


def test_sizes_that_do_not_divide_average_the_area_too() -> None:
    images = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 5)
    assert resize_images(images, (1, 2))[0, 0, 0].tolist() == [1, 3]  # 0..2 and 2..4: both hold the pixel in the middle


def test_labels_are_taken_at_pixel_centres() -> None:
    labels = torch.arange(6)[None, None].repeat(1, 4, 1)
    # Centres of 3 of 6 pixels lie at 1, 3 and 5, of 4 at 0.75, 2.25, 3.75 and 5.25.
    assert resize_labels(labels, (4, 3))[0, 0].tolist() == [1, 3, 5]
    assert resize_labels(labels, (4, 4))[0, 0].tolist() == [0, 2, 3, 5]
    assert resize_labels(labels, (4, 12))[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    rows = torch.arange(4)[None, :, None].repeat(1, 1, 6)
    assert resize_labels(rows, (2, 6))[0, :, 0].tolist() == [1, 3]


@given(st.integers(1, 50), st.integers(1, 50))
def test_nearest_label_is_nearest(have: int, want: int) -> None:
    chosen = resize_labels(torch.arange(have)[None, None], (1, want))[0, 0].double()
    centres = (torch.arange(want, dtype=torch.float64) + 0.5) * have / want
    assert ((chosen + 0.5 - centres).abs() <= 0.5 + 1e-9).all()


def test_no_size_is_the_identity() -> None:
    images, labels = torch.zeros(1, 3, 4, 5), torch.zeros(1, 4, 5, dtype=torch.uint8)
    for size in (None, (4, 5)):
        assert resize_images(images, size) is images
        assert resize_labels(labels, size) is labels


def test_tensors_are_the_pixels() -> None:
    split = Drawn()
    images, labels = to_tensors(split, np.array([4, 1]), CPU)
    assert (images.dtype, images.shape) == (torch.float32, (2, 3, 32, 48))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), split.image(4))
    assert np.array_equal(labels[1].numpy(), split.label(1))


def test_flips_take_image_and_label_together() -> None:
    split, chosen = Drawn(60), np.arange(60)
    plain = training_batch(split, chosen, None, NONE, (0, 7), CPU)
    images, labels = training_batch(split, chosen, None, FLIP, (0, 7), CPU)
    flipped = [not torch.equal(a, b) for a, b in zip(images, plain[0], strict=True)]
    assert 15 < sum(flipped) < 45
    for index, mirrored in enumerate(flipped):
        axes = (-1,) if mirrored else ()
        assert torch.equal(images[index], plain[0][index].flip(axes))
        assert torch.equal(labels[index], plain[1][index].flip(axes))


def test_flips_follow_from_seed_and_iteration() -> None:
    split, chosen = Drawn(20), np.arange(20)

    def batch(seed: int, iteration: int) -> torch.Tensor:
        return training_batch(split, chosen, None, FLIP, (seed, iteration), CPU)[1]

    assert torch.equal(batch(0, 1), batch(0, 1))
    assert not torch.equal(batch(0, 1), batch(0, 2))
    assert not torch.equal(batch(0, 1), batch(1, 1))


def test_a_batch_is_resized_and_typed() -> None:
    images, labels = training_batch(Drawn(), np.array([0, 1]), (16, 24), FLIP, (0, 0), CPU)
    assert (images.dtype, tuple(images.shape)) == (torch.float32, (2, 3, 16, 24))
    assert (labels.dtype, tuple(labels.shape)) == (torch.int64, (2, 16, 24))
    assert set(labels.flatten().tolist()) <= {0, 1, 2, 255}


@pytest.mark.parametrize("batch", [1, 4])
def test_images_stay_in_0_to_255(batch: int) -> None:
    images, _ = training_batch(Drawn(), np.arange(batch), (20, 30), FLIP, (0, 0), CPU)
    assert images.min() >= 0
    assert images.max() <= 255


class OfManySizes(Drawn):
    """Drawn images, every other one narrower."""

    def label(self, index: int) -> NDArray[np.uint8]:
        return Drawn().label(index)[:, : 48 - 16 * (index % 2)]

    def image(self, index: int) -> NDArray[np.uint8]:
        return Drawn().image(index)[:, : 48 - 16 * (index % 2)]


def test_images_of_several_sizes_are_resized_one_by_one() -> None:
    split = OfManySizes()
    images, labels = to_tensors(split, np.array([0, 1, 2]), CPU, (16, 16))
    assert images.is_contiguous(memory_format=torch.channels_last)
    for place in range(3):
        alone = to_tensors(split, np.array([place]), CPU)
        assert torch.equal(images[place], resize_images(alone[0], (16, 16))[0])
        assert torch.equal(labels[place], resize_labels(alone[1], (16, 16))[0])


def test_images_of_several_sizes_need_one() -> None:
    with pytest.raises(
        DataError, match=r"^The images of a batch differ in size \(32x32, 32x48\)\. Set input_size in the"
    ):
        training_batch(OfManySizes(), np.array([0, 1]), None, NONE, (0, 0), CPU)
    assert training_batch(OfManySizes(), np.array([1]), None, NONE, (0, 0), CPU)[0].shape == (1, 3, 32, 32)


# --- scale, crop and colour ------------------------------------------------------------------------------------------


def test_windows_have_the_size_of_the_crop_whatever_the_images_are() -> None:
    for split, size in ((Drawn(), None), (Drawn(), (20, 28)), (OfManySizes(), None)):
        images, labels = training_batch(split, np.arange(4), size, EVERYTHING, (0, 3), CPU)
        assert (images.dtype, tuple(images.shape)) == (torch.float32, (4, 3, 24, 32))
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert (labels.dtype, tuple(labels.shape)) == (torch.int64, (4, 24, 32))
        assert set(labels.flatten().tolist()) <= {0, 1, 2, 255}


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    augment = EVERYTHING.model_copy(update={"flip": False})
    together = training_batch(Drawn(), np.array([4, 1, 3]), None, augment, (5, 7), CPU)
    alone = training_batch(Drawn(), np.array([1]), None, augment, (5, 7), CPU)
    torch.testing.assert_close(together[0][1:2], alone[0])
    assert torch.equal(together[1][1:2], alone[1])


@pytest.mark.parametrize("other", [(5, 8), (6, 7)])
def test_augmentation_follows_from_seed_and_iteration(other: tuple[int, int]) -> None:
    def batch(seed: tuple[int, int]) -> torch.Tensor:
        return training_batch(Drawn(), np.arange(4), None, EVERYTHING, seed, CPU)[0]

    assert torch.equal(batch((5, 7)), batch((5, 7)))
    assert not torch.equal(batch((5, 7)), batch(other))


def test_a_scale_of_one_changes_nothing() -> None:
    plain = training_batch(Drawn(), np.arange(4), (16, 24), NONE, (0, 0), CPU)
    scaled = training_batch(Drawn(), np.arange(4), (16, 24), Augmentation(scale=(1.0, 1.0)), (0, 0), CPU)
    assert all(torch.equal(a, b) for a, b in zip(plain, scaled, strict=True))


def test_labels_move_with_their_pixels() -> None:
    """The colours of the drawn images tell the classes, whatever scale and place."""
    augment = Augmentation(flip=True, scale=(0.7, 2.0), crop=(32, 48))
    images, labels = training_batch(Drawn(40), np.arange(40), None, augment, (0, 1), CPU)
    guessed = torch.stack([(images - torch.tensor(colour).view(3, 1, 1)).abs().sum(1) for colour in COLOURS]).argmin(0)
    labelled = labels != 255
    assert (guessed == labels)[labelled].float().mean() > 0.95


COLOURS = ((60.0, 120.0, 220.0), (110.0, 110.0, 110.0), (200.0, 40.0, 30.0))


def test_windows_of_several_sizes_need_a_crop() -> None:
    with pytest.raises(
        DataError, match=r"\(32x32, 32x48\)\. Set augment\.crop in the recipe, or train\.batch_size = 1"
    ):
        training_batch(OfManySizes(), np.array([0, 1]), None, Augmentation(scale=(0.5, 2.0)), (0, 0), CPU)


def test_a_part_of_a_batch_is_augmented_as_in_the_whole() -> None:
    whole = training_batch(Drawn(), np.arange(6), None, EVERYTHING, (2, 3), CPU)
    for part in (slice(0, 2), slice(2, 6)):
        images, labels = training_batch(Drawn(), np.arange(6), None, EVERYTHING, (2, 3), CPU, part)
        torch.testing.assert_close(images, whole[0][part])
        assert torch.equal(labels, whole[1][part])
