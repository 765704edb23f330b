"""Predicted label maps of a split in one zip: indexed PNG named by image, the same bytes every time."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segbench.atomic import new_file
from segbench.errors import DataError, RecordError
from segbench.leaderboard.indexed_png import encode_label_map
from segbench.specs import Colour

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "LabelMap",
    "PredictionsWriter",
    "prediction_ids",
    "read_prediction",
    "read_predictions",
    "stored_palette",
]

LabelMap = NDArray[np.uint8]

_ENDING = ".png"
_DAY_ONE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_SPOOL_BYTES = 4 << 20


class PredictionsWriter:
    """Writes label maps one at a time; the file appears, complete and sorted, when the block ends well.

    >>> with PredictionsWriter(path, palette) as writer:
    ...     writer.add("frame-1", prediction)

    Maps wait in compressed form, on disk beyond a few MiB, so memory does not grow with their number.

    Args:
        path: The zip file.
        palette: RGB colour of each class.
    """

    def __init__(self, path: Path, palette: Sequence[Colour]) -> None:
        self.path = path
        self.palette = palette
        self._places: dict[str, tuple[int, int]] = {}
        self._file = self._spooled()
        self._spool: IO[bytes] | None = None

    @property
    def ids(self) -> list[str]:
        """Names of the images so far, in the order they came."""
        return list(self._places)

    def __enter__(self) -> PredictionsWriter:
        self._spool = self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._spool = None
        return self._file.__exit__(kind, error, trace)

    def add(self, image_id: str, prediction: LabelMap) -> None:
        """Takes one label map.

        Args:
            image_id: Name of the image, once.
            prediction: Class ids, uint8 [H,W].

        Raises:
            DataError: The name came before or cannot be a file name, or the map is no uint8 [H,W].
        """
        assert self._spool is not None, "add() belongs into the with block"
        _check(image_id, prediction, self._places)
        data = encode_label_map(prediction, self.palette)
        self._places[image_id] = (self._spool.tell(), len(data))
        self._spool.write(data)

    def _spooled(self) -> AbstractContextManager[IO[bytes]]:
        return _zipped(self.path, self._places)


@contextmanager
def _zipped(path: Path, places: dict[str, tuple[int, int]]) -> Iterator[IO[bytes]]:
    """Yields a spool; what lies at ``places`` in it becomes the sorted zip ``path`` if the block succeeds."""
    with new_file(path) as temporary, tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        yield spool
        with zipfile.ZipFile(temporary, "w") as archive:
            for image_id, (start, length) in sorted(places.items()):
                spool.seek(start)
                archive.writestr(_entry(image_id), spool.read(length))


def _entry(image_id: str) -> zipfile.ZipInfo:
    """A zip entry that says nothing of when and where it was written; PNG is compressed already."""
    entry = zipfile.ZipInfo(image_id + _ENDING, _DAY_ONE)
    entry.create_system = _UNIX
    entry.external_attr = 0o644 << 16
    return entry


def _check(image_id: str, prediction: LabelMap, known: dict[str, tuple[int, int]]) -> None:
    steps = PurePosixPath(image_id).parts
    if not image_id.isprintable() or not steps or steps[0] == "/" or ".." in steps or "\\" in image_id:
        raise DataError(f"The image name {image_id!r} cannot be a file name.", "Rename the image.")
    if image_id in known:
        raise DataError(f"Image {image_id} was predicted twice.", "Give each image a name of its own.")
    if prediction.dtype != np.uint8 or prediction.ndim != 2 or not prediction.size:
        raise DataError(
            f"The prediction of {image_id} is {prediction.dtype} of shape {prediction.shape}, not uint8 height x width."
        )


def prediction_ids(path: Path) -> list[str]:
    """Names of the images in a file of predictions, sorted.

    Raises:
        RecordError: The file is missing, no zip, or holds something else.
    """
    with _opened(path) as archive:
        return _ids(path, archive)


def read_predictions(path: Path) -> Iterator[tuple[str, LabelMap]]:
    """Yields name and class ids, uint8 [H,W], of each image, sorted by name.

    Raises:
        RecordError: The file is missing, damaged, or holds something else; names the file and the entry.
    """
    with _opened(path) as archive:
        for image_id in _ids(path, archive):
            yield image_id, _label_map(path, image_id + _ENDING, archive)


def read_prediction(path: Path, image_id: str) -> LabelMap:
    """Class ids, uint8 [H,W], of one image.

    Raises:
        RecordError: The file is missing, damaged, or does not hold the image.
    """
    with _opened(path) as archive:
        if image_id not in _ids(path, archive):
            raise RecordError(f"Predictions {path} do not hold {image_id}.")
        return _label_map(path, image_id + _ENDING, archive)


def stored_palette(path: Path) -> list[Colour]:
    """The RGB colours the label maps are drawn in, by class id; empty where there is no map.

    Raises:
        RecordError: The file is missing, damaged, or holds something else.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        if not names:
            return []
        with _image(path, names[0], archive) as image:
            values = image.getpalette() or []
    return list(zip(values[0::3], values[1::3], values[2::3], strict=True))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise RecordError(f"Cannot read predictions {path}: {error.strerror or error}.") from error
    except zipfile.BadZipFile as error:
        raise RecordError(f"Predictions {path} are damaged: {error}.") from error
    with archive:
        yield archive


def _ids(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    for name in names:
        if not name.endswith(_ENDING):
            raise RecordError(f"Predictions {path} hold {name}, which is no PNG.")
    return sorted(name.removesuffix(_ENDING) for name in names)


def _label_map(path: Path, name: str, archive: zipfile.ZipFile) -> LabelMap:
    with _image(path, name, archive) as image:
        return np.asarray(image, np.uint8)


@contextmanager
def _image(path: Path, name: str, archive: zipfile.ZipFile) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(archive.read(name))) as image:
            if image.mode != "P":
                raise RecordError(f"Predictions {path}: {name} is of mode {image.mode}, not indexed.")
            yield image
    except (UnidentifiedImageError, OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise RecordError(f"Predictions {path}: {name} is damaged: {error}.") from error
