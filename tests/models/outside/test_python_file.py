"""``./file.py:factory``: what it stands for, what it becomes, and what is said when it is not what it should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from segbench.errors import UsageError
from segbench.models import create_model, find_model
from segbench.models.blocks import describe_preprocess

NETWORKS = """
from torch import nn
from beside import WIDTH

def good(num_classes, width=WIDTH):
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, num_classes, 1))

def half(num_classes):
    return nn.Conv2d(3, num_classes, 3, stride=2, padding=1)

def other_classes(num_classes):
    return nn.Conv2d(3, num_classes + 1, 1)

def no_module(num_classes):
    return [num_classes]

def raises(num_classes):
    raise ValueError("out of\\nwidth")

class InADict(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.only = nn.Conv2d(3, num_classes, 1)

    def forward(self, images):
        return {"out": self.only(images)}

class Views(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.only = nn.Conv1d(3, num_classes, 1)

    def forward(self, images):
        return self.only(images.view(len(images), 3, -1)).view(len(images), -1, *images.shape[2:])

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with ``nets/mine.py`` and what it imports."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.py").write_text(NETWORKS)
    (tmp_path / "nets" / "beside.py").write_text("WIDTH = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "never-first"))
    monkeypatch.delitem(__import__("sys").modules, "beside", raising=False)
    return tmp_path


def pictures() -> torch.Tensor:
    return 255 * torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(0))


def test_it_is_the_network_of_the_file(folder: Path) -> None:
    torch.manual_seed(0)
    model = create_model("./nets/mine.py:good", 5, width=6)
    torch.manual_seed(0)
    same = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 1))
    assert model.training
    assert torch.equal(model(pictures()), same(pictures()))
    assert describe_preprocess(model) == {"channels": "RGB", "range": [0, 255]}


@pytest.mark.parametrize("address", ["./nets/mine.py:good", "nets/mine.py:good", "{}/nets/mine.py:good"])
def test_it_goes_by_its_path_below_the_working_folder_and_by_its_sha256(folder: Path, address: str) -> None:
    spec = find_model(address.format(folder))
    assert (spec.name, spec.paper_name) == ("./nets/mine.py:good", "nets/mine.py:good")
    assert spec.identity == f"sha256:{hashlib.sha256(NETWORKS.encode()).hexdigest()}"


def test_what_lies_elsewhere_goes_by_its_own_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    spec = find_model("../nets/mine.py:good")
    assert spec.name == "./mine.py:good"
    assert str(folder) not in f"{spec.name} {spec.paper_name} {spec.source} {spec.summary} {spec.identity}"
    assert create_model(spec, 3)(pictures()).shape == (2, 3, 17, 23)


def test_nothing_is_run_to_find_it(folder: Path) -> None:
    (folder / "loud.py").write_text("raise SystemExit('was run')\n")
    assert find_model("./loud.py:net").name == "./loud.py:net"


def test_a_changed_file_is_another_network(folder: Path) -> None:
    before = find_model("./nets/mine.py:good")
    assert create_model(before, 3)(pictures()).shape[1] == 3
    file = folder / "nets" / "mine.py"
    file.write_text(file.read_text().replace("num_classes, 1))", "num_classes, 3, padding=1))"))
    after = find_model("./nets/mine.py:good")
    assert before.identity != after.identity
    weights = [value for value in create_model(after, 3).parameters() if value.ndim == 4]
    assert weights[1].shape[2:] == (3, 3)


def test_code_for_the_plain_memory_format_works(folder: Path) -> None:
    images = pictures().contiguous(memory_format=torch.channels_last)
    assert create_model("./nets/mine.py:Views", 4)(images).shape == (2, 4, 17, 23)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("./nets/mine.py", r"'./nets/mine.py' names no function of the file. Example: ./my_network.py:factory"),
        ("./nets/mine.py:a b", r"'./nets/mine.py:a b' names no function"),
        ("./none.py:net", r"There is no file ./none.py to take the model 'net' from"),
        ("./nets/mine.py:god", r"nets/mine.py defines no 'god'. Did you mean good\?"),
        ("./nets/mine.py:number", r"mine.py:number is an int, not a function or class"),
        ("./nets/mine.py:no_module", r"mine.py:no_module returned a list, not a torch.nn.Module"),
        ("./nets/mine.py:raises", r"mine.py:raises\(5\) raised ValueError: out of \(mine.py, line 18\)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        create_model(address, 5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (
            "half",
            r"mine.py:half returned logits of shape \(2, 5, 9, 12\) for images \(2, 3, 17, 23\). .*\[N, 5, H, W\]",
        ),
        ("other_classes", r"mine.py:other_classes returned logits of shape \(2, 6, 17, 23\)"),
        ("InADict", r"mine.py:InADict returned a dict for images"),
    ],
)
def test_logits_of_another_kind_are_refused(folder: Path, factory: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        create_model(f"./nets/mine.py:{factory}", 5)(pictures())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_that_name", r"net.py raised ModuleNotFoundError: No module named .* \(net.py, line 1\)"),
        ("def f(:", r"net.py raised SyntaxError: invalid syntax"),
        ("x = 1\nraise SystemExit(0)", r"net.py raised SystemExit: 0 \(net.py, line 2\)"),
    ],
)
def test_a_file_that_cannot_be_run(folder: Path, code: str, said: str) -> None:
    (folder / "net.py").write_text(code)
    with pytest.raises(UsageError, match=said):
        create_model("./net.py:f", 2)
