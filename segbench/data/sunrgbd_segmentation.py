"""The label maps of the toolbox: SUNRGBD2Dseg.mat, a MATLAB 7.3 file, which is HDF5.

MATLAB needs about 64 GB to load it. Here one map after another is read through the reference that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.members import DAMAGE
from segbench.errors import DataError

__all__ = ["Segmentation", "open_segmentation"]

FAULTS = (*DAMAGE, KeyError, TypeError, IndexError, AttributeError, NotImplementedError)
MOST_PIXELS = 16 * 1024 * 1024  # doubles of that many are 128 MiB; the largest image of SUN RGB-D has 0.4 of 16 million


@contextmanager
def open_segmentation(file: IO[bytes], where: str) -> Iterator[Segmentation]:
    """Opens the label maps.

    Args:
        file: The content of SUNRGBD2Dseg.mat, open as long as maps are read.
        where: Its name in errors.

    Raises:
        DataError: It is no MATLAB 7.3 file, or the references are missing.
    """
    import h5py

    try:
        opened = h5py.File(file, "r")
    except FAULTS as error:
        raise _unreadable(where, error) from error
    with opened:
        yield Segmentation(opened, where)


class Segmentation:
    """The label maps by the number of the image.

    Args:
        file: The opened HDF5 file.
        where: Its name in errors.
    """

    def __init__(self, file: Any, where: str) -> None:
        self._file = file
        self._where = where
        self._references = self._read_references()

    def __len__(self) -> int:
        return len(self._references)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names in seg37list, empty where they are not there."""
        try:
            return tuple(_text(self._file[reference]) for reference in self._file["seg37list"][()].ravel())
        except FAULTS:
            return ()

    def where(self, number: int) -> str:
        """How errors name one label map."""
        return f"{self._where}: label map {number}"

    def read(self, number: int) -> NDArray[np.uint8]:
        """One label map.

        Args:
            number: Of the image, from 1.

        Returns:
            uint8 [H, W] as stored: 0..37 in the real file.

        Raises:
            DataError: The reference leads nowhere, or to something that is no label map.
        """
        where = self.where(number)
        try:
            stored = self._checked(self._file[self._references[number - 1]], where)
            # MATLAB stores columns first, so HDF5 shows the map transposed.
            values = np.ascontiguousarray(stored[()].T)
        except FAULTS as error:
            raise _unreadable(where, error) from error
        return _as_bytes(values, where)

    def _read_references(self) -> NDArray[np.object_]:
        import h5py

        try:
            references = self._file["SUNRGBD2Dseg"]["seglabel"]
            is_list = h5py.check_ref_dtype(references.dtype) is h5py.Reference
            values: NDArray[np.object_] = references[()].ravel() if is_list else np.empty(0, dtype=object)
        except FAULTS as error:
            raise DataError(f"{self._where} has no SUNRGBD2Dseg.seglabel ({_reason(error)}).") from error
        if not is_list:
            raise DataError(f"{self._where}: SUNRGBD2Dseg.seglabel is no list of references.")
        return values

    def _checked(self, stored: Any, where: str) -> Any:
        """A matrix of numbers that lies in this very file."""
        import h5py

        if not isinstance(stored, h5py.Dataset) or stored.ndim != 2 or stored.dtype.kind not in "uif":
            raise DataError(f"{where} is no matrix of numbers.")
        if stored.external or stored.is_virtual:
            raise DataError(f"{where} refers to another file; it is refused.")
        if stored.size > MOST_PIXELS:
            height, width = stored.shape[::-1]
            raise DataError(f"{where} has {height}x{width} pixels, {MOST_PIXELS} are allowed.")
        return stored


def _as_bytes(values: NDArray[Any], where: str) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):
        labels = values.astype(np.uint8)
    wrong = labels != values
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise DataError(f"{where}: the pixel in row {row}, column {column} has the label {values[row, column]}.")
    return labels


def _text(letters: Any) -> str:
    """A MATLAB string: UTF-16 code units."""
    units: bytes = letters[()].astype("<u2").tobytes()
    return units.decode("utf-16-le")


def _unreadable(where: str, error: Exception) -> DataError:
    return DataError(f"{where} cannot be read as a MATLAB 7.3 file ({_reason(error)}).")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).strip("'\".")
    return text or type(error).__name__
