"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segbench.errors import UsageError

__all__ = [
    "Device",
    "Json",
    "Network",
    "Options",
    "Out",
    "Quiet",
    "RetryFailed",
    "Samples",
    "Split",
    "Variant",
    "complete_dataset",
    "complete_model",
    "parse_options",
    "parse_size",
]


def complete_model(incomplete: str) -> list[str]:
    """Models of segbench and of installed packages that begin with what is typed."""
    from segbench.models import MODELS
    from segbench.models.outside import installed_models

    return [name for name in [*MODELS, *(spec.name for spec in installed_models())] if name.startswith(incomplete)]


def complete_dataset(incomplete: str) -> list[str]:
    """Registered datasets that begin with what is typed."""
    import segbench.data  # noqa: F401  registers them
    from segbench.registry import DATASETS

    return [name for name in DATASETS if name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and results.")]
Variant = Annotated[str | None, typer.Option(metavar="V", help="Variant of the dataset; its default one if left out.")]
Split = Annotated[str, typer.Option(metavar="S", help="train, validation or test.")]
Network = Annotated[
    str | None, typer.Option("--model", metavar="FILE.py:FACTORY", help="The code that weights of such a network need.")
]
Device = Annotated[str, typer.Option(metavar="D", help="auto, cpu, cuda or cuda:N.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="K=V", help="Option of the network, such as crf=true.")
]
Samples = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Thinned networks that a Bayesian network averages; the same as samples=N."),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder that holds runs/ and leaderboards/.")]

RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed in an earlier command.")]


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of a text such as ``360x480``.

    Raises:
        UsageError: The text is something else.
    """
    height, separator, width = text.lower().partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise UsageError(f"--size '{text}' is not HEIGHTxWIDTH.", "Example: --size 360x480")
    return int(height), int(width)


def parse_options(assignments: list[str] | None, samples: int | None = None) -> dict[str, Any]:
    """Options of a network by name; values are read as TOML, what is no TOML value is text.

    Args:
        assignments: Each ``key=value``.
        samples: The option of this name, where it is given.

    Raises:
        UsageError: One of them is not ``key=value``.
    """
    from segbench.recipe import toml_value

    options: dict[str, Any] = {} if samples is None else {"samples": samples}
    for assignment in assignments or []:
        name, separator, text = assignment.partition("=")
        if not (separator and name.strip()):
            raise UsageError(f"--option '{assignment}' is not key=value.", "Example: --option crf=true")
        options[name.strip()] = toml_value(text.strip())
    return options
