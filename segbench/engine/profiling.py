"""Profiles: what networks cost in weights, multiply-adds, time, memory and energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain

import safetensors.torch
import torch
from torch import nn

from segbench.engine.allocator import keep_freed_memory
from segbench.engine.decoder_memory import decoder_memory
from segbench.engine.energy import energy_per_pass
from segbench.engine.environment import describe
from segbench.engine.multiply_adds import multiply_adds
from segbench.engine.peak_memory import MIB, allocated_peak, tensor_bytes
from segbench.engine.process_memory import measure_process
from segbench.engine.subject import Settings, Subject, create_subject
from segbench.engine.timing import Times, interleaved_times
from segbench.errors import UsageError
from segbench.models.outside.onnx_network import OnnxNetwork
from segbench.progress import SILENT, Progress
from segbench.record import Profile, ProfileRecord, Timing, profile_id

__all__ = ["profile_models", "weights_bytes"]


def profile_models(names: Sequence[str], settings: Settings, progress: Progress = SILENT) -> list[ProfileRecord]:
    """Measures networks with random weights on seeded noise, in turn.

    All networks are on the device together; memory is that of each one alone.

    Args:
        names: Models or addresses, each once.
        settings: What is measured, and how often.

    Raises:
        UnknownNameError: No network goes by a name.
        UsageError: A network does not take the size, or there is too little memory.
    """
    compute = settings.compute()
    keep_freed_memory(compute.device)
    subjects = []
    for name in names:
        progress.message(f"Counting {name}")
        subjects.append(_tried(create_subject(name, settings, compute), settings))
    with _enough_memory(settings):
        times = interleaved_times(subjects, settings.rounds, progress)
        found = [_profile(one, taken, settings, progress) for one, taken in zip(subjects, times, strict=True)]
    names = [subject.name for subject in subjects]
    return [_record(one, profile, list(names), settings) for one, profile in zip(subjects, found, strict=True)]


def weights_bytes(model: nn.Module) -> int:
    """Size of the network's weights as a safetensors file, without a header of ours."""
    return len(safetensors.torch.save({name: value.cpu().contiguous() for name, value in model.state_dict().items()}))


def _tried(subject: Subject, settings: Settings) -> Subject:
    """The subject, once it was seen to infer and to train."""
    try:
        with _enough_memory(settings):
            subject.infer()
            if subject.trainable:
                subject.train_step()
    except ValueError as error:
        height, width = settings.size
        raise UsageError(
            f"{subject.name} cannot be trained on {settings.batch} image(s) of {height}x{width}: {error}.",
            "Use a larger --size or --batch 2.",
        ) from error
    return subject


@contextmanager
def _enough_memory(settings: Settings) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        height, width = settings.size
        raise UsageError(
            f"{settings.batch} image(s) of {height}x{width} do not fit into the device's memory.",
            "Profile fewer models together, or use a smaller --batch.",
        ) from error


def _profile(subject: Subject, times: Times, settings: Settings, progress: Progress) -> Profile:
    progress.message(f"Measuring memory of {subject.name}")
    forward, process, own = times.timing("forward"), _process_peaks(subject, settings), subject.model
    assert forward is not None
    if isinstance(own, OnnxNetwork):
        return _of_another_library(own, forward, process, subject)
    inference, training = _peaks(subject)
    return Profile(
        parameters=sum(value.numel() for value in subject.model.parameters()),
        weights_bytes=weights_bytes(subject.inference),
        multiply_adds=subject.directly(multiply_adds),
        forward=forward,
        training_forward=times.timing("training_forward"),
        backward=times.timing("backward"),
        inference_memory_mib=inference / MIB,
        training_memory_mib=None if training is None else training / MIB,
        process_inference_mib=process[0],
        process_training_mib=process[1],
        decoder_memory=subject.directly(decoder_memory),
        energy_j=energy_per_pass(lambda: _finished_inference(subject), subject.compute.device),
    )


def _of_another_library(
    network: OnnxNetwork, forward: Timing, process: tuple[float | None, float | None], subject: Subject
) -> Profile:
    """What can be said of a network that torch does not compute."""
    return Profile(
        parameters=network.stored_values,
        weights_bytes=network.num_bytes,
        multiply_adds=None,
        forward=forward,
        training_forward=None,
        backward=None,
        inference_memory_mib=None,
        training_memory_mib=None,
        process_inference_mib=process[0],
        process_training_mib=None,
        decoder_memory=None,
        energy_j=energy_per_pass(lambda: _finished_inference(subject), subject.compute.device),
    )


def _peaks(subject: Subject) -> tuple[int, int | None]:
    """Bytes of inference and of a training step at their worst moments, with what they start from."""
    data = (subject.images, subject.labels)
    inference, training = (
        tensor_bytes(chain(model.parameters(), model.buffers(), data)) for model in (subject.inference, subject.model)
    )
    device = subject.compute.device
    inference += allocated_peak(subject.infer, device)
    return inference, training + allocated_peak(subject.train_step, device) if subject.trainable else None


def _process_peaks(subject: Subject, settings: Settings) -> tuple[float | None, float | None]:
    if not settings.process_memory:
        return None, None
    return measure_process({"model": subject.address, **settings.to_json()}, torch.get_num_threads())


def _finished_inference(subject: Subject) -> None:
    subject.infer()
    if subject.compute.device.type == "cuda":
        torch.cuda.synchronize(subject.compute.device)


def _record(subject: Subject, profile: Profile, names: list[str], settings: Settings) -> ProfileRecord:
    record = ProfileRecord(
        profile_id="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=subject.name,
        model_identity=subject.spec.identity,
        paper_name=subject.spec.paper_name,
        size=settings.size,
        batch=settings.batch,
        num_classes=settings.num_classes,
        config=dict(settings.config),
        folded=settings.folded,
        seed=settings.seed,
        interleaved=names,
        profile=profile,
        environment=describe(subject.compute),
    )
    return record.model_copy(update={"profile_id": profile_id(record)})
