"""What label files of VOC2012 and SBD hold: 0..20, and 255 where no class is known."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from segbench.data.codec import decode_ids
from segbench.data.sample import Sample
from segbench.data.voc2012 import COLOUR_MAP, VOC2012
from segbench.errors import CorruptImageError, DataError
from segbench.specs import IGNORE_INDEX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["labelled_sample", "png_ids", "sbd_ids", "unlabelled_sample"]

NUM_CLASSES = VOC2012.variants["train"].num_classes


def labelled_sample(sample_id: str, image: bytes, label: bytes, where: str) -> Sample:
    """The sample of an encoded photograph and an encoded label map; ``where`` names the latter.

    Raises:
        CorruptImageError: The label map cannot be decoded.
        DataError: It holds what no label map of VOC2012 holds.
    """
    ids = sbd_ids if where.lower().endswith(".mat") else png_ids
    return Sample(sample_id, image, ids(label, where))


def unlabelled_sample(sample_id: str, image: bytes) -> Sample:
    """The sample of a photograph whose labels only the evaluation server has."""
    return Sample(sample_id, image, None)


def png_ids(data: bytes, where: str) -> NDArray[np.uint8]:
    """The ids of a PNG label map, uint8 [H, W]: its palette indices (mode P) or its values (mode L).

    Raises:
        CorruptImageError: The bytes are no image.
        DataError: The mode is another one, a value is not 0..20 or 255, or an index does not bear VOC's colour (as
            after a program has sorted the palette anew, which silently changes the classes).
    """
    return _checked(decode_ids(data, where, palette=COLOUR_MAP), where)


def sbd_ids(data: bytes, where: str) -> NDArray[np.uint8]:
    """The ids of a label file of SBD (MATLAB, ``GTcls.Segmentation``), uint8 [H, W]; it has no 255.

    Raises:
        CorruptImageError: The bytes are no such file.
        DataError: A value is not 0..20.
    """
    from scipy.io import loadmat

    try:
        ids = loadmat(cast("Any", io.BytesIO(data)), variable_names=["GTcls"])["GTcls"]["Segmentation"][0, 0]
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise ValueError(f"GTcls.Segmentation is {ids.dtype} with {ids.ndim} axes")
    except MemoryError:
        raise
    except Exception as error:  # mangled bytes make the reader raise almost anything
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise CorruptImageError(f"{where} is not a readable label file of SBD: {reason}.") from error
    return _checked(ids, where)


def _checked(ids: NDArray[np.integer[Any]], where: str) -> NDArray[np.uint8]:
    wrong = ids[((ids < 0) | (ids >= NUM_CLASSES)) & (ids != IGNORE_INDEX)]
    if wrong.size:
        raise DataError(
            f"{where} holds label {int(wrong[0])}; "
            f"VOC2012 has 0..{NUM_CLASSES - 1} and {IGNORE_INDEX} (no class known)."
        )
    return ids.astype("uint8")
