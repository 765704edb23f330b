"""Profiles as Markdown and CSV, beside what the paper prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from segbench.leaderboard.cost_scatter import scatter_boards, scatter_path
from segbench.leaderboard.grouping import grouped
from segbench.leaderboard.markdown import MARKER
from segbench.leaderboard.markdown_table import aligned, plain
from segbench.leaderboard.paper_costs import TABLE_1, TABLE_1_SOURCE, TABLE_6, TABLE_6_SOURCE
from segbench.leaderboard.profiles import (
    ProfileGroup,
    filed_profiles,
    group_profiles,
    profile_path,
    storage_multiplier,
)
from segbench.leaderboard.store import PROFILES_FOLDER
from segbench.leaderboard.table import Board
from segbench.leaderboard.wording import UNDEFINED, machine, size_text
from segbench.record import ProfileRecord, Timing

__all__ = ["PROFILE_COLUMNS", "profile_texts", "profiles_to_csv", "profiles_to_markdown", "ratio_text"]

MIB = 2**20
PAPER_SIZE = (360, 480)
REFERENCE_6, REFERENCE_1 = "segnet", "segnet-basic"

Column = tuple[str, Callable[[ProfileRecord], str]]
Value = str | int | float | bool | None


def profile_texts(root: Path, boards: Sequence[Board]) -> dict[Path, str]:
    """What ``profiles.md`` and ``profiles.csv`` have to hold; nothing where there is no profile.

    Args:
        root: The folder of the boards, ``leaderboards``.
        boards: With the profiles joined; the pictures of those that have one are shown.

    Raises:
        RecordError: A profile is damaged, was changed, or lies in the wrong place.
    """
    records = filed_profiles(root)
    if not records:
        return {}
    pictures = [scatter_path(Path(), board).name for board in scatter_boards(boards)]
    return {
        root / f"{PROFILES_FOLDER}.md": profiles_to_markdown(group_profiles(records), pictures),
        root / f"{PROFILES_FOLDER}.csv": profiles_to_csv(records),
    }


# --- Markdown --------------------------------------------------------------------------------------------------------


def profiles_to_markdown(groups: Sequence[ProfileGroup], pictures: Sequence[str] = ()) -> str:
    """A chapter each group; the same profiles give the same bytes.

    Args:
        groups: Profiles that may be compared.
        pictures: Names of files beside this one.
    """
    shown = [f"![Mean IoU against time and memory]({name})" for name in pictures]
    blocks = [block for group in groups for block in _chapter(group)]
    return "\n\n".join([MARKER, "# What the networks cost", LEGEND, *shown, *blocks]) + "\n"


def _chapter(group: ProfileGroup) -> Iterator[str]:
    records = list(group.records.values())
    heading = plain(group.heading)
    yield f"## {heading[0].upper()}{heading[1:]}"
    yield _table(COST_COLUMNS, records)
    yield "### What the decoder keeps of the encoder"
    yield _table(STORAGE_COLUMNS, records)
    yield STORAGE_LEGEND
    yield from _beside_table_6(group)
    yield from _beside_table_1(group)
    yield "### Notes"
    yield "\n".join(f"- {note}" for note in _notes(group))


LEGEND = (
    "Random weights, which cost what trained ones do, and seeded noise as input. Forward: inference in evaluation "
    "mode. Training forward: training mode, with the loss. Backward: the gradients of all parameters. Times are "
    "medians and 95th percentiles (p95) in milliseconds of one batch, all networks of a line in the notes measured "
    "in turn. Memory is the peak that torch's allocator gave out, weights and input included, without an optimizer; "
    "process: the peak resident memory of a process that does nothing else. Multiply-adds are those of convolutions "
    "and matrix products."
)
STORAGE_LEGEND = (
    "Kept: the tensors that the decoder reads beside the deepest maps, as they are kept. Least: positions in 2 "
    "bits, maps in float32, and the smaller one where the decoder begins by reducing a kept map alone. Multiplier: "
    "of the largest resolution, in units of 2 bits for each position of SegNet-Basic's first pooling (0.69 MB at "
    "360×480). The paper's multiplier is in units of 0.17 MB, four times too little: its 11 and 64 maps in float32 "
    "are 2.75 and 16 times the positions."
)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def _median(timing: Timing | None) -> float | None:
    return None if timing is None else timing.p50_ms


def _high(timing: Timing | None) -> float | None:
    return None if timing is None else timing.p95_ms


def _billions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e9:.2f}"


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _kept(value: Callable[[ProfileRecord], str]) -> Callable[[ProfileRecord], str]:
    """Blank where encoder and decoder cannot be told apart."""
    return lambda record: "" if record.profile.decoder_memory is None else value(record)


def _bytes_kept(name: str) -> Callable[[ProfileRecord], str]:
    return _kept(lambda record: f"{getattr(record.profile.decoder_memory, name) / MIB:.3f}")


def _multiplier(name: str) -> Callable[[ProfileRecord], str]:
    return _kept(lambda record: f"{storage_multiplier(getattr(record.profile.decoder_memory, name), record):.2f}")


def _printed_storage(record: ProfileRecord) -> str:
    printed = TABLE_1.get(record.model)
    return "" if printed is None else "n/a" if printed.storage is None else str(printed.storage)


def _link(record: ProfileRecord) -> str:
    return f"[`{record.profile_id}`]({profile_path(Path(), record).as_posix()})"


COST_COLUMNS: tuple[Column, ...] = (
    ("Model", lambda record: plain(record.paper_name)),
    ("Parameters >", lambda record: f"{record.profile.parameters:,}"),
    ("Weights, MB >", lambda record: f"{record.profile.weights_bytes / 1e6:.1f}"),
    ("Multiply-adds, 10⁹ >", lambda record: _billions(record.profile.multiply_adds)),
    ("Forward >", lambda record: _milliseconds(record.profile.forward.p50_ms)),
    ("p95 >", lambda record: _milliseconds(record.profile.forward.p95_ms)),
    ("Training forward >", lambda record: _milliseconds(_median(record.profile.training_forward))),
    ("p95 >", lambda record: _milliseconds(_high(record.profile.training_forward))),
    ("Backward >", lambda record: _milliseconds(_median(record.profile.backward))),
    ("p95 >", lambda record: _milliseconds(_high(record.profile.backward))),
    ("Rounds >", lambda record: str(record.profile.forward.rounds)),
    ("Inference, MiB >", lambda record: _mib(record.profile.inference_memory_mib)),
    ("Training, MiB >", lambda record: _mib(record.profile.training_memory_mib)),
    ("Inference process, MiB >", lambda record: _mib(record.profile.process_inference_mib)),
    ("Training process, MiB >", lambda record: _mib(record.profile.process_training_mib)),
    ("Energy, J >", lambda record: "" if record.profile.energy_j is None else f"{record.profile.energy_j:.3g}"),
    ("Profile", _link),
)

STORAGE_COLUMNS: tuple[Column, ...] = (
    ("Model", lambda record: plain(record.paper_name)),
    ("Kept, MiB >", _bytes_kept("kept_bytes")),
    ("Least, MiB >", _bytes_kept("least_bytes")),
    ("Multiplier, kept >", _multiplier("first_level_bytes")),
    ("Multiplier, least >", _multiplier("first_level_least_bytes")),
    ("Paper's multiplier >", _printed_storage),
)


def _table(columns: Sequence[Column], records: Sequence[ProfileRecord]) -> str:
    """A table of what the records have; a column that none fills is left out."""
    filled = [[head, *(cell(record) for record in records)] for head, cell in columns]
    return aligned([list(line) for line in zip(*(one for one in filled if any(one[1:])), strict=True)])


def ratio_text(value: float | None, reference: float | None) -> str:
    """A value as a multiple of another."""
    return UNDEFINED if value is None or not reference else f"{value / reference:.2f}×"


def _beside_table_6(group: ProfileGroup) -> Iterator[str]:
    """Ours and the paper's, each as a multiple of its own SegNet; what differs in kind has no other common measure."""
    rows = [group.records[model] for model in TABLE_6 if model in group.records]
    if not rows:
        return
    ours, theirs = group.records.get(REFERENCE_6), TABLE_6[REFERENCE_6]
    lines = [["Model", *(f"{head} >" for name in COMPARED_6 for head in (name, f"{name.split(',')[0]}, × SegNet"))]]
    for record in rows:
        printed = TABLE_6[record.model]
        cells = [plain(record.paper_name)]
        for read, name in COMPARED_6.values():
            value, said = read(record), getattr(printed, name)
            own = None if ours is None else read(ours)
            cells += [
                f"{_amount(value)} ({_amount(said)})",
                f"{ratio_text(value, own)} ({ratio_text(said, getattr(theirs, name))})",
            ]
        lines.append(cells)
    yield "### Beside the paper's Table 6"
    yield aligned(lines)
    yield (
        f"Ours (the paper's). {TABLE_6_SOURCE}.{_other_size(group)} Another machine, another way to tell memory, and "
        "for training another batch: only the multiples of SegNet are there to be compared."
    )


def _amount(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


COMPARED_6: dict[str, tuple[Callable[[ProfileRecord], float | None], str]] = {
    "Forward, ms": (lambda record: record.profile.forward.p50_ms, "forward_ms"),
    "Backward, ms": (lambda record: _median(record.profile.backward), "backward_ms"),
    "Training, MiB": (lambda record: record.profile.training_memory_mib, "training_mb"),
    "Inference, MiB": (lambda record: record.profile.inference_memory_mib, "inference_mb"),
    "Model, MB": (lambda record: record.profile.weights_bytes / 1e6, "model_mb"),
}


def _beside_table_1(group: ProfileGroup) -> Iterator[str]:
    rows = [group.records[model] for model in TABLE_1 if model in group.records]
    if not rows:
        return
    ours = group.records.get(REFERENCE_1)
    own = None if ours is None else ours.profile.forward.p50_ms
    lines = [["Model", "Forward, ms >", "Forward, × SegNet-Basic >"]]
    for record in rows:
        value, said = record.profile.forward.p50_ms, TABLE_1[record.model].inference_ms
        lines.append(
            [
                plain(record.paper_name),
                f"{_amount(value)} ({_amount(said)})",
                f"{ratio_text(value, own)} ({ratio_text(said, TABLE_1[REFERENCE_1].inference_ms)})",
            ]
        )
    yield "### Beside the paper's Table 1"
    yield aligned(lines)
    yield f"Ours (the paper's). {TABLE_1_SOURCE}.{_other_size(group)}"


def _other_size(group: ProfileGroup) -> str:
    size = group.first.size
    return "" if size == PAPER_SIZE else f" Our input is {size_text(size)}, on which the multiples depend."


def _notes(group: ProfileGroup) -> Iterator[str]:
    for names, same in grouped(group.records.values(), lambda record: tuple(record.interleaved)).items():
        alone = [record.model for record in same]
        turn = "alone" if len(names) == 1 else f"in turn with {len(names) - 1} others of one command"
        yield f"{', '.join(map(plain, alone))}: measured {turn}."
    for text, same in grouped(group.records.values(), lambda record: machine(record.environment)).items():
        yield f"{', '.join(plain(record.model) for record in same)}: {plain(text)}."
    if group.older:
        yield f"{group.older} older profile(s) of the same networks are in the records and in the CSV file."


# --- CSV -------------------------------------------------------------------------------------------------------------


def profiles_to_csv(records: Sequence[ProfileRecord]) -> str:
    """One row a profile, older ones too; what is unknown is empty, numbers are exact."""
    text = io.StringIO()
    writer = csv.DictWriter(text, PROFILE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_values, records))
    return text.getvalue()


def _values(record: ProfileRecord) -> dict[str, Value]:
    profile, environment = record.profile, record.environment
    kept = profile.decoder_memory
    printed_6, printed_1 = TABLE_6.get(record.model), TABLE_1.get(record.model)
    return {
        **{name: getattr(record, name) for name in ("model", "paper_name", "batch", "num_classes", "folded", "seed")},
        "height": record.size[0],
        "width": record.size[1],
        **{name: getattr(environment, name) for name in ("device", "cpu", "threads", "precision", "convolution")},
        "torch": environment.versions.get("torch"),
        **{name: getattr(profile, name) for name in PLAIN_VALUES},
        **{
            f"{name}_{part}": getattr(getattr(profile, name), part, None)
            for name in PASSES
            for part in ("p50_ms", "p95_ms")
        },
        "rounds": profile.forward.rounds,
        **{f"decoder_{name}": None if kept is None else getattr(kept, name) for name in KEPT},
        **{f"paper_{name}": None if printed_6 is None else getattr(printed_6, name) for name in PRINTED},
        "paper_inference_ms": None if printed_1 is None else printed_1.inference_ms,
        "paper_storage": None if printed_1 is None else printed_1.storage,
        "git_commit": environment.git_commit,
        "git_dirty": environment.git_dirty,
        "created": record.created,
        "profile_id": record.profile_id,
    }


PASSES = ("forward", "training_forward", "backward")
KEPT = ("kept_bytes", "first_level_bytes", "least_bytes", "first_level_least_bytes")
PRINTED = ("forward_ms", "backward_ms", "training_mb", "inference_mb", "model_mb")
PLAIN_VALUES = (
    *("parameters", "weights_bytes", "multiply_adds", "inference_memory_mib", "training_memory_mib"),
    *("process_inference_mib", "process_training_mib", "energy_j"),
)
PROFILE_COLUMNS = (
    *("model", "paper_name", "height", "width", "batch", "num_classes", "folded", "seed"),
    *("device", "cpu", "threads", "precision", "convolution", "torch"),
    *PLAIN_VALUES,
    *(f"{name}_{part}" for name in PASSES for part in ("p50_ms", "p95_ms")),
    "rounds",
    *(f"decoder_{name}" for name in KEPT),
    *(f"paper_{name}" for name in PRINTED),
    *("paper_inference_ms", "paper_storage", "git_commit", "git_dirty", "created", "profile_id"),
)
"""Names of the columns, in order."""
