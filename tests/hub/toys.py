"""Other contents of the toy dataset."""

from __future__ import annotations

from dataclasses import replace

from tests.data import toy

__all__ = ["unlabelled"]


def unlabelled() -> toy.ToySource:
    """The ordinary toy, the labels of its test split kept by a server."""
    source = toy.ordinary()
    source.groups["test"] = [replace(sample, label=None) for sample in source.groups["test"]]
    return source
