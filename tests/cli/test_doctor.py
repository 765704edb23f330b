"""``segbench doctor`` says what there is, marks what is wrong, and never tells a secret."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Segbench

SECRET = "hf_" + "s" * 34


def checks(out: str) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in json.loads(out)["checks"]}


def test_the_report(segbench: Segbench, toy_dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.engine.environment import choose_compute

    monkeypatch.setenv("HF_TOKEN", SECRET)
    segbench("prepare", "toy", "--quiet")
    code, out, err = segbench("doctor", "--json")
    found = checks(out)
    assert (code, err) == (0, "")
    assert SECRET not in out
    assert found["Hugging Face token"]["value"] == "present"
    assert found["toy small"]["value"] == "prepared, 3 / 2 images"
    assert str(found["precision"]["value"]).startswith(choose_compute().precision)
    assert "torch 2" in str(found["versions"]["value"])
    assert {"processor", "instruction sets", "device", "threads", "convolution", "disk: data"} <= {*found}


def test_what_is_wrong_is_marked_and_no_failure(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("no torch here")

    monkeypatch.setattr("segbench.engine.environment.choose_compute", broken)
    monkeypatch.setattr("segbench.cli.doctor.LITTLE_DISK", 1 << 62)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    code, out, _ = segbench("doctor", "--json")
    found = checks(out)
    assert (code, json.loads(out)["ok"]) == (0, False)
    assert found["compute"] == {"name": "compute", "value": "ImportError: no torch here", "good": False}
    assert not found["disk: data"]["good"]
    assert str(found["Hugging Face token"]["value"]).startswith("not present")
    lines = segbench("doctor").out.splitlines()
    marked = [line for line in lines if line.startswith("!")]
    assert len(marked) == sum(not check["good"] for check in found.values())
    assert lines[-1] == f"{len(marked)} of {len(found)} lines are marked with '!'."


def test_an_address_is_shown_without_the_password_in_it(segbench: Segbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"https://user:{SECRET}@hub.example/base/?token={SECRET}")
    code, out, err = segbench("doctor", "--json")
    assert code == 0 and SECRET not in out + err and "user" not in out
    assert checks(out)["Hugging Face Hub"]["value"] == "https://hub.example/base"


@pytest.mark.parametrize(
    ("most", "line"),
    [
        ("20", "at most 20 training steps (SEGBENCH_MAX_ITERATIONS)"),
        ("few", "UsageError: SEGBENCH_MAX_ITERATIONS='few'"),
    ],
)
def test_runs_that_would_be_cut_are_marked(
    segbench: Segbench, monkeypatch: pytest.MonkeyPatch, most: str, line: str
) -> None:
    monkeypatch.setenv("SEGBENCH_MAX_ITERATIONS", most)
    found = checks(segbench("doctor", "--json").out)
    ((value, good),) = [(str(one["value"]), one["good"]) for name, one in found.items() if name.startswith("run")]
    assert value.startswith(line) and not good


@pytest.mark.parametrize(
    ("device", "precision", "features", "expected"),
    [
        ("cuda", "bf16", [], "this GPU multiplies"),
        ("cpu", "bf16", ["amx_bf16", "avx512_bf16"], "AMX multiplies"),
        ("cpu", "bf16", ["avx512_bf16"], "AVX-512 BF16 takes half the time"),
        ("cpu", "fp32", ["avx512_bf16"], "no instructions"),
    ],
)
def test_the_reason_for_a_precision_names_what_is_there(
    device: str, precision: str, features: list[str], expected: str
) -> None:
    from segbench.cli.doctor import _why

    assert expected in _why(device, precision, features)
