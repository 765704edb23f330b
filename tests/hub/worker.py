"""A process that talks to the loopback Hub: it does what it is told on stdin, a line each, and tells how that ended.

The Hub's client reads its environment when it is imported, so it cannot be used in the process of the tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from segbench.data.sample import Sample
from segbench.progress import Silent
from segbench.registry import DATASETS
from tests.data import toy

SIZE = (48, 64)


def toy_run_dataset() -> toy.ToySource:
    """Six images that a network accepts."""
    made = [toy.sample(position, SIZE) for position in range(6)]
    groups: dict[str, list[Sample]] = {"train": made[:3], "validation": made[3:4], "test": made[4:]}
    return toy.ToySource(groups)


def publish(
    name: str, files: dict[str, str], card: str = "# A card", *, allowed: bool = True, owns: list[str], **options: Any
) -> dict[str, Any]:
    """Publishes files whose contents are given as text."""
    from segbench.hub import connection
    from segbench.hub.content import RepoContent, RepoFile
    from segbench.hub.upload import publish as push

    connection.SILENCE_S = options.pop("silence_s", 300.0)

    content = RepoContent(
        repo_type=options.pop("kind", "model"),
        files=tuple(RepoFile(path, text.encode()) for path, text in files.items()),
        card=card,
        licence_allows_redistribution=allowed,
        what="a test",
        terms="Ask the owner.",
        owns=tuple(owns),
    )
    published = push(content, name, progress=Told(), **options)
    return {**vars(published), "files": dict(published.files)}


def load(source: str) -> list[float]:
    """What a network from the Hub says of an image."""
    import torch

    import segbench

    with torch.no_grad():
        logits: torch.Tensor = segbench.load(source)(torch.arange(3.0 * 48 * 64).reshape(1, 3, 48, 64) % 256)
    return [float(value) for value in logits.flatten()[::97]]


def start(recipe: str, encoder: str | None = None, *, cached: bool = False) -> dict[str, Any]:
    """What a run of a recipe file starts from, and its cell."""
    from segbench.engine.pipeline import find_cell
    from segbench.engine.start import find_starts
    from segbench.recipe import load_recipe

    read = load_recipe(Path(recipe))
    (found,) = find_starts([read], encoder, cached=cached, progress=Told())
    cell = find_cell(read, 0, Path(), start=found)
    return {"encoder_weights": found.encoder_weights, "cell_id": cell.cell_id, "encoder": cell.recipe.encoder}


class Told(Silent):
    """Prints messages."""

    def message(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


def command(arguments: list[str]) -> None:
    """Runs a command line."""
    from segbench.cli import main

    main(arguments)


JOBS: dict[str, Callable[..., Any]] = {"publish": publish, "load": load, "start": start, "command": command}


def ended(job: dict[str, Any]) -> dict[str, Any]:
    """How a job ended, and all that it printed."""
    from segbench.cli import outcome

    os.environ |= job["environment"]
    result = None

    def work() -> None:
        nonlocal result
        result = JOBS[job["job"]](**job["values"])

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = outcome.guarded(work)
        except SystemExit as error:
            code = int(error.code or 0)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "result": result}


def serve(answers: TextIO) -> None:
    """Works until stdin ends."""
    from segbench.hub import upload

    upload.FIRST_PAUSE_S = 0.01
    DATASETS.add(toy.SPEC)
    toy.replacement.append(toy_run_dataset())
    for line in sys.stdin:
        answers.write(json.dumps(ended(json.loads(line)), default=list) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.chdir(Path(sys.argv[1]))
    # Whatever else is printed must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(answers)
