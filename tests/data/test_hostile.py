"""Hostile and damaged archives through the command: one line, exit code 2, and nothing written anywhere."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.cli import main
from segbench.data.preparation import find_prepared, prepare
from segbench.errors import CorruptImageError, DataError
from tests.data import camvid_miniature as miniature

Builder = Callable[[Path], Path]
FILES = miniature.tutorial()
IMAGE = f"CamVid/train/{miniature.IDS['train'][1]}.png"
LABEL = f"CamVid/valannot/{miniature.IDS['validation'][0]}.png"
TARS = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}


def zip_with(name: str, content: bytes = b"x", mode: int = 0) -> Builder:
    """The miniature and one member more."""

    def build(path: Path) -> Path:
        with zipfile.ZipFile(miniature.as_zip(FILES, path), "a", zipfile.ZIP_DEFLATED) as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
        return path

    return build


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", how: str = "tar") -> Builder:
    """The miniature and one member more."""

    def build(path: Path) -> Path:
        with tarfile.open(path, TARS[how]) as archive:  # type: ignore[call-overload]
            for member, content in FILES.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        return path

    return build


def damaged(build: Builder, change: Callable[[bytes], bytes]) -> Builder:
    """What ``build`` makes, with other bytes."""

    def build_damaged(path: Path) -> Path:
        path.write_bytes(change(build(path).read_bytes()))
        return path

    return build_damaged


def miniature_zip(path: Path) -> Path:
    return miniature.as_zip(FILES, path)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def flipped_member(content: bytes) -> bytes:
    """Another byte in the stored image, which the archive's checksum does not fit any more."""
    place = content.index(FILES[IMAGE]) + len(FILES[IMAGE]) // 2
    return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


HOSTILE: dict[str, tuple[Builder, str]] = {
    "zip: leads out": (zip_with("../../escaped"), "leads out of the archive"),
    "zip: leads out by backslashes": (zip_with("a\\..\\..\\escaped"), "leads out of the archive"),
    "zip: absolute": (zip_with("/tmp/escaped"), "is an absolute path"),
    "zip: absolute with a drive": (zip_with("C:\\escaped"), "is an absolute path"),
    "zip: link": (zip_with("CamVid/link", b"/etc/passwd", 0o120777), "is a link"),
    "zip: device": (zip_with("CamVid/device", b"", 0o020666), "is a device"),
    "zip: twice": (zip_with(f"./{IMAGE}"), "is there twice"),
    "zip: bomb": (zip_with("CamVid/bomb", bytes(100_000_000)), "would grow from"),
    "zip: truncated": (damaged(miniature_zip, cut), "damaged"),
    "zip: corrupt member": (damaged(miniature_zip, flipped_member), f"{IMAGE} is damaged"),
    "tar: leads out": (tar_with("../../escaped"), "leads out of the archive"),
    "tar: absolute": (tar_with("/tmp/escaped"), "is an absolute path"),
    "tar: link": (tar_with("CamVid/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "tar: hard link": (tar_with("CamVid/link", tarfile.LNKTYPE, "../../escaped"), "is a link"),
    "tar: device": (tar_with("CamVid/device", tarfile.CHRTYPE), "is a device"),
    "tar: pipe": (tar_with("CamVid/pipe", tarfile.FIFOTYPE), "is a device"),
    "tar: twice": (tar_with(f"./{IMAGE}"), "is there twice"),
    "tar: truncated": (damaged(tar_with("CamVid/last"), cut), "damaged"),
    "tar.gz: link": (tar_with("CamVid/link", tarfile.SYMTYPE, "/etc/passwd", "tar.gz"), "is a link"),
    "tar.gz: truncated": (damaged(tar_with("CamVid/last", how="tar.gz"), cut), "damaged"),
    "tar.xz: truncated": (damaged(tar_with("CamVid/last", how="tar.xz"), cut), "damaged"),
    "no archive": (damaged(miniature_zip, lambda content: b"<html>Not found</html>"), "is not an archive"),
    "nothing": (damaged(miniature_zip, lambda content: b""), "is not an archive"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_in_one_line_and_nothing_is_written(
    name: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, reason = HOSTILE[name]
    (tmp_path / "given").mkdir()
    archive = build(tmp_path / "given" / "release.archive")
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "camvid", "--partial", "--quiet", "--from", str(archive)])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith(f"Error: {archive}")
    assert reason in line
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]
    assert [path.name for path in written] == [".360x480-11.lock"]
    assert not Path("/tmp/escaped").exists()


def test_a_tar_bomb(home: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bomb", "w:gz") as archive:
        info = tarfile.TarInfo("CamVid/bomb")
        info.size = 120_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    with pytest.raises(DataError, match=r"member CamVid/bomb brings \d+ bytes of archive to 120000000"):
        prepare("camvid", sources=[tmp_path / "bomb"])


class TestCorruptImages:
    """Files of the release that cannot be decoded, in an archive that is whole."""

    def given(self, tmp_path: Path, name: str, content: bytes) -> Path:
        return miniature.as_zip({**FILES, name: content}, tmp_path / "release.zip")

    @pytest.mark.parametrize("name", [IMAGE, LABEL])
    @pytest.mark.parametrize("partial", [False, True])
    def test_it_is_named(self, home: Path, tmp_path: Path, name: str, partial: bool) -> None:
        archive = self.given(tmp_path, name, FILES[name][:-40])
        with pytest.raises(DataError) as caught:
            prepare("camvid", sources=[archive], partial=partial)
        if partial:
            assert isinstance(caught.value, CorruptImageError)
            assert str(caught.value).startswith(f"{name} is not a readable image: ")
            assert "--skip-corrupt 1" in str(caught.value)

    def test_the_command_leaves_it_out_where_it_may(
        self, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        archive = self.given(tmp_path, IMAGE, FILES[IMAGE][:-40])
        with pytest.raises(SystemExit) as ended:
            main(["prepare", "camvid", "--partial", "--from", str(archive), "--skip-corrupt", "1", "--quiet", "--json"])
        assert ended.value.code == 0
        manifest = find_prepared("camvid").manifest
        assert [(sample.id, sample.split) for sample in manifest.skipped] == [(miniature.IDS["train"][1], "train")]
        assert manifest.skipped[0].reason.startswith(f"{IMAGE} is not a readable image: ")
        assert manifest.counts == {"train": 1, "validation": 2, "test": 2}
        assert manifest.partial
        assert str(tmp_path) not in manifest.skipped[0].reason

    def test_a_picture_that_claims_to_be_huge(self, home: Path, tmp_path: Path) -> None:
        header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
        huge = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
        archive = self.given(tmp_path, IMAGE, huge + FILES[IMAGE][33:])
        with pytest.raises(CorruptImageError, match=r"is not a readable image: Image size .* exceeds limit"):
            prepare("camvid", sources=[archive], partial=True)
