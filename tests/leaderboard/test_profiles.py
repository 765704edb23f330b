"""Profiles side by side, and beside the paper's figures."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import RecordError
from segbench.leaderboard.cost_scatter import scatter_texts
from segbench.leaderboard.paper_costs import TABLE_1, TABLE_6
from segbench.leaderboard.profile_table import PROFILE_COLUMNS, profile_texts, profiles_to_csv, profiles_to_markdown
from segbench.leaderboard.profiles import file_profile, filed_profiles, group_profiles, storage_multiplier
from segbench.leaderboard.rendering import check_boards, write_boards
from segbench.leaderboard.store import load_records
from segbench.leaderboard.table import build_boards
from segbench.models import MODELS
from segbench.record import DecoderMemory, Profile, ProfileRecord, Timing, profile_id
from tests.leaderboard import examples
from tests.leaderboard.test_rendering import save, tables

POSITIONS = 64 * 180 * 240 // 4
"""Bytes of SegNet-Basic's first positions at 2 bits."""


def profile(forward: float = 100.0, **changes: Any) -> Profile:
    values: dict[str, Any] = {
        "parameters": 1_416_587,
        "weights_bytes": 5_680_000,
        "multiply_adds": 59_188_838_400,
        "forward": Timing(p50_ms=forward, p95_ms=2 * forward, rounds=10),
        "training_forward": Timing(p50_ms=120, p95_ms=130, rounds=10),
        "backward": Timing(p50_ms=200, p95_ms=210, rounds=10),
        "inference_memory_mib": 300.5,
        "training_memory_mib": 900.25,
        "process_inference_mib": None,
        "process_training_mib": None,
        "decoder_memory": DecoderMemory(
            kept_bytes=5 * POSITIONS,
            first_level_bytes=4 * POSITIONS,
            least_bytes=2 * POSITIONS,
            first_level_least_bytes=POSITIONS,
        ),
        "energy_j": None,
    }
    return Profile.model_validate({**values, **changes})


def record(model: str = "segnet-basic", found: Profile | None = None, **changes: Any) -> ProfileRecord:
    values: dict[str, Any] = {
        "profile_id": "",
        "created": "2026-01-01T00:00:00+00:00",
        "model": model,
        "paper_name": MODELS[model].paper_name,
        "size": (360, 480),
        "batch": 1,
        "num_classes": 3,
        "folded": False,
        "seed": 0,
        "interleaved": [model],
        "profile": found or profile(),
        "environment": examples.ENVIRONMENT,
    }
    made = ProfileRecord.model_validate({**values, **changes})
    return made.model_copy(update={"profile_id": profile_id(made)})


def document(*records: ProfileRecord) -> list[list[dict[str, str]]]:
    return tables(profiles_to_markdown(group_profiles(records)))


def test_the_table_shows_what_was_measured() -> None:
    costs, storage, *_ = document(record())
    (row,) = costs
    assert (row["Model"], row["Multiply-adds, 10⁹"], row["Forward"], row["Backward"]) == (
        "SegNet-Basic",
        "59.19",
        "100.0",
        "200.0",
    )
    assert (row["Inference, MiB"], row["Training, MiB"]) == ("300.5", "900.2")
    assert "Energy, J" not in row  # unknown
    assert storage[0]["Multiplier, kept"] == "4.00"
    assert storage[0]["Multiplier, least"] == "1.00"
    assert storage[0]["Paper's multiplier"] == "1"


def test_energy_is_shown_where_it_is_known() -> None:
    (row,) = document(record(found=profile(energy_j=1.2345)))[0]
    assert row["Energy, J"] == "1.23"


def test_ours_and_the_papers_are_multiples_of_their_own_segnet() -> None:
    found = document(record("segnet", profile(400.0)), record("fcn", profile(200.0)))
    table = next(table for table in found if "Model, MB" in table[0])
    fcn = next(row for row in table if row["Model"] == "FCN (learnt deconv)")
    assert fcn["Forward, ms"] == "200 (317)"
    assert fcn["Forward, × SegNet"] == "0.50× (0.75×)"
    assert fcn["Model, × SegNet"] == "1.00× (4.61×)"


def test_without_segnet_there_is_no_multiple() -> None:
    table = next(table for table in document(record("fcn")) if "Model, MB" in table[0])
    assert table[0]["Forward, × SegNet"] == "– (0.75×)"


def test_table_1_is_beside_segnet_basic() -> None:
    found = document(record(), record("fcn-basic", profile(25.0)))
    table = next(table for table in found if "Forward, × SegNet-Basic" in table[0])
    assert {row["Model"]: row["Forward, × SegNet-Basic"] for row in table} == {
        "SegNet-Basic": "1.00× (1.00×)",
        "FCN-Basic": "0.25× (0.46×)",
    }


def test_another_input_size_is_said() -> None:
    said = "Our input is 180×240, on which the multiples depend."
    assert said in profiles_to_markdown(group_profiles([record(size=(180, 240))]))
    assert said not in profiles_to_markdown(group_profiles([record()]))


def test_the_papers_figures_are_of_networks_there_are() -> None:
    assert set(TABLE_6) | set(TABLE_1) <= set(MODELS)
    assert [TABLE_1[name].storage for name in ("bilinear-interpolation", "segnet-basic", "fcn-basic")] == [0, 1, 11]
    assert TABLE_6["segnet"].forward_ms == 422.5


def test_the_unit_of_storage_is_two_bits_for_each_first_position() -> None:
    assert storage_multiplier(POSITIONS, record()) == 1
    assert storage_multiplier(POSITIONS, record(batch=2)) == 0.5
    assert storage_multiplier(64 * 23 * 30 // 4, record(size=(45, 60))) == 1


# --- groups ----------------------------------------------------------------------------------------------------------


def test_what_differs_in_kind_is_not_compared() -> None:
    slower = examples.ENVIRONMENT.model_copy(update={"threads": 1})
    records = [record(), record(size=(180, 240)), record(folded=True), record(environment=slower), record(batch=2)]
    assert [len(group.records) for group in group_profiles(records)] == [1] * 5
    assert len({group.heading for group in group_profiles(records)}) == 5


def test_the_newest_of_a_network_counts_and_the_fastest_is_first() -> None:
    old, new = record(), record(found=profile(50.0), created="2026-02-01T00:00:00+00:00")
    (group,) = group_profiles([new, record("segnet", profile(70.0)), old])
    assert [one.profile.forward.p50_ms for one in group.records.values()] == [50, 70]
    assert group.older == 1


def test_changed_networks_are_in_no_table() -> None:
    assert group_profiles([record(config={"width": 8})]) == []


# --- files -----------------------------------------------------------------------------------------------------------


def test_csv_has_every_profile_with_exact_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(profiles_to_csv([record(), record("fcn", profile(1 / 3))]))))
    assert tuple(rows[0]) == PROFILE_COLUMNS
    assert float(rows[1]["forward_p50_ms"]) == 1 / 3
    assert (rows[1]["paper_forward_ms"], rows[0]["paper_forward_ms"], rows[0]["energy_j"]) == ("317.09", "", "")


def test_boards_are_drawn_with_profiles_and_pass_the_check(tmp_path: Path) -> None:
    save(tmp_path, examples.run())
    path = file_profile(tmp_path, record())
    assert path == tmp_path / "records" / "profiles" / "segnet-basic" / f"{record().profile_id}.json"
    written = write_boards(tmp_path).files
    assert {tmp_path / f"profiles{ending}" for ending in (".md", ".csv", "-toy.svg")} <= set(written)
    assert all(file.exists() for file in written)
    assert check_boards(tmp_path) == []
    path.unlink()
    assert f"{tmp_path / 'profiles.csv'} has no record. Delete it." in check_boards(tmp_path)


def test_a_profile_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    path = file_profile(tmp_path, record())
    path.rename(path.with_name("000000000000.json"))
    with pytest.raises(RecordError, match="belongs at"):
        filed_profiles(tmp_path)


def test_no_profile_no_file(tmp_path: Path) -> None:
    assert profile_texts(tmp_path, []) == {}


def test_the_picture_shows_the_networks_that_have_both(tmp_path: Path) -> None:
    save(tmp_path, examples.run())
    boards = build_boards(load_records(tmp_path), None, [record(), record("fcn")])
    (path, first), (_, second) = *scatter_texts(tmp_path, boards).items(), *scatter_texts(tmp_path, boards).items()
    assert path == tmp_path / "profiles-toy.svg"
    assert first == second
    texts = {"".join(text.itertext()) for text in ET.fromstring(first).iter("{http://www.w3.org/2000/svg}text")}
    assert "SegNet-Basic" in texts and "FCN (learnt deconv)" not in texts
    assert "Inference, ms" in texts
    file_profile(tmp_path, record())
    assert "![Mean IoU against time and memory](profiles-toy.svg)" in next(
        iter(profile_texts(tmp_path, boards).values())
    )


def test_no_run_no_picture(tmp_path: Path) -> None:
    assert scatter_texts(tmp_path, build_boards([], None, [record()])) == {}
