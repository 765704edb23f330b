"""``segbench profile``: what networks cost in time, memory and energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from segbench.cli.options import Device, Json, Options, Out, Quiet, complete_model, parse_options, parse_size
from segbench.console import Console
from segbench.errors import UsageError

if TYPE_CHECKING:
    from segbench.engine.subject import Settings

__all__ = ["profile_networks"]

PRECISIONS = ("auto", "fp32", "bf16")


def profile_networks(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", autocompletion=complete_model, help="Registered networks.")
    ],
    size: Annotated[str, typer.Option(metavar="HxW", help="Height and width of the input.")] = "360x480",
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Images at once.")] = 1,
    device: Device = "auto",
    dtype: Annotated[str, typer.Option(metavar="T", help="auto, fp32 or bf16.")] = "auto",
    options: Options = None,
    classes: Annotated[int, typer.Option(min=2, metavar="K", help="Classes to tell apart.")] = 11,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Timed passes of each network.")] = 10,
    fold: Annotated[
        bool, typer.Option("--fold", help="Inference with batch normalisation folded into the convolutions.")
    ] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Run the networks through torch.compile.")] = False,
    process_memory: Annotated[
        bool, typer.Option("--process-memory/--no-process-memory", help="Start a process of its own for its peak.")
    ] = True,
    seed: Annotated[int, typer.Option(metavar="S", help="Of the random weights and input.")] = 0,
    out: Out = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what networks cost: time, memory, multiply-adds, energy.

    The networks have random weights and take turns, so that a drift of the machine's speed meets all alike. Each
    profile is filed as a record; leaderboards/profiles.md and .csv are drawn from all of them, and mean IoU against
    time and memory where there are runs.
    """
    console = Console(json=as_json, quiet=quiet)
    settings = replace(
        _settings(size, batch, device, dtype, classes, rounds, fold, process_memory, seed),
        config=parse_options(options),
        compiled=compiled,
    )
    from segbench.engine.profiling import profile_models
    from segbench.leaderboard.profiles import file_profile

    records = profile_models(list(dict.fromkeys(models)), settings, console.progress())
    root = out / "leaderboards"
    files = [*(file_profile(root, record) for record in records), *_draw(root)]
    values = {
        "profiles": [record.model_dump(mode="json") for record in records],
        "files": [str(path) for path in files],
    }
    if as_json:
        console.result(values)
    else:
        from segbench.cli.profile_table import profile_tables

        console.result(values, *profile_tables(records))
    for path in files:
        console.note(f"{'Profile ' if path.suffix == '.json' else 'Board   '} {path}")


def _settings(
    size: str, batch: int, device: str, dtype: str, classes: int, rounds: int, fold: bool, process: bool, seed: int
) -> Settings:
    if dtype not in PRECISIONS:
        raise UsageError(f"--dtype '{dtype}' is not one of {', '.join(PRECISIONS)}.", "Example: --dtype fp32")
    pixels = parse_size(size)
    from segbench.engine.subject import Settings

    return Settings(
        size=pixels,
        batch=batch,
        num_classes=classes,
        device=device,
        precision=cast("Literal['auto', 'fp32', 'bf16']", dtype),
        folded=fold,
        rounds=rounds,
        seed=seed,
        process_memory=process,
    )


def _draw(root: Path) -> list[Path]:
    """The tables of all profiles there are, and the pictures of datasets with runs."""
    from segbench.atomic import write_text
    from segbench.leaderboard.cost_scatter import scatter_texts
    from segbench.leaderboard.profile_table import profile_texts
    from segbench.leaderboard.profiles import filed_profiles
    from segbench.leaderboard.store import load_records
    from segbench.leaderboard.table import build_boards

    boards = build_boards(load_records(root), None, filed_profiles(root))
    texts = profile_texts(root, boards) | scatter_texts(root, boards)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)
