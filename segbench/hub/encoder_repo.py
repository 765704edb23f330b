"""Weights of an encoder that somebody put on the Hub, as one file of tensors; nothing in the repository is run."""

from __future__ import annotations

from pathlib import Path

from segbench.errors import HubError
from segbench.hub.connection import UnavailableError, explained, is_offline, is_reachable
from segbench.hub.download import split_address

__all__ = ["WEIGHT_FILES", "fetch_encoder"]

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""Looked for in this order."""


def fetch_encoder(source: str, *, cached: bool = False) -> Path:
    """The file of weights of a model repository, in the cache of huggingface_hub.

    Args:
        source: ``ORG/NAME`` or ``ORG/NAME@REVISION``.
        cached: Take what was fetched before, and ask nobody.

    Raises:
        HubError: The Hub may not or cannot be asked, or it has no such repository, revision or file.
    """
    name, revision = split_address(source)
    purpose = f"fetch the encoder's weights '{source}' from the Hub"
    reachable = cached or is_offline() or is_reachable()
    for file in WEIGHT_FILES:
        with explained(purpose):
            found = _file(name, file, revision, cached=cached or not reachable)
        if found is not None:
            return found
    if not reachable:
        raise UnavailableError(f"Cannot {purpose}: the Hub cannot be reached, and it was not fetched before.")
    if cached:
        raise HubError(f"Cannot {purpose}: it was not fetched before.")
    raise HubError(f"Cannot {purpose}: it holds none of {', '.join(WEIGHT_FILES)}.")


def _file(name: str, file: str, revision: str | None, *, cached: bool) -> Path | None:
    """The file, ``None`` where the repository or the cache has none of this name."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, file, revision=revision, local_files_only=cached))
    except LocalEntryNotFoundError:
        if cached or (is_offline() and file != WEIGHT_FILES[-1]):
            return None
        raise
    except EntryNotFoundError:
        return None
