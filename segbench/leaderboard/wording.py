"""Figures and protocols as people read them; here fractions become per cent."""

from __future__ import annotations

import math

from segbench.metrics.protocols import pixel_text
from segbench.metrics.resampling import Resampling
from segbench.record import BoundaryProtocol, Environment, PixelProtocol, Protocol

__all__ = [
    "UNDEFINED",
    "boundary_text",
    "certainty_text",
    "duration",
    "machine",
    "millions",
    "percent",
    "points",
    "protocol_text",
    "rank_text",
    "size_text",
]

UNDEFINED = "–"


def percent(fraction: float | None) -> str:
    """A fraction in per cent, one decimal."""
    return UNDEFINED if fraction is None else f"{100 * fraction:.1f}"


def points(difference: float | None) -> str:
    """A difference of fractions in percentage points, signed, one decimal."""
    if difference is None:
        return UNDEFINED
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def millions(count: int | None) -> str:
    """A count in millions, three decimals."""
    return UNDEFINED if count is None else f"{count / 1e6:.3f}"


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes, or seconds below two minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def size_text(size: tuple[int, int] | None) -> str:
    """Height × width."""
    return "each image's own size" if size is None else f"{size[0]}×{size[1]}"


def protocol_text(protocol: Protocol) -> str:
    """What the scores mean, in sentences."""
    return f"{_pixels_text(protocol)} {boundary_text(protocol.boundary, protocol.size)}"


def _pixels_text(protocol: Protocol) -> str:
    if protocol.pixels != PixelProtocol():
        return f"Label {protocol.ignore_index} is void. {pixel_text(protocol)}"
    absent = {"null": "is left out of the means", "zero": "counts as 0 in the means", "one": "counts as 1 in the means"}
    return (
        f"One confusion matrix over the whole split; label {protocol.ignore_index} is void and counts nowhere; a class "
        f"in neither truth nor prediction {absent[protocol.absent]}."
    )


def boundary_text(boundary: BoundaryProtocol, size: tuple[int, int] | None) -> str:
    """How boundary F1 is computed, in one sentence."""
    rule = {
        "matching": "by the matching rule (one-to-one, maximum)",
        "distance": "by the distance rule (any counterpart within the radius)",
    }
    void = {
        "asis": "boundaries next to void count",
        "masked": "predictions are void wherever the truth is",
    }
    average = {
        "script": "averaged over the classes with a boundary in truth or prediction, then over images",
        "paper-text": "averaged over the classes in the truth, then over images",
    }
    return (
        f"Boundary F1 per class and image {rule[boundary.rule]} within {_tolerance(boundary, size)}; "
        f"{void[boundary.void]}; {average[boundary.average]}."
    )


def _tolerance(boundary: BoundaryProtocol, size: tuple[int, int] | None) -> str:
    if boundary.unit == "px":
        return f"{boundary.tolerance:g} pixels"
    share = f"{100 * boundary.tolerance:g} % of the image diagonal"
    return share if size is None else f"{share} ({boundary.tolerance * math.hypot(*size):.3g} pixels)"


def rank_text(rank: int | None, tied: bool) -> str:
    """A place, with ``=`` where it is shared."""
    return UNDEFINED if rank is None else f"{rank}{'=' if tied else ''}"


def certainty_text(resampling: Resampling) -> str:
    """What intervals and ranks mean, in sentences."""
    drawn = "block bootstrap" if resampling.runs else "bootstrap of independent images"
    return (
        f"[Low, high]: 95 % interval over images, percentiles of {resampling.resamples:,} resamples (seed "
        f"{resampling.seed}), {drawn}. {resampling.sentence} The interval says nothing of other seeds. Rows of one "
        "rank (=) are tied: by paired bootstrap in the same resamples, the 95 % interval of the difference in mIoU "
        "between the best row of the rank and each other one holds 0 (p > 0.05, not corrected for the number of rows)."
    )


def machine(environment: Environment) -> str:
    """Device, arithmetic and versions of a run, in one line."""
    device = environment.cpu if environment.device == "cpu" else f"{environment.device}, {environment.cpu}"
    features = f" ({', '.join(environment.features)})" if environment.features else ""
    threads = f"{_processes(environment)}{environment.threads} thread{'s' if environment.threads != 1 else ''}"
    versions = [
        f"{name} {environment.versions[name]}" for name in ("segbench", "torch") if name in environment.versions
    ]
    convolution = {"direct": "direct convolution", "dft": "convolution by Fourier transform"}[environment.convolution]
    compiled = ["torch.compile"] if environment.compiled else []
    parts = [device + features, threads, environment.precision, convolution, *compiled, *versions]
    parts += _commit(environment)
    return ", ".join(parts)


def _processes(environment: Environment) -> str:
    if environment.processes == 1:
        return ""
    seen = "synchronised" if environment.sync_batch_norm else "of each"
    return f"{environment.processes} processes ({environment.backend}, batch normalisation {seen}) of "


def _commit(environment: Environment) -> list[str]:
    if environment.git_commit is None:
        return []
    return [f"commit {environment.git_commit[:12]}" + (" with uncommitted changes" if environment.git_dirty else "")]
