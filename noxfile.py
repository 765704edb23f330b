"""What is checked before a change lands; ``nox -l`` lists the sessions, ``nox -s tests -- -x`` passes options on."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests", "leaderboards"]
nox.options.reuse_existing_virtualenvs = True

CHECKOUT = Path(__file__).parent
BENCHMARKS = sorted(path for path in (CHECKOUT / "tests" / "bench").glob("*.py") if not path.name.startswith("_"))


def install(session: nox.Session, extra: str) -> None:
    """Installs the checkout with one of its extras, at the tested versions."""
    session.install("-c", "constraints.txt", "-e", f".[{extra}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, tests included."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that runs without a GPU and without the internet."""
    install(session, "test")
    session.run("pytest", "-m", "not gpu and not network", *session.posargs)


@nox.session
def leaderboards(session: nox.Session) -> None:
    """The committed tables are what the committed records say."""
    session.install("-c", "constraints.txt", "-e", ".")
    session.run("segbench", "leaderboard", "--check")


@nox.session
def build(session: nox.Session) -> None:
    """The wheel installs from nothing and runs outside the checkout."""
    session.install("-c", "constraints.txt", "build")
    elsewhere = Path(session.create_tmp())
    session.run("python", "-m", "build", "--outdir", str(elsewhere / "dist"))
    wheel = max((elsewhere / "dist").glob("*.whl"), key=os.path.getmtime)
    session.install("-c", "constraints.txt", "--force-reinstall", str(wheel))
    session.chdir(elsewhere)
    session.run("segbench", "--version")
    session.run("segbench", "list", "recipes")


@nox.session
def bench(session: nox.Session) -> None:
    """The measured figures: speed of training steps and inference, metrics, caches and scenes."""
    install(session, "test")
    for benchmark in BENCHMARKS:
        session.run("python", str(benchmark.relative_to(CHECKOUT)))
