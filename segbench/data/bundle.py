"""A prepared dataset as one file, for machines without a network.

The file is a plain tar, the same bytes for the same dataset: first ``bundle.json`` with the name, size and sha256 of
every other member, then ``manifest.json``, then the files that ``datasets.load_from_disk`` reads. A bundle that comes
in is a stranger: nothing of it is believed before it was read, and the dataset appears when all of it is right.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from segbench.atomic import dump_json, new_file, new_folder
from segbench.data.archive import Tree, open_tree
from segbench.data.disk import writing
from segbench.data.locks import making
from segbench.data.members import Limits, shown
from segbench.data.preparation import PreparedDataset, find_prepared, find_variant, prepared_folder
from segbench.data.verification import verify_folder
from segbench.errors import DataError, UsageError
from segbench.manifest import MANIFEST_FILE, Manifest
from segbench.progress import SILENT, Progress
from segbench.specs import DatasetSpec, VariantSpec

__all__ = ["INDEX_FILE", "Member", "export_bundle", "import_bundle"]

INDEX_FILE = "bundle.json"
KIND, SCHEMA = "segbench bundle", 1

STATE = re.compile(r"(train|validation|test)/state\.json")
SHARD = re.compile(r"data-\d{5}-of-\d{5}\.arrow")
MEMBER = re.compile(
    rf"manifest\.json|dataset_dict\.json|{STATE.pattern}|(train|validation|test)/(dataset_info\.json|{SHARD.pattern})"
)
LIMITS = Limits(members=100_000)
LARGEST_TEXT = 64 * 1024 * 1024
PIECE = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """A file of a bundle.

    Attributes:
        name: Relative to the folder of the dataset.
        size: In bytes.
        sha256: Of its content, hex.
    """

    name: str
    size: int
    sha256: str


# --- out --------------------------------------------------------------------------------------------------------------


def export_bundle(
    dataset: str, target: Path, variant: str | None = None, *, force: bool = False, progress: Progress = SILENT
) -> tuple[Manifest, list[Member]]:
    """Writes a prepared dataset to one file.

    Args:
        dataset: Registered name.
        target: The file; appears when it is complete.
        variant: Configuration; ``None`` means the default one.
        force: Replace ``target`` if it is there.
        progress: Told how far it is.

    Returns:
        The manifest of the dataset, and what the bundle holds.

    Raises:
        NotPreparedError: The dataset is not there.
        DataError: It is damaged, or the file cannot be written.
        UsageError: The file is there already.
    """
    prepared = find_prepared(dataset, variant)
    if target.exists() and not force:
        raise UsageError(f"{target} is there already.", "Add --force to replace it, or name another file.")
    names = _names(prepared)
    total = 2 * sum((prepared.folder / name).stat().st_size for name in names)
    with _writable(target), progress.task("export", total, "bytes") as bar:
        members = [_measured(prepared.folder, name, bar.advance) for name in names]
        with new_file(target) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, INDEX_FILE, io.BytesIO(_index(prepared.manifest, members)))
            for member in members:
                with (prepared.folder / member.name).open("rb") as handle:
                    _add(archive, member.name, handle)
                bar.advance(member.size)
    return prepared.manifest, members


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error.strerror}).",
            "Name a file in a folder that is yours, on a larger disk.",
        ) from error


def _names(prepared: PreparedDataset) -> list[str]:
    """The files of the dataset, the manifest first; what other programs left in the folder stays there."""
    found = (path.relative_to(prepared.folder).as_posix() for path in prepared.folder.rglob("*") if path.is_file())
    names = sorted(name for name in found if MEMBER.fullmatch(name))
    return sorted(names, key=lambda name: name != MANIFEST_FILE)


def _measured(folder: Path, name: str, advance: Any) -> Member:
    digest = hashlib.sha256()
    size = 0
    with (folder / name).open("rb") as handle:
        while piece := handle.read(PIECE):
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
    return Member(name, size, digest.hexdigest())


def _index(manifest: Manifest, members: list[Member]) -> bytes:
    values = {
        "kind": KIND,
        "schema": SCHEMA,
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "fingerprint": manifest.fingerprint,
        "licence": manifest.licence,
        "members": [asdict(member) for member in members],
    }
    return dump_json(values).encode()


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO) -> None:
    """Adds a file of which nothing but name, size and content is told: no time, no owner."""
    info = tarfile.TarInfo(name)
    info.size = content.seek(0, io.SEEK_END)
    info.mode = 0o644
    content.seek(0)
    archive.addfile(info, content)


# --- in ---------------------------------------------------------------------------------------------------------------


def import_bundle(
    dataset: str, path: Path, variant: str | None = None, *, force: bool = False, progress: Progress = SILENT
) -> PreparedDataset:
    """Makes a prepared dataset from a bundle; checks every byte before it appears.

    Args:
        dataset: Registered name.
        path: The bundle.
        variant: Configuration it has to be of; ``None``: whichever it is.
        force: Replace the dataset if it is prepared already.
        progress: Told how far it is.

    Raises:
        UnknownNameError: No such dataset or variant.
        DataError: No bundle, a damaged or hostile one, or one of another dataset.
        UsageError: The dataset is prepared already.
    """
    find_variant(dataset, variant)
    if not path.is_file():
        raise DataError(f"{path} is not a file.", "Give the file that 'segbench bundle export' wrote.")
    with open_tree(path, LIMITS) as tree:
        index = _read_index(tree)
        spec, configuration = _meant(path, index, dataset, variant)
        folder = prepared_folder(spec, configuration)
        with writing(folder), making(folder, progress):
            if (folder / MANIFEST_FILE).is_file() and not force:
                name = f"{dataset} {configuration.name}"
                raise UsageError(f"{name} is prepared already: {folder}.", "Add --force to replace it.")
            with new_folder(folder) as target:
                _unpack(tree, _members(path, tree, index), target, progress)
                manifest = _trusted(path, target, spec, configuration, progress)
    return PreparedDataset(folder, manifest, fresh=True)


def _read_index(tree: Tree) -> dict[str, Any]:
    if INDEX_FILE not in tree:
        _refuse(tree.path, f"it has no {INDEX_FILE}: it is no bundle", "segbench prepare --from reads other archives.")
    if tree.size(INDEX_FILE) > LARGEST_TEXT:
        _refuse(tree.path, f"its {INDEX_FILE} has {tree.size(INDEX_FILE)} bytes")
    try:
        values = json.loads(tree.read(INDEX_FILE))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{tree.path}: its {INDEX_FILE} is not JSON.") from error
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("schema") != SCHEMA:
        _refuse(tree.path, f"its {INDEX_FILE} is not of a {KIND} of schema {SCHEMA}")
    return values


def _meant(path: Path, index: Mapping[str, Any], dataset: str, variant: str | None) -> tuple[DatasetSpec, VariantSpec]:
    """The specs of what is to be imported, if the bundle says that it is that."""
    found = shown(f"{index.get('dataset')} {index.get('variant')}")
    spec, _ = find_variant(dataset)
    named = index.get("variant")
    if index.get("dataset") != dataset or named not in spec.variants or variant not in (None, named):
        raise DataError(f"{path} holds {found}, not {dataset}{f' {variant}' if variant else ''}.")
    return spec, spec.variants[str(named)]


def _members(path: Path, tree: Tree, index: Mapping[str, Any]) -> list[Member]:
    """What the index lists, if that is just what the archive holds and a dataset consists of."""
    try:
        members = [Member(str(entry["name"]), int(entry["size"]), str(entry["sha256"])) for entry in index["members"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: its {INDEX_FILE} does not list its members.") from error
    listed, there = [member.name for member in members], set(tree.names()) - {INDEX_FILE}
    if (odd := next((name for name in sorted(there) if name not in set(listed)), None)) is not None:
        _refuse(path, f"member {shown(odd)} is not in its {INDEX_FILE}")
    if len(set(listed)) < len(listed):
        _refuse(path, f"its {INDEX_FILE} lists a member twice")
    for name in listed:
        if not MEMBER.fullmatch(name):
            _refuse(path, f"member {shown(name)} is no file of a dataset")
        if name not in there:
            _refuse(path, f"member {shown(name)} is missing")
    if MANIFEST_FILE not in listed:
        _refuse(path, f"it has no {MANIFEST_FILE}")
    return members


def _unpack(tree: Tree, members: list[Member], target: Path, progress: Progress) -> None:
    with progress.task("import", sum(member.size for member in members), "bytes") as bar:
        for member in members:
            place = target / member.name
            place.parent.mkdir(exist_ok=True)
            with place.open("wb") as handle:
                for piece in _checked(tree, member):
                    handle.write(piece)
                    bar.advance(len(piece))
            _check_state(tree.path, target, member.name)


def _checked(tree: Tree, member: Member) -> Iterator[bytes]:
    """The content in pieces; the last one is followed by an error if it is not what the index says."""
    if tree.size(member.name) != member.size:
        _refuse(tree.path, f"{member.name} has {tree.size(member.name)} bytes, not {member.size}", AGAIN)
    digest = hashlib.sha256()
    for piece in tree.pieces(member.name):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != member.sha256:
        _refuse(tree.path, f"{member.name} is damaged: its sha256 is not the one in {INDEX_FILE}", AGAIN)


AGAIN = "Copy the bundle again, or export it again."


def _check_state(path: Path, target: Path, name: str) -> None:
    """A state file may name shards beside it only: ``datasets`` would open whatever it names."""
    if not STATE.fullmatch(name):
        return
    with _as_json(path, name):
        values = json.loads((target / name).read_bytes())
        files = [entry["filename"] for entry in values["_data_files"]]
    for file in files:
        if not (isinstance(file, str) and SHARD.fullmatch(file)):
            _refuse(path, f"{name} names the file {shown(f'{file}')}")


@contextmanager
def _as_json(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: {name} is not what a dataset has.") from error


def _trusted(path: Path, folder: Path, spec: DatasetSpec, variant: VariantSpec, progress: Progress) -> Manifest:
    """The manifest of what was unpacked, if the content is what it says."""
    found = verify_folder(folder, spec, variant, progress=progress)
    for check, finding in found.findings:
        # The same picture twice was so on the machine that made the bundle.
        if check != "duplicates":
            where = " ".join(filter(None, (finding.split, finding.id)))
            _refuse(path, f"{check}: {where}{': ' if where else ''}{finding.what}".replace(f"{folder}", "its content"))
    return found.manifest


def _refuse(path: Path, why: str, hint: str = "") -> NoReturn:
    raise DataError(f"{path}: {why}.", hint)
