"""A suite: the runs behind one table of a paper, as data, with what the paper prints for each of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError, model_validator

from segbench.errors import RecipeError, UnknownNameError
from segbench.recipe import PaperNumbers, Recipe, Section, find_recipe, list_suites, override, write_assignment
from segbench.registry import closest

__all__ = ["Printed", "Scale", "Suite", "SuiteCell", "SuiteRow", "find_suite", "load_suite"]

Fraction = Annotated[float, Field(ge=0, le=1)]
Settings = dict[str, JsonValue]


class Printed(Section):
    """What the paper prints for one run, as fractions.

    Attributes:
        test: Global accuracy, class accuracy, mean IoU and boundary F1 on the test split.
        train: Global accuracy, class accuracy and mean IoU on the training split.
    """

    test: tuple[Fraction, Fraction, Fraction, Fraction]
    train: tuple[Fraction, Fraction, Fraction]


class SuiteRow(Section):
    """One network of the table; its further keys are the balancings."""

    model: str
    printed: dict[str, Printed]

    @model_validator(mode="before")
    @classmethod
    def _balancings_together(cls, values: Any) -> Any:
        """Balancings are keys of the row in the file."""
        if not isinstance(values, Mapping) or "printed" in values:
            return values
        return {"model": values.get("model"), "printed": {key: values[key] for key in values if key != "model"}}


class Scale(Section):
    """How much of the paper's training a run gets; tables of two scales are never mixed.

    Attributes:
        dataset: Whose recipes are taken.
        recipe: The variant of the recipe a run starts from.
        settings: What is changed in it, as ``--set`` would.
        reason: Why the paper's numbers cannot be compared with the runs; empty where they can.
        verdicts: Whether a difference to the paper is judged.
        more_seeds: Further seeds beside 0 by model, which tell the spread over seeds.
    """

    dataset: str
    recipe: str
    settings: Settings = Field(default_factory=dict)
    reason: str = ""
    verdicts: bool = False
    more_seeds: dict[str, list[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _judged_when_comparable(self) -> Scale:
        if self.verdicts == bool(self.reason):
            raise ValueError("a scale has verdicts, or a reason why it has none")
        return self


class Suite(Section):
    """A table of a paper.

    Attributes:
        source: Paper and table.
        size: Height and width the paper scored at.
        training: How the paper trained.
        settings: What every run changes in its recipe.
        balancings: Settings by the name of the column group.
        notes: Findings, and what the paper leaves open or contradicts, a sentence with its source each.
    """

    version: Literal[1] = 1
    name: str
    title: str
    source: str
    size: tuple[int, int]
    training: str
    settings: Settings = Field(default_factory=dict)
    balancings: dict[str, Settings]
    scales: dict[str, Scale]
    rows: list[SuiteRow]
    notes: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete(self) -> Suite:
        for row in self.rows:
            if row.printed.keys() != self.balancings.keys():
                raise ValueError(f"row {row.model} has {', '.join(row.printed)}, not {', '.join(self.balancings)}")
        return self

    @model_validator(mode="after")
    def _seeds_of_rows(self) -> Suite:
        models = [row.model for row in self.rows]
        for name, scale in self.scales.items():
            for model in scale.more_seeds:
                if model not in models:
                    raise ValueError(f"scale {name} has seeds of '{model}', which has no row")
        return self

    def scale(self, name: str) -> Scale:
        """The scale of that name.

        Raises:
            UnknownNameError: There is none; names the closest.
        """
        if name not in self.scales:
            raise UnknownNameError(f"Unknown scale '{name}' of {self.name}. {closest(name, list(self.scales))}")
        return self.scales[name]

    def cells(self, scale: str) -> list[SuiteCell]:
        """The runs of a scale, a balancing after the other, each in the table's order.

        Raises:
            UnknownNameError: The scale does not exist.
            RecipeError: A run has no recipe to start from.
        """
        chosen = self.scale(scale)
        return [
            SuiteCell(row.model, balancing, scale, self._recipe(row, balancing, scale, chosen), row.printed[balancing])
            for balancing in self.balancings
            for row in self.rows
        ]

    def runs(self, scale: str) -> list[tuple[SuiteCell, int]]:
        """The cells of a scale with their seeds, in the order they are run: seed 0 of all, then further seeds of some.

        Raises:
            UnknownNameError: The scale does not exist.
            RecipeError: A run has no recipe to start from.
        """
        cells, more = self.cells(scale), self.scale(scale).more_seeds
        return [*((cell, 0) for cell in cells), *((cell, seed) for cell in cells for seed in more.get(cell.model, ()))]

    def _recipe(self, row: SuiteRow, balancing: str, name: str, scale: Scale) -> Recipe:
        settings = {**self.settings, **scale.settings, **self.balancings[balancing], "variant": name}
        recipe = override(
            find_recipe(row.model, scale.dataset, scale.recipe), starmap(write_assignment, settings.items())
        )
        return recipe.model_copy(update={"paper": self._paper(row.printed[balancing], balancing, scale)})

    def _paper(self, printed: Printed, balancing: str, scale: Scale) -> PaperNumbers:
        names = ("global_accuracy", "class_accuracy", "mean_iou", "boundary_f1")
        return PaperNumbers(
            source=f"{self.source}, {balancing.replace('-', ' ')} balancing, test",
            size=self.size,
            training=self.training,
            comparable=scale.verdicts,
            reason=scale.reason,
            **dict(zip(names, printed.test, strict=True)),
        )


@dataclass(frozen=True)
class SuiteCell:
    """One run of a suite at one scale.

    Attributes:
        recipe: As resolved; its variant is the scale, its ``paper`` what the paper prints.
    """

    model: str
    balancing: str
    scale: str
    recipe: Recipe
    printed: Printed


def find_suite(name: str) -> Suite:
    """The shipped suite of that name.

    Raises:
        UnknownNameError: There is none; names the closest.
    """
    paths = {path.stem: path for path in list_suites()}
    if name not in paths:
        raise UnknownNameError(f"Unknown suite '{name}'. {closest(name, list(paths))}")
    return load_suite(paths[name])


def load_suite(path: Path) -> Suite:
    """Reads and validates a suite file.

    Raises:
        RecipeError: Names the file, the key and what is wrong with it.
    """
    try:
        return Suite.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"Cannot read suite {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"Suite {path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"Suite {path}: {where or 'suite'}: {first['msg'].removeprefix('Value error, ')}.") from error
