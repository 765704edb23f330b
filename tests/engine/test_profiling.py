"""Profiles of narrow networks: laws that hold on any machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from safetensors.torch import save_file

from segbench.engine import profiling
from segbench.engine.profiling import profile_models, weights_bytes
from segbench.engine.subject import Settings, Subject, create_subject
from segbench.engine.timing import WARM_UP_ROUNDS, interleaved_times
from segbench.errors import RecordError, UnknownNameError, UsageError
from segbench.leaderboard.profiles import _heading
from segbench.models import MODELS, create_model
from segbench.record import ProfileRecord, Timing, load_profile, profile_id, save_profile


def settings(**changes: Any) -> Settings:
    narrow: dict[str, Any] = {"size": (32, 48), "rounds": 2, "process_memory": False, "config": {"width": 8}}
    return Settings(**{**narrow, "device": "cpu", "num_classes": 5, **changes})


def profiled(name: str = "segnet-basic", **changes: Any) -> ProfileRecord:
    (record,) = profile_models([name], settings(**changes))
    return record


Value = TypeVar("Value")


def known(value: Value | None) -> Value:
    """What every network that torch computes and trains has."""
    assert value is not None
    return value


@pytest.mark.parametrize("name", list(MODELS))
def test_every_network_has_a_profile_and_keeps_the_laws(name: str) -> None:
    side = MODELS[name].min_size
    # What a decoder keeps at least is counted with maps in float32.
    record = profiled(name, size=(side, side + 32), rounds=3, precision="fp32")
    found = record.profile
    for timing in map(known, (found.forward, found.training_forward, found.backward)):
        assert 0 < timing.p50_ms <= timing.p95_ms
        assert timing.rounds == 3
    weights = 4 * found.parameters / 2**20
    assert weights < known(found.inference_memory_mib) <= known(found.training_memory_mib)
    assert known(found.multiply_adds) > 0
    assert found.decoder_memory is not None
    kept = found.decoder_memory
    assert kept.first_level_bytes <= kept.kept_bytes
    assert kept.first_level_least_bytes <= kept.least_bytes <= kept.kept_bytes
    assert record.profile_id == profile_id(record)


def test_what_is_counted_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = profiled(), profiled(precision="fp32")
    for name in ("parameters", "weights_bytes", "multiply_adds"):
        assert getattr(first.profile, name) == getattr(second.profile, name)
    assert first.created <= second.created
    assert first.profile_id != second.profile_id


def test_weights_are_those_of_the_file(tmp_path: Path) -> None:
    model = create_model("segnet-basic", 5, width=8)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "weights")
    assert weights_bytes(model) == (tmp_path / "weights").stat().st_size == profiled().profile.weights_bytes


def test_folding_leaves_multiply_adds_and_takes_weights_away() -> None:
    plain, folded = profiled().profile, profiled(folded=True).profile
    assert folded.multiply_adds == plain.multiply_adds
    assert folded.weights_bytes < plain.weights_bytes
    assert folded.parameters == plain.parameters


def test_two_images_take_twice_the_multiply_adds_and_kept_tensors() -> None:
    one, two = profiled().profile, profiled(batch=2).profile
    assert two.multiply_adds == 2 * known(one.multiply_adds)
    assert one.decoder_memory is not None and two.decoder_memory is not None
    assert two.decoder_memory.kept_bytes == 2 * one.decoder_memory.kept_bytes
    assert known(two.training_memory_mib) > known(one.training_memory_mib)


def test_half_precision_is_told() -> None:
    record = profiled(precision="bf16")
    assert (record.environment.precision, record.environment.convolution) == ("bf16", "direct")


@pytest.mark.slow
def test_a_process_needs_more_than_the_allocator_counts() -> None:
    found = profiled(process_memory=True).profile
    assert found.process_inference_mib is not None and found.process_training_mib is not None
    assert known(found.inference_memory_mib) < found.process_inference_mib <= found.process_training_mib


def test_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    infer = Subject.infer

    def watched(subject: Subject) -> None:
        order.append(subject.name)
        infer(subject)

    monkeypatch.setattr(Subject, "infer", watched)
    chosen = settings()
    names = ["segnet-basic", "fcn-basic", "bilinear-interpolation"]
    times = interleaved_times([create_subject(name, chosen, chosen.compute()) for name in names], 4)
    assert order == names * (WARM_UP_ROUNDS + 4)
    assert [len(found.forward) for found in times] == [4, 4, 4]


def test_records_name_all_that_took_turns() -> None:
    names = ["fcn-basic", "segnet-basic"]
    records = profile_models(names, settings())
    assert [(record.model, record.interleaved) for record in records] == [(name, names) for name in names]


def test_too_small_a_size_says_what_fits() -> None:
    with pytest.raises(UsageError, match=r"deconvnet takes images from 224x224, not 100x300\. Use --size 224x224"):
        profiled("deconvnet", size=(100, 300))


def test_a_batch_that_cannot_be_normalised_says_what_fits() -> None:
    with pytest.raises(UsageError, match=r"deconvnet cannot be trained on 1 image.* of 224x224: .*--batch 2"):
        profiled("deconvnet", size=(224, 224))
    assert profiled("deconvnet", size=(224, 224), batch=2).profile.multiply_adds


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean segnet-basic"):
        profiled("segnet-basik")


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(profiling, "interleaved_times", full)
    with pytest.raises(UsageError, match=r"do not fit into the device's memory\. Profile fewer models together"):
        profiled()


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_comes_back_and_a_changed_one_does_not(tmp_path: Path) -> None:
    record, path = profiled(), tmp_path / "profile.json"
    save_profile(path, record)
    assert load_profile(path) == record
    values = json.loads(path.read_text())
    values["profile"]["forward"]["p50_ms"] /= 2
    path.write_text(json.dumps(values))
    with pytest.raises(RecordError, match="not what was measured"):
        load_profile(path)


def test_a_median_above_the_95th_percentile_is_refused() -> None:
    with pytest.raises(ValueError, match="p50_ms is above p95_ms"):
        Timing(p50_ms=2, p95_ms=1, rounds=3)


def test_a_compiled_network_is_counted_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_compile = torch.nn.Module.compile
    # Traced as torch.compile does, without the minutes of its C++ compiler.
    monkeypatch.setattr(torch.nn.Module, "compile", lambda model: plain_compile(model, backend="eager"))
    monkeypatch.setattr("shutil.which", lambda name: name)
    plain, compiled = profiled(rounds=1), profiled(rounds=1, compiled=True)
    assert (plain.environment.compiled, compiled.environment.compiled) == (False, True)
    for name in ("parameters", "weights_bytes", "multiply_adds", "decoder_memory"):
        assert getattr(plain.profile, name) == getattr(compiled.profile, name)
    assert "torch.compile" in _heading(compiled)
    assert "torch.compile" not in _heading(plain)
    assert "width=8" in _heading(plain)


# --- networks from outside --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_from_a_file_is_profiled_in_a_process_of_its_own_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\ndef net(k):\n    return nn.Conv2d(3, k, 3, padding=1)\n")
    found = profiled("./net.py:net", config={}, process_memory=True)
    assert (found.model, found.paper_name, found.interleaved) == ("./net.py:net", "net.py:net", ["./net.py:net"])
    assert found.model_identity.startswith("sha256:")
    assert found.profile.parameters == 5 * (27 + 1)
    assert found.profile.multiply_adds == 32 * 48 * 5 * 27
    assert found.profile.process_training_mib is not None
    save_profile(tmp_path / "p.json", found)
    assert load_profile(tmp_path / "p.json") == found


def test_an_onnx_file_has_what_onnxruntime_tells(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from segbench.engine.export import Exporting, export_network

    network = create_model("bilinear-interpolation", 5, width=4)
    exported = export_network(Exporting("small", network, (32, 48)), tmp_path / "small.onnx", "onnx")
    found = profiled(f"onnx:{tmp_path}/small.onnx", config={}, rounds=3).profile
    assert (found.forward.rounds, found.weights_bytes) == (3, exported.num_bytes)
    assert found.parameters > 0.9 * sum(value.numel() for value in network.parameters())
    unknown = (found.training_forward, found.backward, found.training_memory_mib, found.multiply_adds)
    assert unknown == (None, None, None, None)


def test_profiles_of_registered_networks_have_no_word_of_an_identity() -> None:
    assert "model_identity" not in json.loads(profiled().model_dump_json())
