"""``segbench doctor``: what this machine offers, and what is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segbench.cli.options import Json, Quiet
from segbench.console import Cell, Column, Console, Table, byte_size

__all__ = ["examine"]

LITTLE_DISK = 2 * 1024**3
CPU_FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd")


@dataclass(frozen=True)
class _Finding:
    """One line of the report."""

    name: str
    value: str
    good: bool = True


def examine(as_json: Json = False, quiet: Quiet = False) -> None:
    """Show what this machine offers, and mark what is wrong."""
    console = Console(json=as_json, quiet=quiet)
    findings = [finding for check in _CHECKS for finding in _made(check)]
    wrong = sum(not finding.good for finding in findings)
    rows = [["" if found.good else "!", found.name, Cell(found.value, dim=not found.value)] for found in findings]
    note = "All is well." if not wrong else f"{wrong} of {len(findings)} lines are marked with '!'."
    columns = [Column(""), Column("what"), Column("found", wide=True)]
    console.result(
        {"ok": not wrong, "checks": [asdict(finding) for finding in findings]},
        Table(columns, [[row[0], row[1], row[2]] for row in rows], "", [note]),
    )


def _made(check: Callable[[], Iterator[_Finding]]) -> list[_Finding]:
    """A check that breaks is a finding, not the end of the report."""
    try:
        return list(check())
    except Exception as error:
        return [_Finding(check.__name__.strip("_"), f"{type(error).__name__}: {error}", good=False)]


def _versions() -> Iterator[_Finding]:
    from segbench.engine.environment import choose_compute, describe

    versions = describe(choose_compute()).versions
    yield _Finding("versions", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _compute() -> Iterator[_Finding]:
    from segbench.engine.environment import choose_compute, cpu_features, describe

    chosen, features = choose_compute(), cpu_features()
    found = describe(chosen)
    yield _Finding("processor", found.cpu)
    yield _Finding("instruction sets", ", ".join(f"{flag} {'yes' if flag in features else 'no'}" for flag in CPU_FLAGS))
    yield _Finding("device", "cpu (torch sees no CUDA device)" if chosen.device.type == "cpu" else found.device)
    yield _Finding("threads", f"{found.threads} of {os.cpu_count()} processors")
    yield _Finding("precision", f"{chosen.precision}: {_why(chosen.device.type, chosen.precision, features)}")
    yield _Finding("convolution", f"{chosen.convolution}: {_why_route(chosen.convolution)}")


def _why(device: str, precision: str, features: Sequence[str]) -> str:
    if precision != "bf16":
        return "no instructions with which bf16 would be faster"
    if device == "cuda" or "amx_bf16" in features:
        return f"{'this GPU' if device == 'cuda' else 'AMX'} multiplies matrices in it"
    return "this CPU's AVX-512 BF16 takes half the time for convolutions"


def _why_route(convolution: str) -> str:
    if convolution == "dft":
        return "large kernels go through a Fourier transform, faster without matrix instructions"
    return "nothing is faster here"


def _run_length() -> Iterator[_Finding]:
    from segbench.engine.run_length import MAX_ITERATIONS, most_iterations

    most = most_iterations()
    if most is not None:
        yield _Finding("run length", f"at most {most:,} training steps ({MAX_ITERATIONS})", good=False)


def _disk() -> Iterator[_Finding]:
    from segbench import homes

    places = {"data": homes.data_home(), "cache": homes.cache_home(), "working folder": Path.cwd()}
    for name, folder in places.items():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        writable = os.access(existing, os.W_OK)
        state = f"{byte_size(free)} free" if writable else "cannot be written"
        yield _Finding(f"disk: {name}", f"{state}, {folder}", good=writable and free > LITTLE_DISK)


def _datasets() -> Iterator[_Finding]:
    import segbench.data  # noqa: F401  registers them
    from segbench.data.preparation import find_prepared
    from segbench.errors import NotPreparedError, SegbenchError
    from segbench.registry import DATASETS

    for spec in DATASETS.values():
        for variant in spec.variants:
            try:
                manifest = find_prepared(spec.name, variant).manifest
            except NotPreparedError:
                continue
            except SegbenchError as error:
                yield _Finding(f"{spec.name} {variant}", str(error), good=False)
                continue
            counts = " / ".join(f"{count}" for count in manifest.counts.values())
            yield _Finding(f"{spec.name} {variant}", f"prepared, {counts} images{', partial' * manifest.partial}")


def _hub() -> Iterator[_Finding]:
    from huggingface_hub import get_token

    from segbench.hub.connection import is_offline, shown_endpoint

    yield _Finding("Hugging Face token", "present" if get_token() else "not present (needed to push alone)")
    yield _Finding("Hugging Face Hub", "offline (HF_HUB_OFFLINE)" if is_offline() else shown_endpoint())


_CHECKS: tuple[Callable[[], Iterator[_Finding]], ...] = (_versions, _compute, _run_length, _disk, _datasets, _hub)
