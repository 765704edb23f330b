"""Painted labels to ids."""

from __future__ import annotations

import numpy as np
import pytest

from segbench.data.colours import ColourCode
from segbench.errors import DataError

CODE = ColourCode({(0, 0, 0): 255, (1, 2, 3): 0, (3, 2, 1): 7, (255, 255, 255): 31})


def test_each_pixel_gets_its_id() -> None:
    painted = np.array([[[0, 0, 0], [3, 2, 1]], [[1, 2, 3], [255, 255, 255]]], dtype=np.uint8)
    assert CODE.ids(painted, "x").tolist() == [[255, 7], [0, 31]]


def test_an_unknown_colour_is_named_with_its_pixel() -> None:
    painted = np.zeros((4, 5, 3), dtype=np.uint8)
    painted[2, 3] = (1, 2, 4)
    painted[3, 0] = (9, 9, 9)
    with pytest.raises(
        DataError, match=r"b_L\.png: the pixel in row 2, column 3 has the colour \(1, 2, 4\), .* \(2 such pixels\)"
    ):
        CODE.ids(painted, "b_L.png")


def test_the_marker_is_no_id() -> None:
    with pytest.raises(ValueError, match="254"):
        ColourCode({(0, 0, 0): 254})
