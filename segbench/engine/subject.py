"""A network ready to be profiled: its weights, its input, one inference and one training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segbench.engine.compilation import compile_network
from segbench.engine.environment import Compute, choose_compute
from segbench.engine.loss import PixelCrossEntropy
from segbench.errors import UsageError
from segbench.models import create_model, find_model
from segbench.models.blocks import use_convolution
from segbench.models.folding import fold_batch_norm
from segbench.specs import ModelSpec

__all__ = ["Settings", "Subject", "create_subject"]


@dataclass(frozen=True)
class Settings:
    """What is measured, and how often.

    Attributes:
        size: Height and width of the input.
        batch: Images at once.
        device: As ``choose_compute`` takes it.
        precision: As ``choose_compute`` takes it.
        folded: Inference with batch normalisation folded into the convolutions.
        rounds: Timed passes of each network.
        seed: Of the weights, the input and the labels.
        process_memory: Measure the peaks of a process of its own, too.
        compiled: Run the networks through ``torch.compile``.
        config: Arguments of the models' factories beside ``num_classes``.
    """

    size: tuple[int, int] = (360, 480)
    batch: int = 1
    num_classes: int = 11
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    folded: bool = False
    rounds: int = 10
    seed: int = 0
    process_memory: bool = True
    compiled: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    def compute(self) -> Compute:
        """Device, precision and convolution on this machine."""
        return choose_compute(self.device, self.precision, compiled=self.compiled)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """What :meth:`to_json` gave."""
        return cls(**{**values, "size": tuple(values["size"])})


@dataclass(frozen=True)
class Subject:
    """A network with an input of noise.

    Attributes:
        address: What was asked for, which finds the network again in another process.
        spec: What it stands for.
        model: What is trained.
        inference: What infers: ``model`` itself, or a copy with batch normalisation folded.
        images: float32 [N, 3, H, W] in 0..255.
        labels: int64 [N, H, W].
    """

    address: str
    spec: ModelSpec
    model: nn.Module
    inference: nn.Module
    images: Tensor
    labels: Tensor
    compute: Compute
    loss: PixelCrossEntropy

    @property
    def name(self) -> str:
        """As records know it."""
        return self.spec.name

    @property
    def trainable(self) -> bool:
        """Whether there is anything that training could change."""
        return any(parameter.requires_grad for parameter in self.model.parameters())

    def infer(self) -> None:
        """One forward pass in evaluation mode without gradients."""
        self.inference.eval()
        with torch.no_grad(), self.compute.autocast():
            self.inference(self.images)

    def training_loss(self) -> Tensor:
        """The loss in training mode, with its graph."""
        self.model.train()
        with self.compute.autocast():
            logits = self.model(self.images)
        value: Tensor = self.loss(logits, self.labels)
        return value

    def train_step(self) -> None:
        """Forward, loss and backward; the gradients are dropped."""
        torch.autograd.backward(self.training_loss())
        self.drop_gradients()

    def drop_gradients(self) -> None:
        """Frees the gradients."""
        self.model.zero_grad(set_to_none=True)

    def directly(self, count: Callable[[nn.Module, Tensor], Any]) -> Any:
        """Calls ``count`` with the inferring network and the images.

        Convolutions are computed directly meanwhile, and nothing is compiled: what is counted is the network.
        """
        self.inference.eval()
        use_convolution(self.inference, "direct")
        try:
            with self.compute.autocast(), _uncompiled(self.compute):
                return count(self.inference, self.images)
        finally:
            use_convolution(self.inference, self.compute.convolution)


def _uncompiled(compute: Compute) -> AbstractContextManager[object]:
    return torch.compiler.set_stance("force_eager") if compute.compiled else nullcontext()


def create_subject(address: str, settings: Settings, compute: Compute) -> Subject:
    """A network with random weights, or one from outside as it is, and noise as its input.

    Raises:
        UnknownNameError: No network goes by that name or address.
        UsageError: The network does not take the size, or one from outside is not what it should be.
    """
    spec = find_model(address)
    _check_size(spec, settings)
    torch.manual_seed(settings.seed)
    model = create_model(spec, settings.num_classes, **settings.config).to(compute.device)
    use_convolution(model, compute.convolution)
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.batch, *settings.size)
    images = torch.rand(shape[0], 3, *settings.size, generator=generator) * 255
    labels = torch.randint(0, settings.num_classes, shape, generator=generator)
    inference = fold_batch_norm(model) if settings.folded else model
    if compute.compiled:
        for network in {id(model): model, id(inference): inference}.values():
            compile_network(network)
    return Subject(
        address,
        spec,
        model,
        inference,
        images.to(compute.device),
        labels.to(compute.device),
        compute,
        PixelCrossEntropy().to(compute.device),
    )


def _check_size(spec: ModelSpec, settings: Settings) -> None:
    name, least = spec.name, spec.min_size
    if min(settings.size) < least:
        height, width = settings.size
        raise UsageError(
            f"{name} takes images from {least}x{least}, not {height}x{width}.", f"Use --size {least}x{least} or more."
        )
