"""Scores in the two forms that the Hub reads: ``model-index`` in a card, and files in ``.eval_results``."""

from __future__ import annotations

from typing import Any

from segbench.record import RunRecord, Scores

__all__ = ["eval_results_file", "model_index"]

# Our names of the scores, the field's names of the metrics, and what people read.
METRICS = (
    ("mean_iou", "mean_iou", "Mean IoU"),
    ("class_accuracy", "mean_accuracy", "Class average accuracy"),
    ("global_accuracy", "accuracy", "Global accuracy"),
    ("boundary_f1", "boundary_f1", "Boundary F1"),
)


def model_index(name: str, record: RunRecord, benchmark: str = "", revision: str = "") -> list[dict[str, Any]]:
    """The ``model-index`` of a card; values are fractions.

    Args:
        name: What the entry goes by; the next push of that name replaces it.
        record: The run's record.
        benchmark: Hub repository of the dataset; its plain name where empty.
        revision: Of that repository; empty where it is not known.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [
        EvalResult(
            task_type="image-segmentation",
            task_name="Semantic segmentation",
            dataset_type=benchmark or record.dataset,
            dataset_name=f"{record.dataset_title} {record.dataset_variant}",
            dataset_config=record.dataset_variant,
            dataset_split=record.split,
            dataset_revision=revision or None,
            dataset_args={"fingerprint": record.dataset_fingerprint},
            metric_type=kind,
            metric_value=value,
            metric_name=title,
            metric_args={"protocol": record.scores.protocol.name, "version": record.scores.protocol.version},
        )
        for score, kind, title in METRICS
        if (value := getattr(record.scores, score)) is not None
    ]
    index: list[dict[str, Any]] = eval_results_to_model_index(name, results)
    return index


def eval_results_file(record: RunRecord, benchmark: str = "", revision: str = "") -> str:
    """A file of ``.eval_results``: one variant of one dataset, an entry a metric."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=benchmark or record.dataset,
            task_id=kind,
            value=value,
            dataset_revision=revision or None,
            date=record.created,
            notes=_notes(record, record.scores),
        )
        for name, kind, _ in METRICS
        if (value := getattr(record.scores, name)) is not None
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=10_000)


def _notes(record: RunRecord, scores: Scores) -> str:
    return (
        f"segbench run {record.run_id}, {record.dataset_variant} {record.split}, {scores.num_images} images, protocol "
        f"{scores.protocol.name} {scores.protocol.version}, dataset fingerprint {record.dataset_fingerprint}"
    )
