"""The same counts under every named protocol, and which rule makes how much of each difference.

A protocol is reached from ``segbench`` by one change of a rule after the other; what a change adds to a score is its
share of the difference, so the shares of a difference add up to it. They depend on the order of the changes, which is
always that of ``_RULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segbench.metrics.areas import Areas, areas_of
from segbench.metrics.protocols import PROTOCOLS
from segbench.metrics.scores import scores_from_tallies
from segbench.metrics.tallies import Tallies
from segbench.record import SCORE_NAMES, PixelProtocol, Protocol, Scores

__all__ = ["SCORE_TITLES", "Audit", "Cause", "Difference", "audit_tallies"]

SCORE_TITLES = {
    "global_accuracy": "global accuracy",
    "class_accuracy": "class accuracy",
    "mean_iou": "mean IoU",
    "boundary_f1": "boundary F1",
}
_NAMED = 3


@dataclass(frozen=True)
class Cause:
    """One changed rule.

    Attributes:
        rule: What it says, with the figures of these maps.
        points: What it adds to the score, in percentage points.
    """

    rule: str
    points: float


@dataclass(frozen=True)
class Difference:
    """How one score of a protocol differs from ``segbench``.

    Attributes:
        protocol: Its name.
        score: Name of the score.
        points: Percentage points above ``segbench``; ``None`` where the protocol does not define the score.
        causes: The rules that change the score; their points add up.
        sentence: All of it for a reader.
    """

    protocol: str
    score: str
    points: float | None
    causes: list[Cause]
    sentence: str


@dataclass(frozen=True)
class Audit:
    """What ``audit_tallies`` found.

    Attributes:
        scores: By name of the protocol, ``segbench`` first.
        differences: Those of the others, in the same order; a protocol without any is in ``equal``.
        equal: For each protocol that gives the same scores, a sentence that says why.
    """

    scores: dict[str, Scores]
    differences: list[Difference]
    equal: dict[str, str]


def audit_tallies(tallies: Tallies) -> Audit:
    """Scores under every named protocol, and where they differ and why.

    Args:
        tallies: With predictions on void pixels, as ``tally_image`` counts them.

    Raises:
        RecordError: The tallies lack them.
    """
    facts = _Facts(tallies)
    paths = {name: _path(protocol, facts) for name, protocol in PROTOCOLS.items()}
    scores = {name: path[-1].scores for name, path in paths.items()}
    differences = [found for name, path in paths.items() for found in _differences(name, path)]
    different = {found.protocol for found in differences}
    equal = {name: _equal(path) for name, path in paths.items() if name not in {*different, "segbench"}}
    return Audit(scores, differences, equal)


class _Facts:
    """What the sentences say of the maps."""

    def __init__(self, tallies: Tallies) -> None:
        self.tallies = tallies

    @cached_property
    def areas(self) -> Areas:
        return areas_of(self.tallies.images, self.tallies.num_classes, PixelProtocol())

    @cached_property
    def void(self) -> str:
        """Share of void pixels."""
        void = sum(image.void_pixels for image in self.tallies.images)
        return f"{100 * void / max(1, void + int(self.areas.labelled.sum())):.2f} %"

    @cached_property
    def missed(self) -> int:
        return sum(int(image.pairs.missed_count.sum()) for image in self.tallies.images)

    @cached_property
    def absent(self) -> str:
        """Classes that are in no truth."""
        names = [name for name, count in zip(self.tallies.class_names, self.areas.labelled, strict=True) if not count]
        if not names:
            return ""
        listed = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
        return f"{len(names)} of {self.tallies.num_classes} classes ({listed})"

    @cached_property
    def invented(self) -> int:
        """Outlines of classes that are predicted in an image whose truth lacks them."""
        total = 0
        for image in self.tallies.images:
            present = np.concatenate([image.pairs.true, image.pairs.missed_class])
            total += int((~np.isin(image.boundary_classes, present)).sum())
        return total

    @cached_property
    def plain(self) -> int:
        """Images without any outline."""
        return sum(not image.boundary_classes.size for image in self.tallies.images)


@dataclass(frozen=True)
class _Rule:
    """One way in which protocols differ.

    Attributes:
        change: The protocol with this rule taken over from another one.
        effect: The rule in words, given the protocol it comes from.
        idle: Why the rule may change nothing.
    """

    change: Callable[[Protocol, Protocol], Protocol]
    effect: Callable[[_Facts, Protocol], str]
    idle: Callable[[_Facts, Protocol], str]


def _pixels(name: str, value: str | None = None) -> Callable[[Protocol, Protocol], Protocol]:
    def change(at: Protocol, to: Protocol) -> Protocol:
        taken = value if value is not None and to.pixels.void != "ignored" else getattr(to.pixels, name)
        return at.model_copy(update={"pixels": at.pixels.model_copy(update={name: taken})})

    return change


def _boundary(at: Protocol, to: Protocol) -> Protocol:
    return at.model_copy(update={"boundary": to.boundary})


def _absent(at: Protocol, to: Protocol) -> Protocol:
    return at.model_copy(update={"absent": to.absent})


_RULES = (
    _Rule(
        _pixels("void", "wrong"),
        lambda facts, _: f"predictions on void pixels ({facts.void} of all) count against the class they name",
        lambda facts, _: "no class is predicted on a void pixel",
    ),
    _Rule(
        _pixels("void"),
        lambda facts, _: "void is one more class of the mean",
        lambda facts, _: "no pixel is void",
    ),
    _Rule(
        _pixels("average"),
        lambda facts, _: "IoU is taken in each image and averaged over (image, class) pairs, not over classes",
        lambda facts, _: "IoU of images and of the split agree",
    ),
    _Rule(
        _pixels("outside"),
        lambda facts, _: f"{facts.missed:,} labelled pixels predicted as no class leave the matrix",
        lambda facts, to: (
            "no labelled pixel is predicted as no class"
            if not facts.missed
            else "pixels predicted as no class are wrong in both"
        ),
    ),
    _Rule(
        _absent,
        lambda facts, to: (
            f"a class without a divisor counts {'1' if to.absent == 'one' else '0'} instead of being left "
            f"out (absent from the truth: {facts.absent or 'none'})"
        ),
        lambda facts, _: "no class is absent" if not facts.absent else "absent classes are predicted somewhere",
    ),
    _Rule(
        _boundary,
        lambda facts, _: (
            f"outlines of classes that the image's truth lacks ({facts.invented:,}) and images without any "
            f"outline ({facts.plain:,}) are left out instead of counting 0"
        ),
        lambda facts, _: (
            "no class is predicted in an image whose truth lacks it"
            if not facts.invented
            else "boundary F1 is 0 either way"
        ),
    ),
)


@dataclass(frozen=True)
class _Stop:
    """A protocol on the way from ``segbench`` to another one; ``effect`` and ``idle`` tell the rule changed last."""

    scores: Scores
    effect: str = ""
    idle: str = ""


def _path(goal: Protocol, facts: _Facts) -> list[_Stop]:
    """``segbench``, then one stop for each rule of ``goal`` that differs; the last one is ``goal`` itself."""
    tallies = facts.tallies
    ignored = {"ignore_index": tallies.ignore_index}
    at, goal = PROTOCOLS["segbench"].model_copy(update=ignored), goal.model_copy(update=ignored)
    stops = [_Stop(scores_from_tallies(tallies, at))]
    for rule in _RULES:
        changed = rule.change(at, goal)
        if changed != at:
            at = changed
            stops.append(_Stop(scores_from_tallies(tallies, at), rule.effect(facts, goal), rule.idle(facts, goal)))
    return [*stops[:-1], _Stop(scores_from_tallies(tallies, goal), stops[-1].effect, stops[-1].idle)]


def _differences(name: str, path: list[_Stop]) -> Iterator[Difference]:
    for score in SCORE_NAMES:
        values = [getattr(stop.scores, score) for stop in path]
        if values[0] == values[-1]:
            continue
        if values[0] is None or values[-1] is None:
            who = "it" if values[-1] is None else "segbench"
            yield Difference(name, score, None, [], f"{name}: {who} defines no {SCORE_TITLES[score]} here.")
            continue
        changes = zip(path[1:], values[:-1], values[1:], strict=True)
        causes = [Cause(stop.effect, 100 * (after - before)) for stop, before, after in changes if after != before]
        points = 100 * (values[-1] - values[0])
        yield Difference(name, score, points, causes, _sentence(name, score, values, causes))


def _sentence(name: str, score: str, values: list[float], causes: list[Cause]) -> str:
    before, after = 100 * values[0], 100 * values[-1]
    reasons = "; ".join(f"{cause.rule} ({_signed(cause.points)})" for cause in causes)
    total = _signed(after - before)
    return f"{name}: {SCORE_TITLES[score]} is {after:.2f} instead of {before:.2f} ({total} points): {reasons}."


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")


def _equal(path: list[_Stop]) -> str:
    """Why a protocol changes nothing on these maps."""
    return "the same scores as segbench on these maps: " + ", and ".join(stop.idle for stop in path[1:]) + "."
