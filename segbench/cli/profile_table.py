"""Profiles as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.console import Cell, Column, Table
from segbench.leaderboard.paper_costs import TABLE_1, TABLE_6
from segbench.leaderboard.profile_table import ratio_text
from segbench.leaderboard.profiles import ProfileGroup, group_profiles, storage_multiplier
from segbench.leaderboard.wording import UNDEFINED
from segbench.record import ProfileRecord

__all__ = ["profile_tables"]

MIB = 2**20
# The network whose cost is 1, and what the paper prints for it.
REFERENCES = ("segnet", "segnet-basic")


def profile_tables(records: Sequence[ProfileRecord]) -> list[Table]:
    """Time and memory, then multiples of SegNet or SegNet-Basic beside the paper's, then what the decoder keeps."""
    (group,) = group_profiles(records)
    return [_costs(group), _beside_paper(group), _kept(group)]


def _costs(group: ProfileGroup) -> Table:
    right = ("MAC, G", "forward", "p95", "backw.", "p95", "infer", "train")
    rows = [[record.model, *_cost_cells(record)] for record in group.records.values()]
    notes = (
        "Forward and backward: medians and 95th percentiles in milliseconds. Infer, train: peak MiB of the allocator. "
        "MAC: multiply-adds of convolutions and matrix products. Random weights and input."
    )
    columns = [Column("model", wide=True), *(Column(title, right=True) for title in right)]
    return Table(columns, rows, _capitalised(group.heading), [notes])


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _cost_cells(record: ProfileRecord) -> list[str]:
    profile, backward = record.profile, record.profile.backward
    memory = (profile.inference_memory_mib, profile.training_memory_mib)
    return [
        UNDEFINED if profile.multiply_adds is None else f"{profile.multiply_adds / 1e9:.1f}",
        f"{profile.forward.p50_ms:.1f}",
        f"{profile.forward.p95_ms:.1f}",
        *([UNDEFINED] * 2 if backward is None else [f"{backward.p50_ms:.1f}", f"{backward.p95_ms:.1f}"]),
        *(UNDEFINED if value is None else f"{value:.0f}" for value in memory),
    ]


def _beside_paper(group: ProfileGroup) -> Table:
    columns = [Column("model", wide=True), Column("weights", right=True), Column("energy", right=True)]
    columns += [Column(title, right=True) for title in ("forward ×", "paper", "train MiB ×", "paper")]
    rows = [[record.model, *_paper_cells(record, group)] for record in group.records.values()]
    note = (
        "×: as a multiple of SegNet (Table 6 of the paper), or of SegNet-Basic (Table 1). The paper trains with a "
        "batch of 4 and reads memory from nvidia-smi."
    )
    return Table(columns, rows, "Beside the paper", [note])


def _paper_cells(record: ProfileRecord, group: ProfileGroup) -> list[str | Cell]:
    reference = group.records.get(_reference(record.model))
    profile, own = record.profile, None if reference is None else reference.profile
    energy = UNDEFINED if profile.energy_j is None else f"{profile.energy_j:.3g} J"
    printed_6 = TABLE_6.get(record.model)
    return [
        f"{profile.weights_bytes / 1e6:.1f} MB",
        energy,
        ratio_text(profile.forward.p50_ms, None if own is None else own.forward.p50_ms),
        Cell(_printed_forward(record.model), dim=True),
        ratio_text(profile.training_memory_mib, None if own is None else own.training_memory_mib),
        Cell(
            UNDEFINED if printed_6 is None else ratio_text(printed_6.training_mb, TABLE_6["segnet"].training_mb),
            dim=True,
        ),
    ]


def _reference(model: str) -> str:
    return REFERENCES[1] if model in TABLE_1 else REFERENCES[0]


def _printed_forward(model: str) -> str:
    if model in TABLE_1:
        return ratio_text(TABLE_1[model].inference_ms, TABLE_1["segnet-basic"].inference_ms)
    printed = TABLE_6.get(model)
    return UNDEFINED if printed is None else ratio_text(printed.forward_ms, TABLE_6["segnet"].forward_ms)


def _kept(group: ProfileGroup) -> Table:
    columns = [Column("model", wide=True)]
    columns += [Column(title, right=True) for title in ("kept MiB", "least MiB", "× kept", "× least", "paper's ×")]
    rows = [[record.model, *_kept_cells(record)] for record in group.records.values()]
    note = (
        "What the decoder reads of the encoder beside the deepest maps; least: positions in 2 bits, maps in float32, "
        "reduced where that comes first. ×: at the largest resolution, in units of 2 bits for each position of "
        "SegNet-Basic's. The paper's unit is four times too small: its 11 and 64 are 2.75 and 16."
    )
    return Table(columns, rows, "What the decoder keeps of the encoder", [note])


def _kept_cells(record: ProfileRecord) -> list[str | Cell]:
    kept, printed = record.profile.decoder_memory, TABLE_1.get(record.model)
    paper = UNDEFINED if printed is None else "n/a" if printed.storage is None else f"{printed.storage}"
    if kept is None:
        return [*[UNDEFINED] * 4, Cell(paper, dim=True)]
    return [
        f"{kept.kept_bytes / MIB:.2f}",
        f"{kept.least_bytes / MIB:.2f}",
        f"{storage_multiplier(kept.first_level_bytes, record):.2f}",
        f"{storage_multiplier(kept.first_level_least_bytes, record):.2f}",
        Cell(paper, dim=True),
    ]
