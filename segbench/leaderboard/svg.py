"""Elements of SVG as text; whatever goes in is escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

__all__ = ["element", "figure", "number"]


def number(value: float) -> str:
    """A coordinate, one decimal at most."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(tag: str, *content: str, **attributes: str | float) -> Markup:
    """``<tag ...>content</tag>``; an underscore in an attribute's name stands for a hyphen, one at its end for nothing.

    Args:
        tag: Name of the element.
        content: Text, which is escaped, or other elements.
        attributes: Numbers are coordinates.
    """
    given = [(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items()]
    text = [f' {name}="{escape(value if isinstance(value, str) else number(value))}"' for name, value in given]
    inside = Markup("").join(escape(part) for part in content)
    return Markup(f"<{tag}{''.join(text)}>{inside}</{tag}>")


def figure(title: str, width: float, height: float, *content: str, kind: str = "chart") -> Markup:
    """A drawing that fills the width of its place and bears ``title`` for those who do not see it."""
    box = f"0 0 {number(width)} {number(height)}"
    return element("svg", *content, class_=kind, viewBox=box, role="img", aria_label=title)
