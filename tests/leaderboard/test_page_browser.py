"""The page in a real browser: layout, sorting, filters, dark mode, no errors, no requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import Browser, Tab, find_chromium, started
from tests.leaderboard.examples import RECIPE, run
from tests.leaderboard.pages import page, several

pytestmark = pytest.mark.chromium

MANY = 30
ROWS = "[...document.querySelectorAll('#board-1 tbody tr')].filter((row) => row.offsetHeight)"
SCORES = f"{ROWS}.map((row) => Number(row.querySelector('.main').dataset.value))"
NAMES = f"{ROWS}.map((row) => row.querySelector('.model').dataset.value)"
RUNS = "document.getElementById('shown').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    command = find_chromium()
    if command is None:
        pytest.skip("Chromium is not installed")
    with started(command, tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for count in (1, MANY):
        (folder / f"{count}.html").write_text(page(folder / str(count), several(count)), encoding="utf-8")
    return {count: folder / f"{count}.html" for count in (1, MANY)}


@pytest.fixture
def tab(browser: Browser, pages: dict[int, Path]) -> Tab:
    """The page of many runs, large."""
    found = browser.tab()
    found.open(pages[MANY])
    return found


def sorting(tab: Tab, head: str) -> str:
    """How a column is said to be sorted."""
    found: str = tab.run(f"document.querySelector('#board-1 thead {head}').getAttribute('aria-sort')")
    return found


def problems(tab: Tab) -> list[object]:
    """What the page complained about: exceptions, errors of its policy, of what it loads."""
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    return [event for kind in kinds for event in tab.events(kind)]


def choose(tab: Tab, name: str, value: str) -> None:
    """Sets a filter as a person does."""
    tab.run(
        f"(() => {{ const it = document.querySelector('[data-filter={name}]'); it.value = '{value}';"
        " it.dispatchEvent(new Event('change')); })()"
    )


@pytest.mark.parametrize("count", [1, MANY])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out(browser: Browser, pages: dict[int, Path], count: int, width: int) -> None:
    tab = browser.tab(width)
    tab.open(pages[count])
    tab.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") == width
    out = tab.run(
        "[...document.querySelectorAll('body *')].filter((part) => !part.closest('.scroller, pre, .skip'))"
        ".filter((part) => part.getBoundingClientRect().right > innerWidth + 1).map((part) => part.outerHTML)"
    )
    assert out == []
    assert problems(tab) == []


def test_a_large_screen_shows_the_whole_table(tab: Tab) -> None:
    assert tab.run("document.querySelector('.scroller').scrollWidth") <= tab.run(
        "document.querySelector('.scroller').clientWidth"
    )


def test_a_phone_shows_the_mean_iou_at_once(tab: Tab) -> None:
    tab.resized(360)
    assert tab.run("document.querySelector('#board-1 tbody .main b').getBoundingClientRect().right") <= 346


def test_nothing_is_asked_of_a_network(tab: Tab, pages: dict[int, Path]) -> None:
    asked = {event["request"]["url"] for event in tab.events("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {pages[MANY].as_uri()}
    assert tab.run("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


def test_a_name_that_is_a_script_does_not_run(tab: Tab) -> None:
    assert tab.events("Page.javascriptDialogOpening") == []
    assert tab.run("document.scripts.length") == 1


def test_clicks_sort(tab: Tab) -> None:
    before = tab.run(SCORES)
    assert before == sorted(before, reverse=True) and sorting(tab, ".main") == "descending"
    tab.click("#board-1 thead .main button")
    assert tab.run(SCORES) == sorted(before) and sorting(tab, ".main") == "ascending"
    tab.click("#board-1 thead .model button")
    names = tab.run(NAMES)
    assert names == sorted(names, key=str.lower) and sorting(tab, ".model") == "ascending"
    assert sorting(tab, ".main") == "none"
    assert problems(tab) == []


@pytest.mark.parametrize("key", ["Enter", " "])
def test_keys_sort(tab: Tab, key: str) -> None:
    tab.run("document.querySelector('#board-1 .scroller').focus()")
    for _ in range(7):
        tab.press("Tab")
    assert tab.run("document.activeElement.textContent") == "mIoU"
    tab.press(key)
    scores = tab.run(SCORES)
    assert scores == sorted(scores) and sorting(tab, ".main") == "ascending"


def test_values_that_are_missing_come_last_whichever_way(tab: Tab) -> None:
    delta = "#board-1 thead th:nth-child(10)"
    assert tab.run(f"document.querySelector('{delta}').textContent") == "Δ"
    for way in ("ascending", "descending"):
        tab.click(f"{delta} button")
        found = tab.run(f"{ROWS}.map((row) => row.cells[9].dataset.value ?? null)")
        there = [float(value) for value in found if value is not None]
        assert 0 < len(there) < len(found) and found[len(there) :] == [None] * (len(found) - len(there))
        assert there == sorted(there, reverse=way == "descending")


def test_filters_hide_runs_everywhere(tab: Tab) -> None:
    assert tab.run(RUNS) == "30 runs"
    choose(tab, "recipe", "paper")
    assert tab.run(RUNS) == "10 of 30 runs"
    assert tab.run(f"{ROWS}.every((row) => row.dataset.recipe === 'paper')")
    marks = "[...document.querySelectorAll('#board-1 .charts > figure:first-child g.run')]"
    assert tab.run(f"{marks}.filter((one) => one.getBoundingClientRect().width).length") == 10
    assert tab.run(f"{ROWS}.length") == 10
    assert tab.run("document.getElementById('board-2').offsetHeight") == 0
    choose(tab, "recipe", "")
    choose(tab, "scale", "half")
    assert tab.run(RUNS) == "1 of 30 runs"
    assert tab.run("document.getElementById('board-1').offsetHeight") == 0
    assert problems(tab) == []


def test_a_model_is_found_by_a_part_of_its_name(tab: Tab) -> None:
    tab.run("document.getElementById('find').focus()")
    tab.send("Input.insertText", text="fcn-b")
    assert tab.run(RUNS) == "10 of 30 runs"
    assert set(tab.run(NAMES)) == {"FCN-Basic"}


def test_a_link_opens_its_run(tab: Tab) -> None:
    run_id = tab.run(f"{ROWS}[3].dataset.run")
    assert not tab.run(f"document.getElementById('run-{run_id}').open")
    tab.click("#board-1 tbody tr:nth-child(4) .model a")
    tab.run("new Promise((done) => setTimeout(done, 50))")
    assert tab.run(f"document.getElementById('run-{run_id}').open")


def test_the_run_under_the_pointer_stands_out(tab: Tab) -> None:
    tab.click("#board-1 tbody tr:nth-child(2) td.rank")
    lit = tab.run("[...new Set([...document.querySelectorAll('g.run.lit')].map((one) => one.dataset.run))]")
    assert lit == [tab.run(f"{ROWS}[1].dataset.run")]


def test_dark_mode_has_colours_of_its_own(tab: Tab) -> None:
    colours = (
        "['body', '#board-1 td', '.line.s0', '.mark.s1', '.chart text'].map((part) => {"
        " const found = getComputedStyle(document.querySelector(part));"
        " return [found.color, found.backgroundColor, found.stroke, found.fill].join(); })"
    )
    tab.scheme("light")
    light = tab.run(colours)
    tab.scheme("dark")
    dark = tab.run(colours)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 27)"


def test_what_is_written_can_be_read_on_its_ground(tab: Tab) -> None:
    contrast = """(() => {
      const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((value) => {
        const share = value / 255; return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = (part) => { for (let one = part; one; one = one.parentElement) {
        const colour = getComputedStyle(one).backgroundColor;
        if (!/, 0\\)$/.test(colour)) return colour; } };
      return ['body', '.remark', '#board-1 td', '#board-1 small', 'thead button', '.eyebrow', '.lead'].map((name) => {
        const part = document.querySelector(name);
        const [a, b] = [light(getComputedStyle(part).color), light(ground(part))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05); }); })()"""
    for scheme in ("light", "dark"):
        tab.scheme(scheme)
        assert min(tab.run(contrast)) >= 4.5


def test_without_its_script_the_page_still_shows_everything(browser: Browser, pages: dict[int, Path]) -> None:
    tab = browser.tab()
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(pages[1])
    assert tab.run("document.querySelector('tbody .main').offsetHeight") > 0
    assert tab.run("document.querySelector('.controls').offsetHeight") == 0


def test_a_page_of_one_run_has_all_its_parts(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(tmp_path / "runs", [run(recipe=RECIPE)]), encoding="utf-8")
    tab = browser.tab()
    tab.open(tmp_path / "page.html")
    assert tab.run("[...document.images].every((image) => image.complete && image.naturalWidth === 41)")
    assert tab.run("document.images.length") == 9
    heights = tab.run("[...document.querySelectorAll('.chart')].map((chart) => chart.getBoundingClientRect().height)")
    assert len(heights) == 10 and min(heights) > 50
    assert problems(tab) == []


def test_paper_holds_all_of_it_without_controls(tab: Tab) -> None:
    tab.resized(760)
    tab.send("Emulation.setEmulatedMedia", media="print")
    assert tab.run("document.documentElement.scrollWidth") == 760
    assert tab.run("document.querySelector('.controls').offsetHeight") == 0
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.run("[...document.querySelectorAll('details')].every((part) => part.open)")
