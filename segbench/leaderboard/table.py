"""Boards: records that may be compared, side by side, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segbench.errors import RecordError
from segbench.leaderboard.certainty import Place, certainty
from segbench.leaderboard.costs import Cost, Costs, join_profiles
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.starts import start_notes, start_text
from segbench.leaderboard.wording import percent
from segbench.metrics.resampling import Resampling
from segbench.metrics.statistics import seed_spread
from segbench.metrics.tallies import Tallies
from segbench.recipe import PaperNumbers
from segbench.record import SCORE_NAMES, ProfileRecord, Protocol, RunRecord

__all__ = ["SHORT_NAMES", "Board", "Comparison", "Row", "build_boards", "left_out"]

SHORT_NAMES = dict(zip(SCORE_NAMES, ("G", "C", "mIoU", "BF"), strict=True))
REDUCED_SCALES = frozenset({"short", "half", "smoke"})


@dataclass(frozen=True)
class Comparison:
    """What the paper prints for a row.

    Attributes:
        source: Paper and table.
        training: How the paper trained.
        size: Height and width the paper scored at.
        reason: Why the figures cannot be compared with ours; empty where they can.
        scores: The paper's scores by name, as fractions.
        deltas: Ours minus the paper's, where they can be compared; else ``None``.
    """

    source: str
    training: str
    size: tuple[int, int]
    reason: str
    scores: Mapping[str, float | None]
    deltas: Mapping[str, float | None]

    @property
    def comparable(self) -> bool:
        """Whether there are deltas."""
        return not self.reason


@dataclass(frozen=True)
class Row:
    """One run on a board; scores are fractions, ``None`` where undefined.

    Attributes:
        label: The shortest name that sets the row apart on its board.
        recipe: Variant, with the settings in which recipes of this name differ.
        replicate: Which run of the same cell it is, counted from 1, and of how many.
        parameters: All trainable parameters.
        convolution_weights: Convolution weights, a count.
        paper_parameters: What the paper prints, a count.
        epochs: Passes over the training split.
        paper: The paper's numbers, ``None`` where the recipe has none.
        record: All there is.
        place: Rank and intervals, ``None`` on a board that was built without tallies.
    """

    label: str
    model: str
    paper_name: str
    recipe: str
    seed: int
    replicate: tuple[int, int]
    global_accuracy: float | None
    class_accuracy: float | None
    mean_iou: float | None
    boundary_f1: float | None
    validation_mean_iou: float | None
    parameters: int
    convolution_weights: int
    paper_parameters: int | None
    epochs: int
    wall_time_s: float
    images_per_s: float
    run_id: str
    paper: Comparison | None
    record: RunRecord
    place: Place | None = None


@dataclass(frozen=True)
class Board:
    """Runs on one variant and split, at one size and scale, under one protocol.

    Attributes:
        class_names: In the order of their ids.
        class_pixels: Labelled pixels of each class in the truth.
        rows: Best ``mean_iou`` first, then ``boundary_f1``, then the name.
        notes: Sentences about rows, and about runs that were left out.
        resampling: How images were drawn for intervals and ranks, ``None`` where there are none.
        costs: Profiles of one device that some rows have, ``None`` where none has.
    """

    dataset: str
    dataset_title: str
    dataset_variant: str
    dataset_fingerprint: str
    split: str
    scale: str
    protocol: Protocol
    class_names: tuple[str, ...]
    class_pixels: tuple[int, ...]
    num_images: int
    num_pixels: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    resampling: Resampling | None = None
    costs: Costs | None = None

    def cost(self, row: Row) -> Cost | None:
        """What the network of a row costs on the device of this board, ``None`` where it was not measured there."""
        return None if self.costs is None else self.costs.by_run.get(row.run_id)


def build_boards(
    records: Iterable[RunRecord],
    tallies: Callable[[RunRecord], Tallies] | None = None,
    profiles: Sequence[ProfileRecord] = (),
) -> list[Board]:
    """The boards of records, in an order that does not depend on theirs.

    A board holds what may be compared: dataset, variant, content of the dataset, split, evaluated size, scale and
    protocol are one. Runs on a partial dataset are left out; a board of the same split says so.

    Args:
        records: Of any datasets.
        tallies: Gives the tallies of a record (``tallies_under``); rows have intervals and ranks then.
        profiles: What networks cost in use, of any device (``filed_profiles``).

    Raises:
        RecordError: Runs of one board were not scored on the same images, or tallies do not belong to their record.
    """
    everything = sorted(records, key=lambda record: (record.created, record.run_id))
    groups = grouped((record for record in everything if not record.dataset_partial), _board_key)
    plain = [_board(groups[key], everything) for key in sorted(groups)]
    boards = [replace(one, costs=join_profiles([row.record for row in one.rows], profiles)) for one in plain]
    return boards if tallies is None else [_with_places(board, tallies) for board in boards]


def left_out(records: Iterable[RunRecord]) -> list[str]:
    """A sentence for each run that no board shows, with the reason."""
    return [_left_out(record) for record in sorted(records, key=lambda one: one.run_id) if record.dataset_partial]


def _left_out(record: RunRecord) -> str:
    return f"Run {record.run_id} of {record.model} was left out: its dataset was prepared from a part of the images."


def _board_key(record: RunRecord) -> tuple[str, ...]:
    protocol = record.scores.protocol.model_dump_json()
    where = (record.dataset, record.dataset_variant, record.split)
    return (*where, record.scale, protocol, record.dataset_fingerprint)


def _board(records: Sequence[RunRecord], everything: Sequence[RunRecord]) -> Board:
    _check_same_images(records)
    first = records[0]
    rows = tuple(sorted(_rows(records), key=_rank))
    return Board(
        dataset=first.dataset,
        dataset_title=first.dataset_title,
        dataset_variant=first.dataset_variant,
        dataset_fingerprint=first.dataset_fingerprint,
        split=first.split,
        scale=first.scale,
        protocol=first.scores.protocol,
        class_names=tuple(first.scores.per_class),
        class_pixels=tuple(scores.pixels for scores in first.scores.per_class.values()),
        num_images=first.scores.num_images,
        num_pixels=first.scores.num_pixels,
        rows=rows,
        notes=(
            *_paper_notes(rows),
            *start_notes((row.label, row.record) for row in rows),
            *_seed_notes(rows),
            *_replicate_notes(rows),
            *_trial_notes(rows),
            *_partial_notes(first, everything),
        ),
    )


def _with_places(board: Board, tallies: Callable[[RunRecord], Tallies]) -> Board:
    found = certainty([row.record for row in board.rows], tallies)
    rows = tuple(replace(row, place=found.places[row.run_id]) for row in board.rows)
    return replace(board, rows=rows, resampling=found.resampling)


def _check_same_images(records: Sequence[RunRecord]) -> None:
    def truth(record: RunRecord) -> tuple[Any, ...]:
        scores = record.scores
        return scores.num_images, tuple((name, values.pixels) for name, values in scores.per_class.items())

    for record in records[1:]:
        if truth(record) != truth(records[0]):
            raise RecordError(
                f"Runs {records[0].run_id} and {record.run_id} were not scored on the same images, though both name "
                f"{record.dataset} {record.dataset_variant} {record.split}.",
                "Move one of the records away.",
            )


def _rank(row: Row) -> tuple[Any, ...]:
    scores = (row.mean_iou, row.boundary_f1)
    best_first = tuple(1.0 if value is None else -value for value in scores)
    return (*best_first, row.paper_name, row.model, row.recipe, row.seed, row.replicate, row.run_id)


# --- rows ------------------------------------------------------------------------------------------------------------


def _rows(records: Sequence[RunRecord]) -> list[Row]:
    """Rows of the records of one board, which come oldest first."""
    recipes = _recipe_labels(records)
    cells = grouped(records, lambda record: record.cell_id)
    labels = _labels(records, recipes)
    return [
        Row(
            label=labels[record.run_id],
            model=record.model,
            paper_name=record.paper_name,
            recipe=recipes[record.run_id],
            seed=record.seed,
            replicate=(cells[record.cell_id].index(record) + 1, len(cells[record.cell_id])),
            **{name: getattr(record.scores, name) for name in SCORE_NAMES},
            validation_mean_iou=(record.validation or {}).get("mean_iou"),
            parameters=record.parameters,
            convolution_weights=record.convolution_weights,
            paper_parameters=record.paper_parameters,
            epochs=max(record.curve.epoch, default=0),
            wall_time_s=record.curve.wall_time_s,
            images_per_s=record.curve.images_per_s,
            run_id=record.run_id,
            paper=_comparison(record),
            record=record,
        )
        for record in records
    ]


def _recipe_labels(records: Sequence[RunRecord]) -> dict[str, str]:
    """Variant by run id; where recipes of one name differ, with the settings in which they do."""
    labels = {}
    for same_name in grouped(records, lambda record: (record.model, record.recipe.variant)).values():
        settings = [dict(_settings("", record.recipe.decisive())) for record in same_name]
        names = sorted({name for each in settings for name in each})
        varied = [name for name in names if len({each.get(name) for each in settings}) > 1]
        for record, each in zip(same_name, settings, strict=True):
            differing = ", ".join(f"{name}={each[name]}" for name in varied if name in each)
            labels[record.run_id] = record.recipe.variant + (f" ({differing})" if differing else "")
    return labels


def _settings(prefix: str, section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _settings(f"{prefix}{name}.", value)
        else:
            yield prefix + name, str(value)


def _labels(records: Sequence[RunRecord], recipes: Mapping[str, str]) -> dict[str, str]:
    """A name by run id: the model's, with recipe, start, seed and run id as far as they tell rows apart."""
    labels = {record.run_id: record.paper_name for record in records}
    for more in (
        {record.run_id: recipes[record.run_id] for record in records},
        {record.run_id: f"encoder {start_text(record)}" for record in records},
        {record.run_id: f"seed {record.seed}" for record in records},
        {record.run_id: f"run {record.run_id}" for record in records},
    ):
        for same in grouped(labels, labels.__getitem__).values():
            if len({more[run_id] for run_id in same}) > 1:
                labels |= {run_id: f"{labels[run_id]}, {more[run_id]}" for run_id in same}
    return labels


def _comparison(record: RunRecord) -> Comparison | None:
    paper = record.recipe.paper
    if paper is None:
        return None
    reason = paper.reason or _difference(record, paper)
    ours = {name: getattr(record.scores, name) for name in SCORE_NAMES}
    theirs = {name: getattr(paper, name) for name in SCORE_NAMES}
    deltas = {name: None if reason else _minus(ours[name], theirs[name]) for name in SCORE_NAMES}
    return Comparison(paper.source, paper.training, paper.size, reason, theirs, deltas)


def _difference(record: RunRecord, paper: PaperNumbers) -> str:
    """Why this run cannot stand beside the paper's although its recipe can; empty where it can."""
    protocol = record.scores.protocol
    if protocol.size != paper.size:
        return f"the paper scored at {paper.size[0]}×{paper.size[1]}"
    if protocol.name != record.recipe.evaluate.protocol:
        return f"scored under protocol {protocol.name}, its recipe under {record.recipe.evaluate.protocol}"
    return f"run at the reduced scale '{record.scale}'" if record.scale in REDUCED_SCALES else ""


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


# --- notes -----------------------------------------------------------------------------------------------------------


def _paper_notes(rows: Sequence[Row]) -> list[str]:
    compared = [(row.label, row.paper) for row in rows if row.paper]
    groups = grouped(compared, lambda pair: (pair[1].source, pair[1].training, pair[1].size, pair[1].reason))
    return [_paper_note([label for label, _ in pairs], pairs[0][1]) for pairs in groups.values()]


def _paper_note(labels: Sequence[str], paper: Comparison) -> str:
    origin = f"the paper's numbers are from {paper.source} ({paper.training})"
    verdict = f"and cannot be compared with ours: {paper.reason}" if paper.reason else "and are comparable"
    return f"{', '.join(labels)}: {origin} {verdict}."


def _seed_notes(rows: Sequence[Row]) -> list[str]:
    """The spread over trainings of one recipe, of which each seed counts once."""
    recipes = grouped(rows, lambda row: (row.paper_name, row.model, row.recipe, start_text(row.record)))
    firsts = [[row for row in same if row.replicate[0] == 1] for same in recipes.values()]
    return [_seed_note(sorted(runs, key=lambda row: row.seed)) for runs in firsts if len(runs) > 1]


def _seed_note(runs: Sequence[Row]) -> str:
    spreads = [(short, seed_spread(getattr(row, name) for row in runs)) for name, short in SHORT_NAMES.items()]
    figures = [f"{short} {percent(one.mean)} ± {percent(one.standard_deviation)}" for short, one in spreads]
    seeds = ", ".join(str(row.seed) for row in runs)
    return (
        f"{runs[0].paper_name}, {runs[0].recipe}, over seeds {seeds}, mean ± standard deviation: {', '.join(figures)}. "
        "This is how far trainings of the recipe differ."
    )


def _replicate_notes(rows: Sequence[Row]) -> list[str]:
    cells = grouped((row for row in rows if row.replicate[1] > 1), lambda row: row.record.cell_id)
    return [
        f"Runs {', '.join(row.run_id for row in sorted(same, key=lambda row: row.replicate))} are replicates: the same "
        "recipe, data and seed, run more than once."
        for same in cells.values()
    ]


def _trial_notes(rows: Sequence[Row]) -> list[str]:
    """What was tuned says so."""
    return [
        f"{row.label}: {len(row.record.trials)} trials on the validation split led to its recipe; the record lists all."
        for row in rows
        if row.record.trials
    ]


def _partial_notes(shown: RunRecord, everything: Sequence[RunRecord]) -> list[str]:
    def place(record: RunRecord) -> tuple[str, ...]:
        return record.dataset, record.dataset_variant, record.split

    return left_out(record for record in everything if place(record) == place(shown))
