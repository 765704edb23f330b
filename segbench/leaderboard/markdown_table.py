"""Tables of Markdown, aligned to be read unrendered too."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["aligned", "plain"]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as a table, padded to be read unrendered; a heading that ends in `` >`` aligns to the right."""
    right = [cell.endswith(" >") for cell in lines[0]]
    cells = [[cell.removesuffix(" >") for cell in lines[0]], *lines[1:]]
    widths = [max(3, *(len(line[index]) for line in cells)) for index in range(len(right))]
    rule = ["-" * (width - 1) + (":" if side else "-") for width, side in zip(widths, right, strict=True)]
    padded = [
        [
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(line, widths, right, strict=True)
        ]
        for line in (cells[0], rule, *cells[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", " ".join(text.split()))
