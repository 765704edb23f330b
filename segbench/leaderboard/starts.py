"""What runs started from, in words; boards that have nothing to tell of it say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from segbench.leaderboard.grouping import grouped
from segbench.record import RunRecord

__all__ = ["start_notes", "start_option", "start_text", "tells_start"]

RANDOM = "random"
DIGITS = 8


def tells_start(record: RunRecord) -> bool:
    """Whether it started from weights, or its recipe asks for some."""
    return record.recipe.encoder is not None or start_text(record) != RANDOM


def start_text(record: RunRecord) -> str:
    """``random``, the first digits of the encoder's sha256, or those of the weights that the whole network had."""
    if record.initial_weights is not None:
        return f"weights {record.initial_weights[:DIGITS]}"
    if _brings_its_own(record):
        return "its own"
    return RANDOM if record.encoder_weights == RANDOM else record.encoder_weights[:DIGITS]


def _brings_its_own(record: RunRecord) -> bool:
    """Whether a network from outside started from what its code or its repository gave it."""
    return bool(record.model_identity) and re.fullmatch(r"random|[0-9a-f]{64}", record.encoder_weights) is None


def start_option(record: RunRecord) -> str:
    """The option of ``segbench run`` that starts a run like this one, with a blank before it; empty where none does."""
    if record.initial_weights is not None:
        return " --init-from WEIGHTS"
    if _brings_its_own(record):
        return ""
    if record.encoder_weights == RANDOM:
        return "" if record.recipe.encoder is None else f" --encoder-weights {RANDOM}"
    return f" --encoder-weights {record.recipe.encoder or 'FILE'}"


def start_notes(labelled: Iterable[tuple[str, RunRecord]]) -> Iterator[str]:
    """A sentence for the runs of each start, in the order of the rows.

    Args:
        labelled: Rows' labels and records.
    """
    told = [(label, _sentence(record)) for label, record in labelled if tells_start(record)]
    for sentence, same in grouped(told, lambda pair: pair[1]).items():
        yield f"{', '.join(label for label, _ in same)}: {sentence}."


def _sentence(record: RunRecord) -> str:
    source = record.recipe.encoder
    if record.initial_weights is not None:
        return f"the whole network started from the weights with sha256 {record.initial_weights}"
    if record.encoder_weights == RANDOM:
        return f"encoder: random; the recipe asks for {source}, which was not had"
    if _brings_its_own(record):
        return f"weights at the start: {record.encoder_weights}"
    return f"encoder: {source or 'a file of weights'}, sha256 {record.encoder_weights}"
