"""``segbench leaderboard``: the page, and the comparison with older boards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segbench.leaderboard import store
from tests.cli.conftest import Segbench
from tests.leaderboard import examples
from tests.leaderboard.examples import PALETTE, RECIPE, Run

ROOT = Path("leaderboards")


def save(root: Path, *runs: Run) -> None:
    for one in runs:
        store.save_result(root, one.record, one.scorer.tallies, one.predictions.items(), PALETTE)


def test_a_page_each_dataset(segbench: Segbench, toy_dataset: None) -> None:
    save(ROOT, examples.run(), examples.run(recipe=RECIPE.model_copy(update={"dataset": "camvid"})))
    code, out, err = segbench("leaderboard", "--format", "html", "--json")
    assert (code, json.loads(out)["files"]) == (0, ["leaderboards/camvid.html", "leaderboards/toy.html"])
    assert "Pictures are without truth" in err
    text = (ROOT / "toy.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and 'alt="Prediction of' in text and 'alt="Truth of' not in text
    assert "toy small is not prepared. Run: segbench prepare toy" in text
    assert not (ROOT / "toy.md").exists()


def test_a_page_elsewhere(segbench: Segbench, toy_dataset: None) -> None:
    save(ROOT, examples.run())
    assert segbench("leaderboard", "--format", "html", "--dataset", "toy", "-o", "page.html").code == 0
    assert Path("page.html").is_file() and not (ROOT / "toy.html").exists()


def test_one_page_holds_one_dataset(segbench: Segbench) -> None:
    save(ROOT, examples.run(), examples.run(recipe=RECIPE.model_copy(update={"dataset": "other"})))
    code, _, err = segbench("leaderboard", "--format", "html", "-o", "page.html")
    assert code == 2 and "One page holds one dataset, not other, toy. Choose with --dataset." in err


def test_photographs_need_the_dataset(segbench: Segbench, toy_dataset: None) -> None:
    save(ROOT, examples.run())
    code, _, err = segbench("leaderboard", "--format", "html", "--photographs")
    assert code == 2 and "--photographs: toy small is not prepared." in err
    assert not (ROOT / "toy.html").exists()


def test_without_records_there_is_no_page(segbench: Segbench) -> None:
    code, out, err = segbench("leaderboard", "--format", "html")
    assert (code, out) == (0, "") and "There are no records in leaderboards." in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-o", "page.html"], "-o goes with --format html."),
        (["--format", "md", "--photographs"], "--photographs goes with --format html."),
        (
            ["--tolerance", "1"],
            "--tolerance goes with --diff OLD. Run: segbench leaderboard --diff OLD",
        ),
        (["--diff", "x", "--check"], "--diff changes no file; --check does not go with it."),
        (["--diff", "x", "--format", "md"], "--diff changes no file; --format does not go with it."),
        (["--diff", "x", "--tolerance", "much"], "--tolerance 'much' is no number of points from 0 to 100."),
        (["--check", "--sort", "BF"], "--sort does not go with --check."),
        (["--format", "html", "--recipe", "default"], "--recipe does not go with --format html. The page itself sorts"),
        (["--diff", "x", "--protocol", "smp-macro"], "--protocol does not go with --diff."),
        (["--size", "large"], "--size 'large' is not HEIGHTxWIDTH."),
        (["--sort", "speed"], "There is no column 'speed'. Did you mean seed or created?"),
        (["--recipe", "defualt"], "No row is of recipe 'defualt'. Did you mean default?"),
        (["--size", "1x1"], "No board is of size 1x1. Known: 30x41."),
        (["--protocol", "smp"], "Unknown protocol 'smp'."),
        (["--diff", "nowhere"], "There is no folder or file nowhere."),
    ],
)
def test_wrong_use(segbench: Segbench, arguments: list[str], line: str) -> None:
    save(ROOT, examples.run())
    code, out, err = segbench("leaderboard", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {line}")


def test_a_fall_ends_with_1(segbench: Segbench) -> None:
    worse = examples.run(9, 0.4)
    save(Path("old"), examples.run(), examples.run(1))
    save(ROOT, Run(examples.record(worse.scorer.scores(), RECIPE, "ef" * 32), worse.scorer, {}, worse.predictions))
    code, out, _ = segbench("leaderboard", "--diff", "old")
    assert code == 1
    assert "!" in out and "Runs: 1 fell, 0 changed otherwise, 0 unchanged, 0 new, 1 vanished." in out
    assert max(map(len, out.splitlines())) <= 80
    values = json.loads(segbench("leaderboard", "--diff", "old", "--json").out)
    assert values["ok"] is False and [row["state"] for row in values["rows"]] == ["fell", "vanished"]
    change = values["rows"][0]["changes"]["mean_iou"]
    assert change["high"] < 0 and change["difference"] == pytest.approx(change["new"] - change["old"])
    assert segbench("leaderboard", "--diff", "old", "--tolerance", "100").code == 0


def test_boards_are_built_once(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.leaderboard import rendering, table

    calls: list[int] = []

    def counted(*arguments: Any, **options: Any) -> list[table.Board]:
        calls.append(1)
        return build(*arguments, **options)

    build = table.build_boards
    for place in (rendering, table):
        monkeypatch.setattr(place, "build_boards", counted)
    save(ROOT, examples.run())
    assert segbench("leaderboard").code == 0
    assert len(calls) == 1


def test_what_is_shown_is_chosen_and_the_files_hold_everything(segbench: Segbench, toy_dataset: None) -> None:
    short = RECIPE.model_copy(update={"variant": "short"})
    save(ROOT, examples.run(1, 0.5), examples.run(0, 0.1), examples.run(2, 0.3, short))
    assert segbench("leaderboard").code == 0
    drawn = (ROOT / "toy.csv").read_bytes()

    def shown(*options: str) -> list[tuple[int, str]]:
        code, out, err = segbench("leaderboard", "--json", *options)
        assert code == 0, err
        return [(row["seed"], row["recipe"]) for board in json.loads(out)["boards"] for row in board["rows"]]

    assert shown() == [(0, "default"), (2, "short"), (1, "default")]
    assert shown("--sort", "seed") == [(0, "default"), (1, "default"), (2, "short")]
    assert shown("--sort", "-mean_iou", "--recipe", "default") == [(1, "default"), (0, "default")]
    assert shown("--recipe", "short", "--size", "30x41", "--dataset", "toy") == [(2, "short")]
    assert (ROOT / "toy.csv").read_bytes() == drawn
    out = segbench("leaderboard", "--protocol", "smp-macro", "--dataset", "toy").out
    assert "protocol smp-macro" in out and max(map(len, out.splitlines())) <= 80
    assert (ROOT / "toy.csv").read_bytes() == drawn


def test_nothing_changed(segbench: Segbench) -> None:
    save(ROOT, examples.run())
    assert segbench("leaderboard").code == 0
    for old in ("leaderboards", "leaderboards/toy.csv"):
        code, out, _ = segbench("leaderboard", "--diff", old)
        assert (code, out) == (0, "Runs: 0 fell, 0 changed otherwise, 1 unchanged, 0 new, 0 vanished.\n")


def test_a_table_says_nothing_of_other_datasets(segbench: Segbench) -> None:
    save(ROOT, examples.run(), examples.run(recipe=RECIPE.model_copy(update={"dataset": "other"})))
    assert segbench("leaderboard").code == 0
    assert "0 new, 0 vanished" in segbench("leaderboard", "--diff", "leaderboards/toy.csv").out


def test_the_terminal_table_fits_80_columns_with_long_names(segbench: Segbench) -> None:
    model = "hf:some-organisation/a-network-whose-name-goes-on-and-on-without-end"
    runs = [
        examples.run(seed, 0.2, examples.with_paper(comparable=False, reason="x").model_copy(update=changes))
        for seed, changes in enumerate(({"model": model}, {"model": "a" * 60}, {"variant": "a-long-variant-of-it"}))
    ]
    save(ROOT, *runs)
    code, out, err = segbench("leaderboard")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert all(one.record.run_id in out for one in runs)
