"""What factories can be told, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from segbench.errors import UsageError
from segbench.models import MODELS, create_model
from segbench.models.options import check_options, factory_options
from segbench.registry import import_object


@pytest.mark.parametrize("name", list(MODELS))
def test_every_network_takes_a_width(name: str) -> None:
    options = factory_options(import_object(MODELS[name].factory))
    assert options is not None
    assert options["width"] is int


def test_an_option_reaches_the_factory() -> None:
    model: Any = create_model("bayesian-segnet-basic", 3, width=8, samples=50)
    assert model.samples == 50


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("segnet", {"crf": True}, "segnet has no option 'crf'. Known: head, mean, std, width."),
        ("deeplab-largefov", {"cfr": True}, "deeplab-largefov has no option 'cfr'. Did you mean crf?"),
        (
            "deeplab-largefov",
            {"crf": "yes"},
            "deeplab-largefov: option crf is 'yes'. Input should be a valid boolean.",
        ),
        ("deconvnet", {"fc": True}, "deconvnet: option fc is True. Input should be a valid integer."),
        ("deconvnet", {"fc": 4096.5}, "deconvnet: option fc is 4096.5. Input should be a valid integer."),
    ],
)
def test_one_line_says_what_is_wrong(name: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_model(name, 3, **options)
    assert str(caught.value) == line
    assert caught.value.exit_code == 2


def test_a_factory_of_any_keywords_answers_for_itself() -> None:
    def anything(num_classes: int, **options: object) -> None:
        del num_classes, options

    check_options("anything", anything, {"whatever": 1})
