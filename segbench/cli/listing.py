"""``segbench list``: what there is by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from segbench.cli.options import Json, Quiet
from segbench.console import Cell, Column, Console, Table, byte_size
from segbench.errors import UnknownNameError

__all__ = ["list_names"]

Row = dict[str, Any]


def list_names(
    kind: Annotated[
        str | None, typer.Argument(metavar="[models|datasets|recipes|suites|protocols]", help="Everything if left out.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(metavar="D", help="Recipes for this dataset alone.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List models, datasets, recipes, suites and scoring protocols by name."""
    console = Console(json=as_json, quiet=quiet)
    kinds = [kind] if kind else list(_LISTS)
    found = {name: _known(name)(dataset) for name in kinds}
    for name in (name for name in kinds if not found[name]):
        console.note(f"There are no {name}{f' for {dataset}' if dataset else ''} yet.")
    tables = [table for name, rows in found.items() if rows for table in _TABLES[name](rows)]
    console.result(found[kind] if kind else found, *tables)


def _known(kind: str) -> Callable[[str | None], list[Row]]:
    if kind not in _LISTS:
        from segbench.registry import closest

        raise UnknownNameError(f"Nothing is listed as '{kind}'. {closest(kind, list(_LISTS))}")
    return _LISTS[kind]


def _models(dataset: str | None) -> list[Row]:
    from segbench.models import MODELS
    from segbench.models.outside import installed_models

    return [
        {
            "name": spec.name,
            "paper_name": spec.paper_name,
            "parameters": spec.parameters,
            "paper_parameters": spec.paper_parameters,
            "reference_classes": spec.reference_classes,
            "summary": spec.summary,
            "source": spec.source,
        }
        for spec in [*MODELS.values(), *installed_models()]
    ]


def _model_table(rows: list[Row]) -> list[Table]:
    columns = [Column("model"), Column("parameters", right=True), Column("what it is", wide=True)]
    texts = [[row["name"], _count(row["parameters"]), f"{row['paper_name']}: {row['summary']}"] for row in rows]
    return [Table(columns, texts, "Models", ["Parameters at 11 classes, with biases and batch normalisation."])]


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _datasets(dataset: str | None) -> list[Row]:
    import segbench.data  # noqa: F401  registers them
    from segbench.registry import DATASETS

    return [_dataset_row(name) for name in DATASETS if dataset in (None, name)]


def _dataset_row(name: str) -> Row:
    from segbench.registry import DATASETS

    spec = DATASETS[name]
    return {
        "name": name,
        "title": spec.title,
        "summary": spec.summary,
        "default_variant": spec.default_variant,
        "embedded": spec.embedded,
        "licence": spec.licence,
        "citation": spec.citation,
        "homepage": spec.homepage,
        "variants": [_variant_row(name, variant) for variant in spec.variants],
    }


def _variant_row(dataset: str, name: str) -> Row:
    from segbench.registry import DATASETS

    variant = DATASETS[dataset].variants[name]
    folder, num_bytes = _on_disk(dataset, name)
    return {
        "name": name,
        "num_classes": variant.num_classes,
        "size": None if variant.size is None else list(variant.size),
        "counts": dict(variant.counts),
        "prepared": folder is not None,
        "folder": folder,
        "num_bytes": num_bytes,
    }


def _on_disk(dataset: str, variant: str) -> tuple[str | None, int | None]:
    """Folder and size of a prepared variant; a damaged one counts as not prepared."""
    from segbench.data.preparation import find_prepared
    from segbench.errors import DataError, NotPreparedError

    try:
        folder = find_prepared(dataset, variant).folder
    except (NotPreparedError, DataError):
        return None, None
    return str(folder), sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _dataset_table(rows: list[Row]) -> list[Table]:
    columns = [Column("dataset"), Column("variant"), Column("images", wide=True), Column("classes", right=True)]
    columns += [Column("prepared")]
    texts = [_variant_cells(row, variant) for row in rows for variant in row["variants"]]
    notes = [f"{row['title']}: {row['summary']} Terms: {row['licence']} Cite: {row['citation']}" for row in rows]
    return [Table(columns, texts, "Datasets (* default variant)", notes)]


def _variant_cells(row: Row, variant: Row) -> list[str | Cell]:
    default = "*" if variant["name"] == row["default_variant"] else ""
    images = " / ".join(f"{count}" for count in variant["counts"].values())
    missing = "made on the spot" if row["embedded"] else "not prepared"
    prepared = Cell(byte_size(variant["num_bytes"])) if variant["prepared"] else Cell(missing, dim=True)
    return [row["name"], f"{variant['name']}{default}", images, f"{variant['num_classes']}", prepared]


def _recipes(dataset: str | None) -> list[Row]:
    from segbench.recipe import list_recipes, load_recipe

    recipes = [load_recipe(path) for path in list_recipes() if dataset in (None, path.parent.name)]
    return [
        {
            "name": recipe.label,
            "model": recipe.model,
            "variant": recipe.variant,
            "dataset": recipe.dataset,
            "dataset_variant": recipe.dataset_variant,
            "input_size": None if recipe.input_size is None else list(recipe.input_size),
            "epochs": recipe.train.epochs,
            "iterations": recipe.train.iterations,
            "paper": None if recipe.paper is None else recipe.paper.model_dump(mode="json"),
        }
        for recipe in recipes
    ]


def _recipe_table(rows: list[Row]) -> list[Table]:
    """A table for each dataset."""
    columns = [Column("model", wide=True), Column("recipe"), Column("input"), Column("length", right=True)]
    grouped: dict[str, list[list[str]]] = {}
    for row in rows:
        texts = grouped.setdefault(row["dataset"], [])
        texts.append([row["model"], row["variant"], _input(row), _length(row)])
    return [Table(columns, texts, f"Recipes for {dataset}") for dataset, texts in grouped.items()]


def _input(row: Row) -> str:
    return "as prepared" if row["input_size"] is None else "×".join(map(str, row["input_size"]))


def _length(row: Row) -> str:
    return f"{row['epochs']} epochs" if row["epochs"] else f"{row['iterations']:,} steps"


def _suites(dataset: str | None) -> list[Row]:
    import tomllib

    from segbench.recipe import list_suites

    paths = list_suites()
    loaded = [(path, tomllib.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return [{"name": path.stem, "title": f"{values.get('title', '')}"} for path, values in loaded]


def _suite_table(rows: list[Row]) -> list[Table]:
    texts = [[row["name"], row["title"]] for row in rows]
    return [Table([Column("suite"), Column("title", wide=True)], texts, "Suites")]


def _protocols(dataset: str | None) -> list[Row]:
    from segbench.metrics.protocols import PROTOCOLS, SUMMARIES

    return [
        {"name": name, "summary": SUMMARIES[name], "protocol": protocol.model_dump(mode="json")}
        for name, protocol in PROTOCOLS.items()
    ]


def _protocol_table(rows: list[Row]) -> list[Table]:
    texts = [[row["name"], row["summary"]] for row in rows]
    return [Table([Column("protocol"), Column("what it computes", wide=True)], texts, "Scoring protocols")]


_LISTS: dict[str, Callable[[str | None], list[Row]]] = {
    "models": _models,
    "datasets": _datasets,
    "recipes": _recipes,
    "suites": _suites,
    "protocols": _protocols,
}
_TABLES: dict[str, Callable[[list[Row]], list[Table]]] = {
    "models": _model_table,
    "datasets": _dataset_table,
    "recipes": _recipe_table,
    "suites": _suite_table,
    "protocols": _protocol_table,
}
