"""README says what is so: its set-up commands are those that .ci/run runs, its commands, files and names exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.board_picture import PICTURE, pictured_runs

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def set_up_commands() -> list[str]:
    """The marked commands of README, read another way than .ci/run reads them."""
    return re.findall(r"^<!-- set-up: [\w ]+ -->\n```sh\n(.+)\n```$", README, flags=re.MULTILINE)


def test_readme_has_exactly_two_set_up_commands() -> None:
    assert len(set_up_commands()) == README.count("<!-- set-up:") == 2
    section = README[README.index("## Set-up") : README.index("## What you get")]
    assert section.count("```sh") == 2


def test_ci_runs_the_set_up_commands_of_readme() -> None:
    run = subprocess.run(["bash", ".ci/run", "--commands"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == set_up_commands()


def test_the_first_command_runs_the_main_job_and_the_second_the_tests() -> None:
    first, second = (command.split(" && ")[-1].split() for command in set_up_commands())
    assert first == [".venv/bin/segbench", "run", "segnet-basic", "fcn-basic", "--dataset", "synthetic-roads"]
    assert second == [".venv/bin/pytest"]


def test_ci_starts_from_nothing_and_ends_with_the_tests() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert "${tests//.venv/" in script.strip().splitlines()[-1]
    for need in ("SHARED_DATA", "CHROMIUM", "SLURM"):
        assert f"${{SEGBENCH_REQUIRE_{need}-1}}" in script
    assert re.findall(r"-m '([^']+)'", script) == ["not gpu and not network"]


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"(?:`|^)segbench ([a-z-]+)", README, flags=re.MULTILINE))))
def test_every_command_that_readme_names_exists(verb: str) -> None:
    import typer

    from segbench.cli import app

    group = typer.main.get_command(app)
    assert verb in getattr(group, "commands", {})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    assert [target for target in targets if not (CHECKOUT / target).exists()] == []


def test_readme_stays_readable() -> None:
    assert len(README.splitlines()) <= 200


def test_the_picture_of_a_board_shows_runs_that_are_on_it() -> None:
    committed = {path.stem for path in (CHECKOUT / "leaderboards" / "records").glob("*/*/*.json")}
    shown = pictured_runs()
    assert shown and set(shown) <= committed, "draw it anew: python -m tests.board_picture"
    assert PICTURE.stat().st_size < 150_000


def test_pictures_of_readme_are_of_drawn_scenes() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    assert all(Path(picture).name.startswith("synthetic-roads.") for picture in pictures)


def test_constraints_pin_every_version_exactly_and_locally_nothing() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.\-]+==[\w.]+", pin) for pin in pins)
    assert "torch==2.13.0" in pins


def test_constraints_cover_every_direct_dependency() -> None:
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    wanted = {normalised(re.split(r"[\[<>=]", name)[0]) for name in project["dependencies"] + extras}
    pinned = {normalised(line.split("==")[0]) for line in (CHECKOUT / "constraints.txt").read_text().splitlines()}
    assert wanted - pinned == {"segbench"}


def normalised(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_versions_agree() -> None:
    import yaml

    import segbench

    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert citation["version"] == segbench.__version__
    assert f"## {segbench.__version__}" in (CHECKOUT / "CHANGELOG.md").read_text()
