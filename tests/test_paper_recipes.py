"""Recipes of the paper's Tables 3 and 4 and of FCN's own results, against what is printed there."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.recipe import Recipe, find_recipe, list_recipes, load_recipe

# Percent: global accuracy, class accuracy, mean IoU, boundary F1 at the end of training; and its iterations.
TABLE_3 = {
    ("segnet", "paper"): (90.40, 71.20, 60.10, 46.84, 140_000),
    ("deeplab-largefov", "paper"): (88.20, 62.53, 53.88, 32.77, 140_000),
    ("deeplab-largefov", "paper-crf"): (89.71, 60.67, 54.74, 40.79, 140_000),
    ("fcn-8s", "paper"): (83.27, 59.56, 49.83, 27.99, 200_000),
    ("fcn", "paper"): (83.14, 64.21, 51.96, 33.18, 160_000),
    ("deconvnet", "paper"): (89.58, 70.24, 59.77, 52.23, 260_000),
}
TABLE_4 = {
    ("segnet", "paper"): (72.63, 44.76, 31.84, 12.66, 240_000),
    ("segnet", "paper-balanced"): (71.75, 44.85, 32.08, 14.06, 180_000),
    ("deeplab-largefov", "paper"): (71.90, 42.21, 32.08, 8.26, 240_000),
    ("deeplab-largefov", "paper-crf"): (66.96, 33.06, 24.13, 9.41, 240_000),
    ("fcn", "paper"): (68.18, 38.41, 27.39, 9.68, 200_000),
    ("deconvnet", "paper"): (66.13, 32.28, 22.57, 10.47, 380_000),
}
FCN_ON_SEG11VALID = {"fcn-32s": 63.6, "fcn-16s": 65.0, "fcn-8s": 65.5}
VGG = ("segnet", "segnet-replication", "bayesian-segnet", *FCN_ON_SEG11VALID, "fcn", "deeplab-largefov", "deconvnet")
Row = tuple[float, float, float, float, int]


@pytest.mark.parametrize(("dataset", "table", "batch"), [("camvid", TABLE_3, 5), ("sunrgbd", TABLE_4, 4)])
def test_each_row_has_its_recipe_with_its_numbers(dataset: str, table: dict[tuple[str, str], Row], batch: int) -> None:
    for (model, variant), (*percent, iterations) in table.items():
        recipe = find_recipe(model, dataset, variant)
        assert printed(recipe) == pytest.approx([value / 100 for value in percent])
        assert (recipe.train.iterations, recipe.train.batch_size) == (iterations, batch)
        assert (recipe.train.optimizer, recipe.train.lr, recipe.train.momentum) == ("sgd", 0.001, 0.9)
        assert recipe.options == ({"crf": True} if variant == "paper-crf" else {})
        assert recipe.loss.class_weights == ("median-frequency" if variant == "paper-balanced" else "none")


@pytest.mark.parametrize(("dataset", "table"), [("camvid", TABLE_3), ("sunrgbd", TABLE_4)])
def test_other_variants_print_the_same_row(dataset: str, table: dict[tuple[str, str], Row]) -> None:
    models = {model for model, _ in table}
    for recipe in map(load_recipe, list_recipes()):
        if recipe.dataset == dataset and recipe.model in models and recipe.paper is not None:
            row = table.get((recipe.model, recipe.variant), table[recipe.model, "paper"])
            assert printed(recipe) == pytest.approx([value / 100 for value in row[:4]]), recipe.label


def test_none_of_these_rows_gets_a_verdict() -> None:
    """The paper trained on other images, or from weights of ImageNet."""
    chosen = [find_recipe(*row[:1], "camvid", row[1]) for row in TABLE_3]
    chosen += [find_recipe(*row[:1], "sunrgbd", row[1]) for row in TABLE_4]
    chosen += [find_recipe(model, "voc2012") for model in FCN_ON_SEG11VALID]
    for recipe in chosen:
        assert recipe.paper is not None
        assert not recipe.paper.comparable
        assert any(word in recipe.paper.reason for word in ("3,433", "weights of VGG16", "seg11valid"))


@pytest.mark.parametrize("variant", ["default", "modern"])
def test_every_network_on_vgg_has_its_recipe_on_voc2012(variant: str) -> None:
    for model in VGG:
        recipe = find_recipe(model, "voc2012", variant)
        # Validation is what is reported, so that a tenth of the training images selects.
        assert (recipe.evaluate.split, recipe.train.select) == ("validation", "mean_iou")
        paper = recipe.paper
        assert (None if paper is None else paper.mean_iou) == pytest.approx(
            FCN_ON_SEG11VALID[model] / 100 if model in FCN_ON_SEG11VALID else None
        )


def test_what_has_a_default_on_camvid_has_a_modern_recipe() -> None:
    named = {path.stem for path in list_recipes() if path.parent == Path(list_recipes()[0]).parent}
    # `any` and `hf` are for networks from outside, whose needs nobody here knows.
    models = {name.partition(".")[0] for name in named if name.endswith(".default")} - {"any", "hf"}
    assert len(models) >= 20
    for model in models:
        recipe = find_recipe(model, "camvid", "modern")
        assert recipe.augment.flip
        assert recipe.augment.scale is not None
        assert recipe.augment.crop == (360, 480)
        assert recipe.train.schedule in ("cosine", "poly")


def printed(recipe: Recipe) -> list[float | None]:
    paper = recipe.paper
    assert paper is not None
    return [paper.global_accuracy, paper.class_accuracy, paper.mean_iou, paper.boundary_f1]
