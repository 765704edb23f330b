"""What runs started from, on boards: told where there is something to tell, and nowhere else."""

from __future__ import annotations

from typing import Any

from segbench.leaderboard.charts import Key
from segbench.leaderboard.headings import commands
from segbench.leaderboard.page_table import page_table
from segbench.leaderboard.rendering import to_csv, to_markdown
from segbench.leaderboard.spreadsheet import COLUMNS, START_COLUMNS
from segbench.leaderboard.starts import start_text
from segbench.leaderboard.table import Board, build_boards
from segbench.record import RunRecord
from tests.leaderboard.examples import RECIPE, named

SHA = "0123456789abcdef" * 4
ASKING = RECIPE.model_copy(update={"encoder": "lab/vgg16"})


def only(*records: RunRecord) -> Board:
    (board,) = build_boards(records)
    return board


def plain() -> RunRecord:
    return named(0.4, run_id="a" * 12, cell_id="1" * 12)


def started(**changes: Any) -> RunRecord:
    values: dict[str, Any] = {"encoder_weights": SHA, "run_id": "b" * 12, "cell_id": "2" * 12}
    return named(0.5, **{**values, **changes})


def test_a_board_of_runs_that_began_at_random_says_nothing() -> None:
    board = only(plain())
    markdown, sheet = to_markdown([board]), to_csv(board)
    assert "ncoder" not in markdown and "ncoder" not in sheet
    assert sheet.splitlines()[0] == ",".join(COLUMNS)


def test_a_run_from_weights_is_told_and_sets_its_label_apart() -> None:
    board = only(plain(), started())
    markdown, sheet = to_markdown([board]), to_csv(board)
    assert [start_text(row.record) for row in board.rows] == ["01234567", "random"]
    assert [row.label for row in board.rows] == ["SegNet-Basic, encoder 01234567", "SegNet-Basic, encoder random"]
    head, _, best, other = _table(markdown)
    assert "Encoder" in head and " 01234567 " in best and " random " in other
    assert f"- SegNet-Basic, encoder 01234567: encoder: a file of weights, sha256 {SHA}." in markdown
    lines = sheet.splitlines()
    assert lines[0] == ",".join((*COLUMNS, *START_COLUMNS)) and lines[1].endswith(f",{SHA},")
    assert lines[2].endswith(",random,")


def _table(markdown: str) -> tuple[str, str, str, str]:
    """The first four lines of the first table."""
    head, rule, best, other = [line for line in markdown.splitlines() if line.startswith("|")][:4]
    return head, rule, best, other


def test_what_a_recipe_asked_for_and_did_not_get_is_told() -> None:
    board = only(named(0.4, recipe=ASKING))
    markdown = to_markdown([board])
    assert "Encoder" in _head(markdown) and " random " in markdown
    assert "- SegNet-Basic: encoder: random; the recipe asks for lab/vgg16, which was not had." in markdown
    assert to_csv(board).splitlines()[1].endswith(",random,")


def _head(markdown: str) -> str:
    return next(line for line in markdown.splitlines() if line.startswith("|"))


def test_a_stage_is_told_by_the_weights_it_went_on_from() -> None:
    board = only(started(encoder_weights="random", initial_weights=SHA))
    assert start_text(board.rows[0].record) == "weights 01234567"
    assert f"the whole network started from the weights with sha256 {SHA}." in to_markdown([board])
    assert to_csv(board).splitlines()[1].endswith(f",random,{SHA}")


def test_the_page_has_the_column_where_the_table_has() -> None:
    def heads(board: Board) -> list[str]:
        keys = {row.run_id: Key(number, row.label, row.run_id) for number, row in enumerate(board.rows)}
        return [column.head for column in page_table(board, keys)]

    assert "Encoder" in heads(only(plain(), started())) and "Encoder" not in heads(only(plain()))


def test_the_command_that_repeats_a_run_names_its_start() -> None:
    found = commands(
        [only(plain(), started(recipe=ASKING), named(0.3, model="fcn-basic", recipe=ASKING, run_id="c" * 12))]
    )
    assert any(line.endswith("--encoder-weights lab/vgg16") for line in found)
    assert any(line.endswith("--encoder-weights random") for line in found)
    by_file = commands([only(started(), named(0.3, run_id="d" * 12, initial_weights=SHA))])
    assert any(line.endswith("--encoder-weights FILE") for line in by_file)
    assert any(line.endswith("--init-from WEIGHTS") for line in by_file)


def test_seeds_are_averaged_among_runs_of_one_start() -> None:
    records = [plain(), named(0.6, seed=1, run_id="e" * 12, cell_id="5" * 12), started()]
    (note,) = [note for note in only(*records).notes if "over seeds" in note]
    assert "over seeds 0, 1" in note and "mIoU 50.0" in note
