"""``segbench verify``: a prepared dataset held against all that is known of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segbench.cli.options import Json, Quiet, Variant, complete_dataset
from segbench.cli.outcome import FAILED
from segbench.console import Column, Console, Table

if TYPE_CHECKING:
    from segbench.data.checks import Finding
    from segbench.data.verification import Verification

__all__ = ["verify_dataset"]

SHOWN_FINDINGS, SHOWN_PAIRS = 20, 5


def verify_dataset(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", autocompletion=complete_dataset, help="See 'segbench list datasets'.")
    ],
    variant: Variant = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read a prepared dataset anew and say whether it is what it should be.

    Exit code 1 where something is wrong.
    """
    import segbench.data  # noqa: F401  registers the datasets
    from segbench.data.verification import verify

    console = Console(json=as_json, quiet=quiet)
    start = time.perf_counter()
    found = verify(dataset, variant, progress=console.progress())
    seconds = time.perf_counter() - start
    console.result(lambda: _values(found, seconds), *_tables(found))
    if not found.ok:
        raise typer.Exit(FAILED)
    console.note(f"Nothing is wrong ({sum(found.manifest.counts.values()):,} images in {seconds:.1f} s).")


def _values(found: Verification, seconds: float) -> dict[str, Any]:
    from segbench.data.near_duplicates import NEAR_BITS

    manifest = found.manifest
    return {
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "ok": found.ok,
        "partial": manifest.partial,
        "counts": manifest.counts,
        "fingerprint": found.fingerprint or None,
        "digest": found.digest,
        "void_shares": found.void_shares,
        "checks": [{"name": one.name, "state": one.state, "detail": one.detail} for one in found.checks],
        "findings": [{"check": check, **asdict(finding)} for check, finding in found.findings],
        "look_alikes": {
            "method": "64-bit DCT hash",
            "max_bits": NEAR_BITS,
            "between_splits": found.look_alikes_between,
            "within_splits": found.look_alikes_within,
            "closest_between_splits": [asdict(pair) for pair in found.look_alikes],
        },
        "seconds": round(seconds, 3),
    }


def _tables(found: Verification) -> list[Table]:
    manifest = found.manifest
    title = f"{manifest.dataset} {manifest.variant}"
    checks = [[check.state, check.name, check.detail] for check in found.checks]
    tables = [Table([Column(""), Column("check"), Column("what was looked at", wide=True)], checks, title)]
    if found.look_alikes:
        tables.append(_pair_table(found))
    if found.findings:
        tables.append(_finding_table(found.findings))
    return tables


def _pair_table(found: Verification) -> Table:
    columns = [Column("bits", right=True), Column("one"), Column("other")]
    rows = [
        [f"{p.bits}", f"{p.first_split} {p.first}", f"{p.second_split} {p.second}"]
        for p in found.look_alikes[:SHOWN_PAIRS]
    ]
    notes = ["Frames of a video are near by nature: read this as information, not as a fault."]
    return Table(columns, rows, f"Closest of {found.look_alikes_between:,} look-alikes between splits", notes)


def _finding_table(findings: tuple[tuple[str, Finding], ...]) -> Table:
    columns = [Column("check"), Column("split"), Column("id"), Column("what", wide=True)]
    rows = [[check, one.split or "", one.id or "", one.what] for check, one in findings[:SHOWN_FINDINGS]]
    more = len(findings) - len(rows)
    return Table(columns, rows, "What is wrong", [f"{more:,} more; --json has them all."] if more else [])
