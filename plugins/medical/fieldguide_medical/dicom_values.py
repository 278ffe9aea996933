"""From stored pixels to Hounsfield units: value * slope + intercept, once, slice by slice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import LoadError
from fieldguide_medical.dicom_files import read_pixels
from fieldguide_medical.hounsfield import AIR_HU

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fieldguide_medical.dicom_slices import CtSlice

PADDING_IS_AIR = "padding_is_air"
"""Pixels that a scanner marks as outside its round field of view became -1000."""

RANGE_HU = (-1024, 3071)
"""Of CT stored in 12 bits. Padding inside it could be an image value and stays as it is."""


def unit_doubt(slices: Sequence[CtSlice]) -> str | None:
    """Return why the series says itself that rescaling does not give Hounsfield units."""
    if any(each.slope is None or each.intercept is None for each in slices):
        return (
            "it has no rescale slope and intercept, so its values are not known to be Hounsfield "
            "units. If they are, add --assume-hu; else export the series again."
        )
    if not {each.rescale_type for each in slices} <= {"HU", "US"}:  # US: unspecified
        return (
            "its rescale type is not HU, so its values are not Hounsfield units. If they are, add "
            "--assume-hu; else export the CT itself."
        )
    return None


def hounsfield(slices: Sequence[CtSlice]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Read the pixels of slices of one size.

    Returns:
        (column, row, slice) int16 where all are whole numbers, else float32; and the repairs.

    Raises:
        LoadError: pixels are missing, cut, or of another size than the header says.
    """
    rows, columns = int(slices[0].header.Rows), int(slices[0].header.Columns)
    values = np.empty((columns, rows, len(slices)), dtype=np.float32)
    whole, padded = True, False
    for index, (each, stored) in enumerate(_stored(slices)):
        if stored.shape != (rows, columns):
            raise LoadError(
                "the pixels of a slice have another size than its header says. Export it again."
            )
        rescaled, padding = _rescale(each, stored)
        values[:, :, index] = rescaled.T
        padded = padded or padding
        whole = whole and stored.dtype.kind in "iu" and not (rescaled % 1).any()
    limits = np.iinfo(np.int16)
    fits = whole and limits.min <= values.min() and values.max() <= limits.max
    return values.astype(np.int16) if fits else values, (PADDING_IS_AIR,) if padded else ()


def are_equal(first: CtSlice, second: CtSlice) -> bool:
    """Return whether two slices hold the same Hounsfield units."""
    (one, _), (other, _) = hounsfield([first]), hounsfield([second])
    return bool(np.array_equal(one, other))


def _stored(slices: Sequence[CtSlice]) -> Iterator[tuple[CtSlice, NDArray[Any]]]:
    """Yield each slice with its stored pixels; a file of several frames is opened once a run."""
    for file, run in itertools.groupby(slices, key=lambda each: each.file):
        same = list(run)
        frames = [each.frame for each in same if each.frame is not None]
        pixels = read_pixels(file, same[0].header, frames or None)
        yield from zip(same, pixels, strict=False)  # too few frames: an error of the reader


def _rescale(each: CtSlice, stored: NDArray[Any]) -> tuple[NDArray[np.float64], bool]:
    slope = 1.0 if each.slope is None else each.slope
    intercept = 0.0 if each.intercept is None else each.intercept
    values = stored.astype(np.float64) * slope + intercept  # wide enough for any stored integer
    marked = _is_padding(each, stored)
    if marked is None:
        return values, False
    outside = marked & ((values < RANGE_HU[0]) | (values > RANGE_HU[1]))
    values[outside] = AIR_HU
    return values, bool(outside.any())


def _is_padding(each: CtSlice, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    value = each.header.get("PixelPaddingValue")
    if value is None:
        return None
    limit = each.header.get("PixelPaddingRangeLimit")
    # the two may be written unsigned for signed pixels: -2000 as 63536
    low, high = sorted(int(np.int64(end).astype(stored.dtype)) for end in (value, limit or value))
    return (stored >= low) & (stored <= high)
