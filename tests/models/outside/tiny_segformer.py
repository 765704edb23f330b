"""A SegFormer of 9,000 weights, as transformers saves one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

PROCESSOR = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_resize": True, "size": 512}
MEAN, DEVIATION = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)


def save(
    folder: Path, names: tuple[str, ...] = ("sky", "road", "car", "tree"), seed: int = 0, **processor: Any
) -> Path:
    """Saves a network that tells ``names`` apart, and its image processor."""
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    torch.manual_seed(seed)
    config = transformers.SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[4, 8, 8, 8],
        num_attention_heads=[1] * 4,
        decoder_hidden_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    transformers.utils.logging.disable_progress_bar()
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    values = PROCESSOR | {"image_mean": MEAN, "image_std": DEVIATION} | processor
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder
