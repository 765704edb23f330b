"""The public door: what is exported exists, is documented, and nothing else pretends to be public."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import segbench
from tests.source import PACKAGE, import_strings, modules, names_taken, tree

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
VAGUE = {"utils", "util", "helpers", "common", "misc", "tools"}


def public_modules() -> list[str]:
    """Modules without an underscore in their path; ``__main__`` is a script."""
    return [name for name in modules() if not any(step.startswith("_") for step in name.split("."))]


def definitions(module: str) -> Iterator[Definition]:
    """Functions and classes at the top level of ``module`` that bear a public name; overloads are not definitions."""
    for node in tree(module).body:
        if isinstance(node, Definition) and not node.name.startswith("_") and not is_overload(node):
            yield node


def is_overload(node: Definition) -> bool:
    """Whether ``node`` only declares a signature."""
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def exported(module: str) -> list[str] | None:
    """The names in ``__all__``, or ``None`` where there is none."""
    for node in tree(module).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


def bound(module: str) -> set[str]:
    """Every name that ``module`` binds at its top level."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return names | {node.name for node in tree(module).body if isinstance(node, Definition)}


@pytest.mark.parametrize("module", public_modules())
def test_all_names_what_exists(module: str) -> None:
    names = exported(module)
    assert names is not None, "a public module has __all__"
    assert len(names) == len(set(names))
    lazy = "__getattr__" in bound(module)
    assert lazy or set(names) <= bound(module)


def test_modules_take_functions_and_classes_only_where_they_are_exported() -> None:
    taken = {(module, origin, name) for module in modules() for origin, name in names_taken(module)}
    hidden = {origin: {node.name for node in definitions(origin)} - set(exported(origin) or []) for origin in modules()}
    assert {(module, origin, name) for module, origin, name in taken if name in hidden[origin]} == set()


@pytest.mark.parametrize("module", public_modules())
def test_what_is_public_is_documented(module: str) -> None:
    assert ast.get_docstring(tree(module)), "a module says what it is for"
    public = exported(module) or []
    assert [node.name for node in definitions(module) if node.name in public and not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", segbench.__all__)
def test_every_name_of_the_package_resolves(name: str) -> None:
    assert getattr(segbench, name) is not None
    assert name in dir(segbench)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'crate_model'"):
        getattr(segbench, "crate_model")  # noqa: B009


def test_import_strings_name_something_that_exists() -> None:
    strings = {string for module in modules() for string in import_strings(module)}
    missing = {f"{target}:{name}" for target, name in strings if target not in modules() or name not in bound(target)}
    assert missing == set()


def test_no_file_bears_a_name_that_says_nothing() -> None:
    assert [path for path in PACKAGE.rglob("*.py") if path.stem in VAGUE] == []


def test_only_the_console_prints() -> None:
    printing = {
        module
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing <= {"segbench.console"}


def test_the_version_is_a_release_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", segbench.__version__)
