"""The fingerprint is that of ids and pixels: whatever encodes them, one pixel more or less is another dataset."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segbench.data.fingerprint import SplitHash, combine, label_line, labels_digest, sample_digest
from segbench.data.preparation import prepare
from segbench.data.sample import Sample
from segbench.data.verification import verify_folder
from tests.data import toy


def reencoded(sample: Sample, level: int, mode: str) -> Sample:
    """The same pixels in another PNG: another compression, with alpha or a palette where that is lossless."""
    pixels = np.array(Image.open(io.BytesIO(sample.image)))
    picture = Image.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=level)
    return replace(sample, image=buffer.getvalue())


def fingerprint_of(samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> str:
    """Of these training samples, prepared into a folder and read again from it."""
    with TemporaryDirectory() as home:
        monkeypatch.setenv("SEGBENCH_HOME", home)
        toy.replacement[:] = [replace(toy.ordinary(), groups={"train": samples})]
        prepared = prepare("toy", jobs=1)
        found = verify_folder(Path(prepared.folder), toy.SPEC, toy.VARIANT)
    assert found.ok
    assert found.fingerprint == prepared.manifest.fingerprint
    return found.fingerprint


@pytest.mark.usefixtures("toy_dataset")
class TestPreparedFolders:
    @settings(max_examples=8)
    @given(levels=st.lists(st.integers(0, 9), min_size=3, max_size=3), mode=st.sampled_from(["RGB", "RGBA"]))
    def test_another_encoding_is_the_same_dataset(self, levels: list[int], mode: str) -> None:
        samples = [toy.sample(position) for position in range(3)]
        others = [reencoded(one, level, mode) for one, level in zip(samples, levels, strict=True)]
        with pytest.MonkeyPatch.context() as patch:
            assert fingerprint_of(others, patch) == fingerprint_of(samples, patch)

    @settings(max_examples=12)
    @given(data=st.data())
    def test_one_label_pixel_makes_another_dataset(self, data: Any) -> None:
        samples = [toy.sample(position) for position in range(3)]
        which = data.draw(st.integers(0, 2))
        label = samples[which].label
        assert label is not None
        row, column = (data.draw(st.integers(0, side - 1)) for side in label.shape)
        changed = label.copy()
        changed[row, column] = data.draw(st.sampled_from([v for v in (0, 1, 2, 255) if v != label[row, column]]))
        others = [replace(one, label=changed) if place == which else one for place, one in enumerate(samples)]
        with pytest.MonkeyPatch.context() as patch:
            assert fingerprint_of(others, patch) != fingerprint_of(samples, patch)

    def test_the_value_is_pinned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        samples = [toy.sample(position) for position in range(3)]
        inner = [
            hashlib.sha256(
                f"toy_00{place}\n{size[0]}x{size[1]}\n".encode()
                + toy.pixels(place, size).tobytes()
                + toy.label(place, size).tobytes()
            ).digest()
            for place, size in enumerate(toy.SIZES)
        ]
        train = hashlib.sha256(b"segbench split 1\n" + b"".join(inner)).hexdigest()
        expected = hashlib.sha256(f"segbench dataset 1\ntrain {train}\n".encode()).hexdigest()
        assert fingerprint_of(samples, monkeypatch) == expected


def test_order_and_ids_count() -> None:
    first, second = (sample_digest(name, toy.pixels(0, (4, 6)), toy.label(0, (4, 6))) for name in ("a", "b"))
    assert first != second

    def of(*digests: bytes) -> str:
        content = SplitHash()
        for digest in digests:
            content.add_digest(digest)
        return content.hexdigest()

    assert len({of(first, second), of(second, first), of(first), of()}) == 4
    assert combine({"train": of(first), "test": of(second)}) != combine({"test": of(first), "train": of(second)})


def test_a_sample_without_a_label_is_another_one() -> None:
    image, label = toy.pixels(0, (4, 6)), toy.label(0, (4, 6))
    assert sample_digest("a", image, None) != sample_digest("a", image, label)


def test_the_digest_of_labels_knows_no_order() -> None:
    lines = [label_line(f"toy_{position}", toy.label(position, (4, 6))) for position in range(4)]
    assert lines[0].startswith("toy_0 4x6 ")
    assert labels_digest(lines) == labels_digest(lines[::-1]) != labels_digest(lines[1:])
    assert labels_digest(lines) == hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
