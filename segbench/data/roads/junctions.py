"""Where a side street opens, and what must not stand in its mouth."""

from __future__ import annotations

from segbench.data.roads.dice import Dice
from segbench.data.roads.street import Junction

__all__ = ["at_mouth", "draw_junction", "opens"]


def draw_junction(dice: Dice) -> Junction:
    """A side street to the left, to the right or both."""
    near = dice.between(9.0, 34.0)
    sides = dice.pick(("left", "right", "both"))
    return Junction(near, near + dice.between(6.0, 8.5), sides != "right", sides != "left")


def opens(junction: Junction | None, sign: int) -> bool:
    """Whether the side street opens to the left (``sign`` -1) or right (1)."""
    return junction is not None and (junction.left if sign < 0 else junction.right)


def at_mouth(junction: Junction | None, sign: int, near: float, far: float, margin: float = 2.0) -> bool:
    """Whether a thing from ``near`` to ``far`` would stand in the side street."""
    if junction is None or not opens(junction, sign):
        return False
    return near < junction.far + margin and far > junction.near - margin
