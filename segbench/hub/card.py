"""README.md of a repository: our sections between markers, somebody's own text around them, the metadata of both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from segbench.errors import HubError

__all__ = ["card", "merge_cards", "section", "split_card"]

_FRONT = re.compile(r"\A\s*---[ \t]*\n(?P<yaml>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_BEGIN, _END = "<!-- segbench begins: {} (replaced by every push) -->", "<!-- segbench ends: {} -->"
_SECTION = re.compile(
    r"<!-- segbench begins: (?P<name>\S+) [^\n]*-->\n.*?<!-- segbench ends: (?P=name) -->", flags=re.DOTALL
)
_STRAY = re.compile(r"^<!-- segbench (?:begins|ends): [^\n]*-->\n?", flags=re.MULTILINE)
MAIN = "main"
# What the owner of a repository decides once it is there.
_THEIRS = frozenset({"license", "license_name", "license_link", "language", "pretty_name", "thumbnail"})
# Lists of mappings are merged entry by entry; these tell an entry's name.
_NAMES = ("config_name", "name")


def section(name: str, text: str) -> str:
    """A part of a card that later pushes replace by its name (no spaces in it)."""
    return f"{_BEGIN.format(name)}\n{text.strip()}\n{_END.format(name)}"


def card(metadata: Mapping[str, Any], body: str) -> str:
    """A whole card of metadata and Markdown."""
    import yaml

    # No line is broken, which people and the Hub's parser read more easily.
    text = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{text}---\n\n{body.strip()}\n"


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """Metadata and Markdown of a card.

    Raises:
        HubError: The metadata is no YAML mapping.
    """
    import yaml

    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    found = _FRONT.match(text)
    if found is None:
        return {}, text.strip()
    try:
        metadata = yaml.safe_load(found["yaml"])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 2})"
        raise HubError(f"README.md on the Hub has metadata that is no YAML{where}.", MEND) from error
    if not isinstance(metadata, dict | None):
        raise HubError("README.md on the Hub has metadata that is no mapping.", MEND)
    return metadata or {}, text[found.end() :].strip()


MEND = "Mend there what stands between its lines ---."


def merge_cards(ours: str, theirs: str | None) -> str:
    """The card that is pushed: ours, in what is on the Hub already.

    Sections of ours replace those of the same name and come after the last one otherwise. Keys of ours replace theirs,
    but for the licence, the language and the title of a card that has them; lists are united, and entries of lists of
    mappings are replaced by their names.

    Args:
        ours: A generated card.
        theirs: README.md as it is on the Hub, ``None`` where there is none.

    Raises:
        HubError: The metadata of theirs cannot be read.
    """
    metadata, body = split_card(ours)
    body = body if _SECTION.search(body) else section(MAIN, body)
    if theirs is None or not theirs.strip():
        return card(metadata, body)
    known, text = split_card(theirs)
    merged, placed = _merged(metadata, known), _placed(body, text)
    # Somebody's order, comments and line ends are theirs as long as there is nothing to say.
    return theirs if (merged, placed) == (known, text) else card(merged, placed)


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    # The licence is one thing in three keys.
    kept = {key for key in _THEIRS if key in theirs or (key.startswith("license") and "license" in theirs)}
    new = {key: _united(value, theirs.get(key)) for key, value in ours.items() if key not in kept}
    return {**theirs, **new}


def _united(ours: Any, theirs: Any) -> Any:
    """Ours beside theirs where both are lists, ours otherwise."""
    if isinstance(ours, list) and isinstance(theirs, dict):
        theirs = [theirs]
    if not (isinstance(ours, list) and isinstance(theirs, list)):
        return ours
    replacing = {_name(item): item for item in ours}
    kept = [replacing.pop(_name(item), item) for item in theirs]
    return kept + list(replacing.values())


def _name(item: Any) -> str:
    """What an entry of a list goes by."""
    if isinstance(item, dict):
        item = next((item[key] for key in _NAMES if key in item), item)
    return repr(item)


def _placed(ours: str, theirs: str) -> str:
    """Our sections in their text."""
    fresh = {found["name"]: found.group() for found in _SECTION.finditer(ours)}
    placed: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        again = name in placed
        placed.add(name)
        return "" if again else fresh.get(name, found.group())

    text = _without_strays(_SECTION.sub(replace, theirs))
    late = [part for name, part in fresh.items() if name not in placed]
    return _after_last_section(text, late) if late else text


def _without_strays(text: str) -> str:
    """Text without markers that lost their other half."""
    pieces, end = [], 0
    for found in _SECTION.finditer(text):
        pieces += [_STRAY.sub("", text[end : found.start()]), found.group()]
        end = found.end()
    return "".join([*pieces, _STRAY.sub("", text[end:])])


def _after_last_section(text: str, late: list[str]) -> str:
    end = max((found.end() for found in _SECTION.finditer(text)), default=len(text))
    parts = [text[:end].rstrip(), *late, text[end:].strip()]
    return "\n\n".join(part for part in parts if part)
