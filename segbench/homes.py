"""Where segbench keeps things: prepared data, raw caches, downloads, runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_home", "data_home", "download_home", "raw_cache_home"]


def _moved() -> Path | None:
    value = os.environ.get("SEGBENCH_HOME", "").strip()
    return Path(value).expanduser().absolute() if value else None


def data_home() -> Path:
    """Folder of prepared datasets; ``$SEGBENCH_HOME/data`` when that variable is set."""
    moved = _moved()
    return moved / "data" if moved else Path(platformdirs.user_data_dir("segbench"))


def cache_home() -> Path:
    """Folder of everything that can be made again; ``$SEGBENCH_HOME/cache`` when that variable is set."""
    moved = _moved()
    return moved / "cache" if moved else Path(platformdirs.user_cache_dir("segbench"))


def download_home() -> Path:
    """Folder of downloaded archives."""
    return cache_home() / "downloads"


def raw_cache_home() -> Path:
    """Folder of decoded images that training reads."""
    return cache_home() / "raw"
