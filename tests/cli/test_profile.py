"""``segbench profile`` as a person and as a program use it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segbench.record import ProfileRecord, load_profile
from tests.cli.conftest import Segbench

SMALL = ("--size", "32x48", "--rounds", "2", "--no-process-memory", "--device", "cpu")


def test_a_real_process_files_profiles_and_draws_their_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "segbench", "profile", "segnet-basic", "fcn-basic", *SMALL[:4], "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert ended.returncode == 0, ended.stderr
    values = json.loads(ended.stdout)
    records = [ProfileRecord.model_validate(record) for record in values["profiles"]]
    assert [record.model for record in records] == ["segnet-basic", "fcn-basic"]
    assert all(record.profile.process_training_mib for record in records)
    for record in records:
        path = tmp_path / "leaderboards" / "records" / "profiles" / record.model / f"{record.profile_id}.json"
        assert load_profile(path) == record
    with (tmp_path / "leaderboards" / "profiles.csv").open() as file:
        assert {row["profile_id"] for row in csv.DictReader(file)} == {record.profile_id for record in records}
    assert "USDT" not in ended.stderr


def test_what_was_drawn_passes_the_check(segbench: Segbench) -> None:
    assert segbench("profile", "segnet-basic", *SMALL).code == 0
    assert segbench("leaderboard", "--check").code == 0
    path = Path("leaderboards/profiles.md")
    path.write_text(path.read_text().replace("SegNet-Basic", "SegNet-Better"))
    ended = segbench("leaderboard", "--check")
    assert ended.code == 1
    assert f"{path} differs from its records" in ended.out


def test_the_terminal_shows_80_columns_and_the_paper(segbench: Segbench) -> None:
    networks = ("segnet-basic", "fcn-basic-no-addition-no-dim-reduction", "fcn-basic")
    ended = segbench("profile", *networks, *SMALL, "--dtype", "fp32")
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "One image of 32×48, 11 classes" in ended.out
    (row,) = [line.split() for line in ended.out.splitlines() if line.startswith("fcn-basic") and line.endswith(" 11")]
    assert row[3:] == ["16.00", "2.75", "11"]


def test_quiet_prints_the_tables_alone(segbench: Segbench) -> None:
    ended = segbench("profile", "segnet-basic", "--quiet", *SMALL)
    assert (ended.code, ended.err) == (0, "")


def test_folded_networks_are_a_group_of_their_own(segbench: Segbench) -> None:
    assert segbench("profile", "segnet-basic", *SMALL).code == 0
    assert segbench("profile", "segnet-basic", "--fold", *SMALL).code == 0
    headings = [line for line in Path("leaderboards/profiles.md").read_text().splitlines() if line.startswith("## ")]
    assert sorted("folded BN" in heading for heading in headings) == [False, True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("segnet-basik",), "Unknown model 'segnet-basik'. Did you mean segnet-basic"),
        (("segnet-basic", "--size", "huge"), "--size 'huge' is not HEIGHTxWIDTH"),
        (("segnet-basic", "--size", "16x16"), "segnet-basic takes images from 32x32, not 16x16"),
        (("segnet-basic", "--dtype", "fp8"), "--dtype 'fp8' is not one of auto, fp32, bf16"),
        (("segnet-basic", "--device", "tpu"), "Unknown device 'tpu'"),
        (("segnet-basic", "--batch", "0"), "--batch"),
        ((), "MODEL..."),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(segbench: Segbench, arguments: tuple[str, ...], said: str) -> None:
    ended = segbench("profile", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err and ended.err.strip().splitlines()[-1].startswith("Error:")
    assert not Path("leaderboards").exists()
