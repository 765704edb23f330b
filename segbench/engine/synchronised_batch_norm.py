"""Batch normalisation over the images of all processes of a team, on every device (torch's own is for GPUs alone)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from segbench.engine.distributed import Team

__all__ = ["SynchronisedBatchNorm2d", "synchronise"]

_AXES = (0, 2, 3)


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """In a training step, mean and variance are those of the images of all processes.

    Where no gradients are made, as when statistics are measured again before evaluation, it is plain batch
    normalisation: these images are one process's own.
    """

    team: Team

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        if not self.training or not torch.is_grad_enabled():
            return super().forward(maps)
        normalised, mean, variance = _Normalisation.apply(  # type: ignore[no-untyped-call]
            maps, self.weight, self.bias, self.eps, self.team
        )
        self._follow(mean, variance)
        assert isinstance(normalised, Tensor)
        return normalised

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running averages."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Normalisation(Function):
    """Normalised maps, mean [C] and unbiased variance [C]; ``Ioffe and Szegedy 2015`` with sums over all processes."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, maps: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, team: Team
    ) -> tuple[Tensor, Tensor, Tensor]:
        values = maps.float()
        pixels = values.new_tensor([values.numel() / values.shape[1]])
        sums = _summed(torch.cat([values.sum(_AXES), pixels]), team)
        count = float(sums[-1])
        mean = sums[:-1] / count
        centred = values - _along(mean)
        variance = _summed(centred.square().sum(_AXES), team) / count
        inverse = (variance + eps).rsqrt()
        ctx.save_for_backward(maps, mean, inverse, weight)
        ctx.team, ctx.count = team, count
        normalised = centred * _along(inverse if weight is None else inverse * weight)
        if bias is not None:
            normalised += _along(bias)
        ctx.mark_non_differentiable(mean, variance)
        return normalised.to(maps.dtype), mean, variance * (count / max(count - 1, 1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        maps, mean, inverse, weight = ctx.saved_tensors
        outer = gradient.float()
        unit = (maps.float() - _along(mean)) * _along(inverse)
        # The gradients of weight and bias are of this process's images; DDP adds them up.
        for_bias, for_weight = outer.sum(_AXES), (outer * unit).sum(_AXES)
        both = _summed(torch.stack([for_bias, for_weight]), ctx.team) / ctx.count
        inner = outer - _along(both[0]) - unit * _along(both[1])
        scale = inverse if weight is None else inverse * weight
        for_maps = (inner * _along(scale)).to(maps.dtype)
        if weight is None:
            return for_maps, None, None, None, None
        return for_maps, for_weight, for_bias, None, None


def _along(values: Tensor) -> Tensor:
    return values[None, :, None, None]


def _summed(values: Tensor, team: Team) -> Tensor:
    """The sum over all processes, made in double precision."""
    total = values.double()
    team.add_up(total)
    return total.float()


def synchronise(model: nn.Module, team: Team) -> None:
    """Makes the batch normalisation of ``model`` see the images of all processes of a team."""
    for layer in model.modules():
        if type(layer) is nn.BatchNorm2d:
            # The layer stays the object it is: whatever refers to it, or to its parameters, still does.
            layer.__class__ = SynchronisedBatchNorm2d
            layer.team = team  # type: ignore[assignment]
