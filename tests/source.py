"""The package's source as the tests of its structure read it: modules, their trees and their imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["PACKAGE", "import_strings", "imports", "modules", "names_taken", "tree"]

PACKAGE = Path(__file__).parents[1] / "segbench"


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package goes by the name of its folder."""
    return {_dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(module: str) -> ast.Module:
    """The parsed source of ``module``."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """All that ``module`` imports, inside functions too.

    ``from a import b`` is ``a.b`` where that is a module of ours, else ``a``, or ``segbench:b`` for the package itself.
    """
    return frozenset(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                named = f"segbench:{alias.name}" if origin == "segbench" else origin
                yield inner if inner in modules() else named


def names_taken(module: str) -> Iterator[tuple[str, str]]:
    """The (module, name) of every name that ``module`` takes out of another module of ours; modules are no names."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (origin := _origin(module, node)) in modules():
            names = {alias.name for alias in node.names}
            yield from ((origin, name) for name in names if f"{origin}.{name}" not in modules())


def _origin(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = modules()[module].name == "__init__.py"
    parents = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*parents, *([node.module] if node.module else [])])


def import_strings(module: str) -> Iterator[tuple[str, str]]:
    """The (module, name) of every ``"segbench.module:name"`` written in ``module``."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            target, colon, name = node.value.partition(":")
            if colon and target.startswith("segbench."):
                yield target, name
