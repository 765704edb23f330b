"""Training steps and inference of SegNet and SegNet-Basic as segbench runs them, against the same networks, plain.

A step is forward, loss, backward and optimizer. segbench's has the precision, layout and convolution that
``choose_compute`` picks on this machine, and infers as it is and with batch normalisation folded; the plain one is
float32 in torch's default layout, with ``nn.Conv2d``, ``nn.MaxPool2d(return_indices=True)`` and ``nn.MaxUnpool2d``.
Rounds are interleaved and medians taken; both networks get the same weights, and their logits are compared first. The
peak of a training step is what torch's allocator held, without the optimizer's state; it is measured with activation
checkpointing, too. Pooling and unpooling with indices are timed by themselves against torch's pair with int64 indices,
forward and backward, on maps of the first level in the precision and layout that segbench trains in.
Run: python tests/bench/training_speed.py [--model NAME] [--size HxW] [--batch N] [--rounds N] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[2]))

from segbench.engine.allocator import keep_freed_memory
from segbench.engine.checkpointing import checkpoint_chains
from segbench.engine.environment import Compute, choose_compute, describe
from segbench.engine.loss import PixelCrossEntropy
from segbench.engine.peak_memory import MIB, allocated_peak, tensor_bytes
from segbench.models import create_model
from segbench.models.blocks import use_convolution
from segbench.models.folding import fold_batch_norm
from segbench.models.index_pooling import index_pool, index_unpool

CLASSES = 11
WIDTH = 64
ROUNDS = 5
# Median difference of the logits in units of their standard deviation: what the precisions are good for. A near-tie of
# the pooling that falls the other way moves some logits by more than rounding does, hence the median.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.4}
DIRECT = {
    "aten::mkldnn_convolution",
    "aten::convolution_backward",
    "aten::cudnn_convolution",
    "aten::thnn_conv2d",
    "aten::_slow_conv2d_forward",
    "aten::_slow_conv2d_backward",
}
FOURIER = {"_DftConvolution", "_DftConvolutionBackward"}

Step = Callable[[], object]


class Plain(nn.Module):
    """An encoder-decoder with torch's own pooling and int64 indices."""

    encoders: nn.ModuleList
    decoders: nn.ModuleList
    classifier: nn.Conv2d

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)

    def normalise(self, images: Tensor) -> Tensor:
        """What the first convolution sees."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in 0..255 to logits [N, 11, H, W]."""
        maps, kept = self.normalise(images), []
        for encoder in self.encoders:
            maps = encoder(maps)
            size = maps.shape[2:]
            maps, indices = self.pool(maps)
            kept.append((indices, size))
        for decoder in self.decoders:
            indices, size = kept.pop()
            maps = decoder(self.unpool(maps, indices, output_size=size))
        logits: Tensor = self.classifier(maps)
        return logits


class PlainSegNetBasic(Plain):
    """SegNet-Basic as one would write it down, parameters in the order of segbench's."""

    def __init__(self) -> None:
        super().__init__()
        self.response = nn.LocalResponseNorm(5, 1e-4, 0.75, k=1)
        channels = [3, *[WIDTH] * 4]
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 7, padding=3), nn.BatchNorm2d(b), nn.ReLU()) for a, b in pairwise(channels)
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 7, padding=3), nn.BatchNorm2d(WIDTH)) for _ in range(4)
        )
        self.classifier = nn.Conv2d(WIDTH, CLASSES, 1)

    def normalise(self, images: Tensor) -> Tensor:
        """As released."""
        normalised: Tensor = self.response(images)
        return normalised


class PlainSegNet(Plain):
    """SegNet as one would write it down, parameters in the order of segbench's."""

    def __init__(self) -> None:
        super().__init__()
        down = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
        up = ((512, 512, 512, 512), (512, 512, 512, 256), (256, 256, 256, 128), (128, 128, 64), (64, 64))
        self.encoders = nn.ModuleList(plain_chain(channels) for channels in down)
        self.decoders = nn.ModuleList(plain_chain(channels) for channels in up)
        self.classifier = nn.Conv2d(64, CLASSES, 3, padding=1)

    def normalise(self, images: Tensor) -> Tensor:
        """BGR, as released."""
        return images.flip(1)


def plain_chain(channels: tuple[int, ...]) -> nn.Sequential:
    """3x3 convolutions, each with BN and ReLU."""
    layers = [(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in pairwise(channels)]
    return nn.Sequential(*(part for layer in layers for part in layer))


PLAIN: dict[str, Callable[[], nn.Module]] = {"segnet-basic": PlainSegNetBasic, "segnet": PlainSegNet}


def networks(name: str, compute: Compute) -> tuple[nn.Module, nn.Module]:
    """segbench's network and the plain one, with the same weights."""
    torch.manual_seed(0)
    ours = create_model(name, CLASSES).to(compute.device)
    # At its random start a deep network with BN and ReLU enlarges any difference by a factor of 1.2 a layer. Shifted,
    # most values pass the ReLUs and differences stay as they are.
    for part in ours.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.constant_(part.bias, 2)
    use_convolution(ours, compute.convolution)
    plain = PLAIN[name]().to(compute.device)
    names = plain.state_dict().keys()
    plain.load_state_dict({name: value.clone() for name, value in zip(names, ours.state_dict().values(), strict=True)})
    return ours, plain


def batch(size: tuple[int, int], count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Smooth noise in 0..255 and labels in blocks, some of them void."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, size[0] // 8 + 1, size[1] // 8 + 1, generator=generator) * 255
    images = nn.functional.interpolate(coarse, size=size, mode="bilinear")
    blocks = torch.randint(0, CLASSES + 1, (count, 1, 6, 8), generator=generator).float()
    labels = nn.functional.interpolate(blocks, size=size, mode="nearest")[:, 0].long()
    return images.to(device), labels.masked_fill(labels == CLASSES, 255).to(device)


def logits_differ_by(ours: nn.Module, plain: nn.Module, images: Tensor, compute: Compute) -> float:
    """Median difference over the standard deviation of the plain logits, both in training mode."""
    with torch.no_grad():
        exact = plain(images)
        with compute.autocast():
            found = ours(images)
    return float((found.float() - exact).abs().median() / exact.std())


def our_step(model: nn.Module, images: Tensor, labels: Tensor, compute: Compute) -> Step:
    """A step as the training loop takes it."""
    loss = PixelCrossEntropy().to(compute.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> float:
        with compute.autocast():
            logits = model(images)
        value: Tensor = loss(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        optimizer.step()
        return value.item()

    return step


def plain_step(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    """The same step, plainly."""
    loss = nn.CrossEntropyLoss(ignore_index=255)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad()
        value: Tensor = loss(model(images), labels)
        torch.autograd.backward(value)
        optimizer.step()
        return value.item()

    return step


def our_inference(model: nn.Module, images: Tensor, compute: Compute) -> Step:
    """A forward pass in evaluation mode."""

    def infer() -> float:
        with torch.no_grad(), compute.autocast():
            logits: Tensor = model.eval()(images)
        return logits[0, 0, 0, 0].item()

    return infer


def plain_inference(model: nn.Module, images: Tensor) -> Step:
    """The same, plainly."""

    def infer() -> float:
        with torch.no_grad():
            logits: Tensor = model.eval()(images)
        return logits[0, 0, 0, 0].item()

    return infer


def in_training(model: nn.Module, step: Step) -> Step:
    """The step in training mode, whatever was measured before."""

    def train() -> object:
        model.train()
        return step()

    return train


def training_memory(model: nn.Module, step: Step, compute: Compute) -> float:
    """MiB at the worst moment of a step, weights included, gradients made anew, the optimizer's state left out."""
    model.zero_grad(set_to_none=True)
    weights = tensor_bytes((*model.parameters(), *model.buffers()))
    return (weights + allocated_peak(step, compute.device)) / MIB


def seconds(step: Step) -> float:
    """One step; its value is read at the end, so that a GPU has finished too."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def medians(steps: list[Step], rounds: int) -> list[float]:
    """Median seconds of each step over interleaved rounds, after one that does not count."""
    taken = [[seconds(step) for step in steps] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def pooling_pairs(size: tuple[int, int], count: int, compute: Compute) -> tuple[Step, Step]:
    """Pooling and unpooling of 64 maps, forward and backward: segbench's, and torch's with int64 indices."""
    dtype = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(count, WIDTH, *size, generator=generator).to(compute.device, dtype)
    maps = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    upstream, unpool = torch.ones_like(maps), nn.MaxUnpool2d(2, 2)

    def ours() -> float:
        pooled, positions = index_pool(maps)
        return backwards(index_unpool(pooled, positions, size))

    def torchs() -> float:
        pooled, indices = nn.functional.max_pool2d(maps, 2, 2, ceil_mode=True, return_indices=True)
        return backwards(unpool(pooled, indices, output_size=size))

    def backwards(unpooled: Tensor) -> float:
        (gradient,) = torch.autograd.grad(unpooled, maps, upstream)
        return gradient[0, 0, 0, 0].item()

    return ours, torchs


def convolution_share(step: Step, compute: Compute) -> float:
    """The part of a step's processor (or GPU) time that convolutions take."""
    cuda = compute.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiled:
        step()
    events = profiled.key_averages()
    kind = "device" if cuda else "cpu"
    whole = sum(getattr(event, f"self_{kind}_time_total") for event in events)
    # A Fourier convolution is a function of its own: what it calls belongs to it.
    direct = sum(getattr(event, f"self_{kind}_time_total") for event in events if event.key in DIRECT)
    fourier = sum(getattr(event, f"{kind}_time_total") for event in events if event.key in FOURIER)
    return float((direct + fourier) / whole)


def side(text: str) -> tuple[int, int]:
    """``HxW`` as two numbers."""
    height, _, width = text.partition("x")
    return int(height), int(width)


def options(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(PLAIN), action="append", help="one alone (all)")
    parser.add_argument("--size", type=side, default=(360, 480), metavar="HxW", help="of the images (360x480)")
    parser.add_argument("--batch", type=int, default=4, metavar="N", help="images a step (4)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"timed steps of each ({ROUNDS})")
    parser.add_argument("--threads", type=int, metavar="N", help="of one operation (torch's choice)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 1 where the networks disagree."""
    chosen = options(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    compute = choose_compute()
    keep_freed_memory(compute.device)
    machine = describe(compute)
    print(f"{machine.cpu}, {machine.threads} threads, {' '.join(machine.features) or 'no known features'}")
    print(f"device {machine.device}, torch {machine.versions['torch']}: {compute.precision}, {compute.convolution}")
    agree = [measured(name, chosen, compute) for name in chosen.model or PLAIN]
    pooling(chosen, compute)
    return 0 if all(agree) else 1


def measured(name: str, chosen: argparse.Namespace, compute: Compute) -> bool:
    """Prints the figures of one network; whether the two forms agree."""
    print(f"\n{name}, {chosen.batch} images of {chosen.size[0]}x{chosen.size[1]}")
    ours, plain = networks(name, compute)
    images, labels = batch(chosen.size, chosen.batch, compute.device)
    difference = logits_differ_by(ours, plain, images, compute)
    agree = difference <= TOLERANCE[compute.precision]
    show("logits differ by", f"{difference:.2e}", f"standard deviations (median): {'agree' if agree else 'DISAGREE'}")
    steps = [
        in_training(ours, our_step(ours, images, labels, compute)),
        in_training(plain, plain_step(plain, images, labels)),
    ]
    infers = [
        our_inference(ours, images, compute),
        plain_inference(plain, images),
        our_inference(fold_batch_norm(ours), images, compute),
    ]
    here, there, infer, plain_infer, folded = (chosen.batch / found for found in medians(steps + infers, chosen.rounds))
    show("training images/s", f"{here:.2f}", f"plain fp32 {there:.2f}, ratio {here / there:.2f}")
    show("inference images/s", f"{infer:.2f}", f"plain fp32 {plain_infer:.2f}, ratio {infer / plain_infer:.2f}")
    show("inference, BN folded", f"{folded:.2f}", f"ratio {folded / plain_infer:.2f}")
    shares = [convolution_share(step, compute) for step in steps]
    show("share of convolution", f"{shares[0]:.1%}", f"plain {shares[1]:.1%}")
    peaks = [training_memory(model, step, compute) for model, step in zip((ours, plain), steps, strict=True)]
    show("training peak, MiB", f"{peaks[0]:.0f}", f"plain {peaks[1]:.0f}, ratio {peaks[0] / peaks[1]:.2f}")
    checkpoint_chains(ours)
    peak = training_memory(ours, steps[0], compute)
    show("with checkpointing, MiB", f"{peak:.0f}", f"ratio {peak / peaks[1]:.2f}")
    return agree


def pooling(chosen: argparse.Namespace, compute: Compute) -> None:
    """Prints what pooling and unpooling with indices takes."""
    print(f"\npooling and unpooling, {chosen.batch} x {WIDTH} maps of {chosen.size[0]}x{chosen.size[1]}")
    here, there = medians(list(pooling_pairs(chosen.size, chosen.batch, compute)), max(chosen.rounds, ROUNDS))
    show("forward and backward, ms", f"{1000 * here:.1f}", f"int64 pair {1000 * there:.1f}, ratio {there / here:.2f}")


def show(what: str, value: str, beside: str) -> None:
    """A line of the report."""
    print(f"{what:24} {value:>10}  {beside}")


if __name__ == "__main__":
    sys.exit(main())
