"""A trained network as the files of a model repository: weights, what a program and a person need to know, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segbench.atomic import dump_json
from segbench.hub.card import card
from segbench.hub.card_template import drawn
from segbench.hub.content import RepoContent, RepoFile
from segbench.hub.eval_results import eval_results_file, model_index
from segbench.manifest import SourceArchive
from segbench.recipe import dump_recipe
from segbench.record import RunRecord, WeightsHeader
from segbench.specs import DatasetSpec

__all__ = ["CONFIG_NAME", "WEIGHTS_NAME", "CardPicture", "PublishedRun", "model_config", "weights_content"]

# What other libraries look for, and what downloads are counted by.
WEIGHTS_NAME, CONFIG_NAME = "model.safetensors", "config.json"
CARD_PICTURES = ("pictures/training.png", "pictures/examples.png", "pictures/predictions.png")


@dataclass(frozen=True)
class CardPicture:
    """A picture of the card.

    Attributes:
        path_in_repo: One of ``CARD_PICTURES``.
        caption: One sentence.
        shows_photographs: Whether photographs of the dataset can be seen on it.
    """

    path_in_repo: str
    content: bytes
    caption: str
    shows_photographs: bool = False


@dataclass(frozen=True)
class PublishedRun:
    """A finished run and all that its repository tells of it.

    Attributes:
        weights: The safetensors file, pushed byte for byte.
        record: The run's record.
        dataset: What it was trained on.
        protocol: What the scores mean, in sentences.
        machine: Where it was trained, in a line.
        pictures: Of the card.
        licence: Identifier of a licence of the Hub's list that the owner of the weights chose, empty where none.
        benchmark: Hub repository of the dataset that results are listed under; its plain name where empty.
        revision: Of that repository; empty where it is not known.
        sources: What the dataset was prepared from, where it is prepared here.
    """

    weights: Path
    header: WeightsHeader
    record: RunRecord
    dataset: DatasetSpec
    protocol: str
    machine: str
    pictures: tuple[CardPicture, ...] = ()
    licence: str = ""
    benchmark: str = ""
    revision: str = ""
    sources: tuple[SourceArchive, ...] = ()


def weights_content(run: PublishedRun, repo_id: str) -> RepoContent:
    """The model repository of a run.

    Args:
        run: What is pushed.
        repo_id: ``ORG/NAME``, which the card tells people to load.
    """
    return RepoContent(
        repo_type="model",
        files=tuple(_files(run)),
        card=card(_metadata(run, repo_id), _body(run, repo_id)),
        licence_allows_redistribution=not any(picture.shows_photographs for picture in run.pictures),
        what=f"run {run.record.run_id}",
        terms=run.dataset.licence,
        owns=CARD_PICTURES,
    )


def _files(run: PublishedRun) -> Iterator[RepoFile]:
    record = run.record
    yield RepoFile(WEIGHTS_NAME, run.weights)
    yield RepoFile(CONFIG_NAME, dump_json(model_config(run)).encode())
    yield RepoFile("record.json", f"{record.model_dump_json(indent=2)}\n".encode())
    name = f".eval_results/{record.dataset}-{record.dataset_variant}.yaml"
    yield RepoFile(name, eval_results_file(record, run.benchmark, run.revision).encode())
    yield from (RepoFile(picture.path_in_repo, picture.content) for picture in run.pictures)


def model_config(run: PublishedRun) -> dict[str, Any]:
    """What a program needs to know, in the words of config.json."""
    header = run.header
    names = {str(number): name for number, name in enumerate(header.class_names)}
    return {
        "library_name": "segbench",
        "architecture": header.model,
        "model_config": header.config,
        "num_classes": header.num_classes,
        "id2label": names,
        "label2id": {name: int(number) for number, name in names.items()},
        "palette": header.palette,
        "ignore_index": header.ignore_index,
        "input_size": header.input_size,
        "preprocess": header.preprocess,
        "dataset": {
            "name": header.dataset,
            "variant": header.dataset_variant,
            "fingerprint": header.dataset_fingerprint,
            "repository": run.benchmark or None,
            "revision": run.revision or None,
            "sources": [asdict(source) for source in run.sources],
        },
        "run_id": run.record.run_id,
        "weights_sha256": run.record.weights_sha256,
    }


def _metadata(run: PublishedRun, repo_id: str) -> dict[str, Any]:
    """The card's front matter."""
    # A network from outside goes by a path or a repository, which is no tag.
    names = [name for name in (run.record.model, run.record.dataset) if re.fullmatch(r"[a-z0-9-]+", name)]
    return {
        **_licence(run),
        "library_name": "segbench",
        "pipeline_tag": "image-segmentation",
        "tags": ["segbench", "semantic-segmentation", *names],
        **({"datasets": [run.benchmark]} if run.benchmark else {}),
        "metrics": ["mean_iou", "accuracy"],
        "model-index": model_index(repo_id.split("/")[1], run.record, run.benchmark, run.revision),
    }


def _licence(run: PublishedRun) -> dict[str, str]:
    """Nobody but their owner can license weights; what is known is which terms the images had."""
    if run.licence:
        return {"license": run.licence}
    link = {"license_link": run.dataset.homepage} if run.dataset.homepage else {}
    return {"license": "other", "license_name": "not-stated", **link}


def _body(run: PublishedRun, repo_id: str) -> str:
    record = run.record
    return drawn(
        "model.md.j2",
        run=run,
        record=record,
        header=run.header,
        repo_id=repo_id,
        recipe=dump_recipe(record.recipe).strip(),
        dataset_options=f"--dataset {record.dataset} --variant {record.dataset_variant}",
        percent=_percent,
        size=" x ".join(map(str, record.scores.protocol.size)) if record.scores.protocol.size else "each image's own",
    )


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f}"
