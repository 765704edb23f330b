"""``./path/to/file.py:factory``: a network from a Python file that the user names, and so wants to be run."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from segbench.errors import UsageError
from segbench.models.outside.trying import tried
from segbench.registry import closest
from segbench.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["find_file", "from_file", "is_file_address"]

EXAMPLE = "Example: ./my_network.py:factory"


def is_file_address(address: str) -> bool:
    """Whether ``address`` is meant as a Python file, with or without a factory."""
    return re.search(r"\.py(:|$)", address) is not None


def find_file(address: str) -> ModelSpec:
    """The network of a file; the file is read, not run.

    It goes by its path in the working folder, or by its own name where it lies elsewhere, so that no record tells of
    folders outside.

    Raises:
        UsageError: There is no such file, or no factory is named.
    """
    place, colon, factory = address.rpartition(":")
    if not (colon and place.endswith(".py") and factory.isidentifier()):
        raise UsageError(f"'{address}' names no function of the file.", EXAMPLE)
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"There is no file {place} to take the model '{factory}' from.", EXAMPLE)
    name = f"{_public_path(path)}:{factory}"
    return ModelSpec(
        name=name,
        paper_name=name.removeprefix("./"),
        factory="segbench.models.outside.python_file:from_file",
        summary="a network from a file",
        source=name,
        min_size=1,
        kind="file",
        arguments={"path": str(path), "factory": factory},
        identity=f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
    )


def _public_path(path: Path) -> str:
    here = Path.cwd()
    inside = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return f"./{inside.as_posix()}"


def from_file(num_classes: int, *, path: str, factory: str, **config: Any) -> nn.Module:
    """Runs the file and calls its factory.

    Raises:
        UsageError: The file or the factory raises, there is no such factory, or it returns no module.
    """
    from segbench.models.outside.adapter import adapted, called

    where = f"{Path(path).name}:{factory}"
    module = _imported(Path(path))
    found = getattr(module, factory, None)
    if found is None:
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise UsageError(f"{path} defines no '{factory}'.", closest(factory, known) if known else "It defines nothing.")
    return adapted(called(found, where, num_classes, **config), num_classes, where)


def _imported(path: Path) -> ModuleType:
    """The file as a module; what lies beside it can be imported by it, as when it is run as a script."""
    name = f"segbench_file_{hashlib.sha256(f'{path}'.encode() + path.read_bytes()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    try:
        tried(lambda: loader.exec_module(module), f"{path.name}")
    except UsageError:
        del sys.modules[name]
        raise
    return module
