"""``segbench compare``: two runs on the same images, and how sure the difference is."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Out, Quiet
from segbench.console import Console
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.leaderboard.lookup import FoundRun
    from segbench.metrics.comparison import Comparison
    from segbench.record import Protocol

__all__ = ["compare_runs"]

SHOWN = 5


def compare_runs(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="A run id or its beginning, a record, or tallies.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The other run, on the same images.")],
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="A named protocol; that of the record if left out.")
    ] = None,
    boundary_rule: Annotated[str | None, typer.Option(metavar="R", help="matching or distance.")] = None,
    boundary_void: Annotated[str | None, typer.Option(metavar="V", help="asis or masked.")] = None,
    boundary_average: Annotated[str | None, typer.Option(metavar="A", help="script or paper-text.")] = None,
    blocks: Annotated[
        str, typer.Option(metavar="N", help="Frames drawn together; 1: independent images; auto: by their names.")
    ] = "auto",
    resamples: Annotated[int, typer.Option(metavar="R", help="How often the images are drawn again.")] = 10_000,
    seed: Annotated[int, typer.Option(metavar="S", help="Of the random draws.")] = 0,
    images: Annotated[int, typer.Option(min=0, metavar="N", help="How many of the images that differ most.")] = SHOWN,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw those images: truth, predictions, differences.")
    ] = None,
    photographs: Annotated[
        bool, typer.Option("--photographs", help="With the photographs, which may not be passed on.")
    ] = False,
    out: Out = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether one run is better than another, score by score, class by class.

    Both are scored in the same resamples of the images (paired bootstrap).
    """
    if photographs and pictures is None:
        raise UsageError("--photographs goes with --pictures FOLDER.")
    from segbench.cli.comparison_table import comparison_tables, independent_sentence
    from segbench.leaderboard.lookup import find_run
    from segbench.metrics.comparison import compare
    from segbench.metrics.resampling import choose_resampling

    console = Console(json=as_json, quiet=quiet)
    runs = find_run(run_a, out / "leaderboards"), find_run(run_b, out / "leaderboards")
    first, second = (run.tallies for run in runs)
    boundary = {"rule": boundary_rule, "void": boundary_void, "average": boundary_average}
    rules = _protocol(runs, protocol, boundary)
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    comparison = compare(first, second, rules, choose_resampling(first.image_ids, _blocks(blocks), **draws))
    independent = None
    if comparison.resampling.runs:
        independent = compare(first, second, rules, choose_resampling(first.image_ids, 1, **draws))
    drawn = _draw(console, runs, comparison, images, pictures, photographs) if pictures is not None else []
    names = [run.name for run in runs]
    tables = comparison_tables(comparison, names, rules, images)
    notes = [] if independent is None else [independent_sentence(independent)]
    console.result(
        lambda: _values(runs, comparison, independent, rules, images, drawn), *tables[:-1], *notes, tables[-1]
    )
    for path in drawn:
        console.note(f"Picture  {path}")


def _blocks(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise UsageError(f"--blocks '{text}' is neither a number of frames nor auto.", "Example: --blocks 1")
    return int(text)


def _protocol(runs: tuple[FoundRun, FoundRun], name: str | None, boundary: dict[str, str | None]) -> Protocol:
    """The named protocol, or that of the first record there is, with the options in place of its own.

    Ignored label and tolerance are those the tallies were counted with.
    """
    from segbench.metrics.protocols import protocol_of
    from segbench.record import BoundaryProtocol

    tallies = runs[0].tallies
    options: Any = {f"boundary_{key}": value for key, value in boundary.items()}
    named = protocol_of(name or "segbench", ignore_index=tallies.ignore_index, **options)
    records = [run.record.scores.protocol for run in runs if run.record is not None]
    base = records[0] if records and name is None else named
    given: dict[str, Any] = {key: value for key, value in boundary.items() if value is not None}
    if tallies.tolerance is not None:
        given |= {"tolerance": float(tallies.tolerance.value), "unit": tallies.tolerance.unit}
    changed = BoundaryProtocol.model_validate({**base.boundary.model_dump(), **given})
    return base.model_copy(update={"boundary": changed, "size": tallies.size})


def _draw(
    console: Console,
    runs: tuple[FoundRun, FoundRun],
    comparison: Comparison,
    count: int,
    folder: Path,
    photographs: bool,
) -> list[Path]:
    from segbench.cli.comparison_pictures import write_pictures

    return write_pictures(folder, runs, comparison.images[:count], photographs=photographs, progress=console.progress())


# --- JSON -------------------------------------------------------------------------------------------------------------


def _values(
    runs: tuple[FoundRun, FoundRun],
    comparison: Comparison,
    independent: Comparison | None,
    protocol: Protocol,
    images: int,
    drawn: list[Path],
) -> dict[str, Any]:
    from segbench.cli.comparison_table import verdict
    from segbench.cli.leaderboard import resampling_values

    return {
        **dict(zip(("a", "b"), map(_run_values, runs), strict=True)),
        "verdict": verdict(comparison),
        "tied": comparison.mean_iou.tied,
        "resampling": resampling_values(comparison.resampling),
        "scores": _score_values(comparison),
        "per_class": {name: asdict(values) for name, values in comparison.per_class.items()},
        "independent_images": None if independent is None else _score_values(independent),
        "images": [asdict(image) for image in comparison.images[:images]],
        "images_better": dict(zip(("a", "b", "neither"), comparison.better, strict=True)),
        "pictures": [str(path) for path in drawn],
        "protocol": protocol.model_dump(mode="json"),
    }


def _run_values(run: FoundRun) -> dict[str, Any]:
    record = run.record
    about = {} if record is None else {name: getattr(record, name) for name in ("run_id", "model", "dataset", "seed")}
    return {"name": run.name, "path": str(run.path), **about}


def _score_values(comparison: Comparison) -> dict[str, Any]:
    overall = {field.name: getattr(comparison, field.name) for field in fields(comparison)[:4]}
    return {name: {**asdict(found), "tied": found.tied} for name, found in overall.items()}
