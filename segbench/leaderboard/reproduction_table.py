"""A reproduction as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from segbench.leaderboard.convergence import LEAST_FALL, WINDOW, converged
from segbench.leaderboard.example_images import RULE
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.markdown import MARKER
from segbench.leaderboard.markdown_table import aligned, plain
from segbench.leaderboard.reproduction import TRAIN_NAMES, Figure, Reproduction, ReproductionRow
from segbench.leaderboard.reproduction_curves import curves_path
from segbench.leaderboard.reproduction_maps import maps_path
from segbench.leaderboard.store import result_name
from segbench.leaderboard.table import SHORT_NAMES
from segbench.leaderboard.wording import UNDEFINED, percent, points
from segbench.record import SCORE_NAMES, RunRecord

__all__ = ["REPRODUCTION_COLUMNS", "reproduction_to_csv", "reproduction_to_markdown"]

Value = str | float | None

REPRODUCTION_COLUMNS = (
    *("suite", "scale", "model", "paper_name", "balancing", "seeds", "run_ids", "converged"),
    *(
        f"{kind}_{name}{end}"
        for name in SCORE_NAMES
        for kind, end in (
            ("paper", ""),
            ("ours", ""),
            ("ours", "_low"),
            ("ours", "_high"),
            ("delta", ""),
            ("verdict", ""),
        )
    ),
    *(f"{kind}_train_{name}" for name in TRAIN_NAMES for kind in ("paper", "ours", "delta")),
)
"""Names of the columns, in order."""


def reproduction_to_csv(found: Reproduction) -> str:
    """One row a network and balancing, raw fractions; undefined values are empty.

    Returns:
        Text with ``\\n`` line ends.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, REPRODUCTION_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**_names(found, row), **_test_values(row), **_train_values(row)} for row in found.rows)
    return text.getvalue()


def _names(found: Reproduction, row: ReproductionRow) -> dict[str, Value]:
    return {
        "suite": found.suite.name,
        "scale": found.scale,
        "model": row.cell.model,
        "paper_name": row.runs[0].paper_name,
        "balancing": row.cell.balancing,
        "seeds": " ".join(str(run.seed) for run in row.runs),
        "run_ids": " ".join(run.run_id for run in row.runs),
        "converged": " ".join(filter(None, map(_converged, row.runs))),
    }


def _converged(run: RunRecord) -> str:
    found = converged(run.curve)
    return "" if found is None else "yes" if found else "no"


def _test_values(row: ReproductionRow) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, figure in row.test.items():
        ends = figure.interval
        values |= {
            f"paper_{name}": figure.paper,
            f"ours_{name}": figure.ours,
            f"ours_{name}_low": None if ends is None else ends.low,
            f"ours_{name}_high": None if ends is None else ends.high,
            f"delta_{name}": figure.delta,
            f"verdict_{name}": figure.verdict,
        }
    return values


def _train_values(row: ReproductionRow) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, figure in row.train.items():
        values |= {
            f"paper_train_{name}": figure.paper,
            f"ours_train_{name}": figure.ours,
            f"delta_train_{name}": figure.delta,
        }
    return values


def reproduction_to_markdown(found: Reproduction) -> str:
    """One table a balancing, the paper's scores beside ours; the same records give the same bytes."""
    return "\n\n".join([MARKER, *_blocks(found)]) + "\n"


def _blocks(found: Reproduction) -> Iterator[str]:
    yield f"# {plain(found.suite.title)}: scale {found.scale}"
    yield _first_line(found)
    yield (
        "Scores are in per cent: ours [95 % interval over the test images] (the paper's, and ours minus the paper's in "
        f"percentage points). The paper: {plain(found.suite.source)}; {plain(found.suite.training)}, scored at "
        f"{found.suite.size[0]}×{found.suite.size[1]}. The same as raw fractions, the paper's and ours: "
        f"[{found.suite.name}-{found.scale}.csv]({found.suite.name}-{found.scale}.csv)."
    )
    for balancing, rows in grouped(found.rows, lambda row: row.cell.balancing).items():
        yield f"## {balancing.replace('-', ' ').capitalize()} balancing"
        yield _scores(rows)
        yield from _order(found, balancing)
        yield _folded("Scores of the training split", _training(rows))
    yield "## Label maps"
    yield f"![Label maps that the networks predict]({maps_path(Path(), found).name})"
    yield (
        f"Test images {', '.join(map(plain, found.examples))}: {RULE}. The first seed of each network; bare label "
        "maps, drawn from the predictions beside the records, no photographs."
    )
    yield "## Training curves"
    yield f"![Validation mean IoU and training loss]({curves_path(Path(), found).name})"
    yield "A ring marks the iteration whose weights were taken. All seeds are drawn."
    yield "## Notes"
    yield "\n".join(f"- {note}" for note in _notes(found))
    yield "## How to reproduce"
    yield f"```sh\nsegbench reproduce {found.suite.name} --scale {found.scale}\n```"


def _first_line(found: Reproduction) -> str:
    scale = found.suite.scale(found.scale)
    if scale.verdicts:
        return (
            "Verdicts: *agrees* where ours and the paper's differ by at most twice the combined standard deviation of "
            "test images (bootstrap) and seeds, else *better* or *worse*."
        )
    return f"These runs are no reproduction of the paper's numbers: {plain(scale.reason)}. So there are no verdicts."


def _scores(rows: list[ReproductionRow]) -> str:
    lines = [["Model", "Seeds", *(f"{short} >" for short in SHORT_NAMES.values()), "Converged", "Run"]]
    for row in rows:
        cells = [_cell(row.test[name]) for name in SHORT_NAMES]
        ended = ", ".join(_converged(run) or UNDEFINED for run in row.runs)
        lines.append([plain(row.runs[0].paper_name), _seeds(row), *cells, ended, _links(row)])
    if not any(_converged(run) for row in rows for run in row.runs):
        lines = [[*line[:-2], line[-1]] for line in lines]
    return aligned(lines)


def _cell(figure: Figure) -> str:
    ends = figure.interval
    shown = percent(figure.ours)
    if ends is not None and ends.low is not None:
        shown += f" [{percent(ends.low)}, {percent(ends.high)}]"
    verdict = f" *{figure.verdict}*" if figure.verdict else ""
    return f"{shown} ({percent(figure.paper)}, {points(figure.delta)}){verdict}"


def _seeds(row: ReproductionRow) -> str:
    return ", ".join(str(run.seed) for run in row.runs)


def _links(row: ReproductionRow) -> str:
    return ", ".join(f"[`{run.run_id}`]({result_name(run)}.json)" for run in row.runs)


def _order(found: Reproduction, balancing: str) -> Iterator[str]:
    same = [one for one in found.correlations if one.balancing == balancing]
    if not same:
        return
    parts = [f"{SHORT_NAMES[one.score]} {_signed(one.rho)} [{_signed(one.low)}, {_signed(one.high)}]" for one in same]
    yield (
        f"Order of the {same[0].networks} networks, the paper's against ours (Spearman's rho, 95 % interval over the "
        f"test images): {', '.join(parts)}."
    )


def _signed(rho: float) -> str:
    return f"{rho:.2f}".replace("-", "−")


def _training(rows: list[ReproductionRow]) -> str:
    lines = [["Model", *(f"{SHORT_NAMES[name]} >" for name in TRAIN_NAMES)]]
    lines += [[plain(row.runs[0].paper_name), *(_cell(row.train[name]) for name in TRAIN_NAMES)] for row in rows]
    return aligned(lines)


def _folded(title: str, content: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{content}\n\n</details>"


def _notes(found: Reproduction) -> Iterator[str]:
    yield from map(plain, found.suite.notes)
    yield found.resampling.sentence
    yield _seed_note(found.seed_deviation)
    if any(_converged(run) for row in found.rows for run in row.runs):
        yield (
            f"Converged: the mean training loss of the last {WINDOW:,} iterations is less than {100 * LEAST_FALL:g} % "
            f"below that of the {WINDOW:,} before; in the order of the seeds."
        )
    if found.missing:
        listed = ", ".join(f"{cell.model} ({cell.balancing})" for cell in found.missing)
        yield f"Not run yet: {listed}."


def _seed_note(deviation: Mapping[str, float | None]) -> str:
    known = {name: value for name, value in deviation.items() if value is not None}
    if not known:
        return "No network has runs of three seeds, so the spread over seeds is not known."
    parts = [f"{SHORT_NAMES[name]} {100 * value:.1f}" for name, value in known.items()]
    return f"Standard deviation over seeds, pooled, in percentage points: {', '.join(parts)}."
