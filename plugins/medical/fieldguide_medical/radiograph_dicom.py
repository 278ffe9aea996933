"""One DICOM radiograph, through the look-up tables and windows that its file states.

pydicom applies the modality LUT (PS3.3, C.11.1) and the VOI LUT or window (C.11.2). Only the
elements named here are read, and numbers and fixed words of them are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from fieldguide.data.files import exists, require_file
from fieldguide.errors import ContractError
from fieldguide.samples import SRGB8, Sample
from fieldguide_medical.burned_in import burned_in, withheld
from fieldguide_medical.dicom_files import read_header, read_pixels
from fieldguide_medical.dicom_kind import (
    CT,
    RADIOGRAPHS,
    TAGS_OF_KIND,
    as_values,
    kind_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

MONOCHROME1_INVERTED = "monochrome1_inverted"
PADDING_IS_BLACK = "padding_is_black"
RANGE_SHOWN = "range_shown"
"""The file names neither a VOI LUT nor a window: its smallest value became 0, its largest 255."""

VIEWS = frozenset({"AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO"})
"""Of the element View Position; other texts are not told."""

MAX_PIXELS = 64_000_000
"""A detector has up to 30 million; each takes 8 bytes several times while it is shown."""

_FAR = 1e9
_TAGS = (
    *TAGS_OF_KIND,
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("PresentationLUTShape", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("PixelSpacing", "ImagerPixelSpacing", "ViewPosition"),
)


def read_radiograph(path: Path) -> Sample:
    """Return (H, W, 1) uint8; raises as ``RadiographLoader`` does, and what pydicom raises."""
    if exists(path):
        require_file(path)
    header = read_header(path, _TAGS)
    _check(header)
    (stored,) = read_pixels(path, header)
    padding = _padding(header, stored)
    values = np.asarray(apply_modality_lut(stored, header))
    gray, facts, repairs = _displayed(header, values, padding)
    shape = str(header.get("PresentationLUTShape") or "").strip().upper()
    if shape == "INVERSE" or _photometric(header) == "MONOCHROME1":
        gray, repairs = 1 - gray, [*repairs, MONOCHROME1_INVERTED]
    if not np.isfinite(gray).all():
        raise ContractError("its look-up table, window or rescaling is not valid. Export it again.")
    eight = np.round(gray * 255).astype(np.uint8)
    if padding.any():
        eight[padding] = 0
        repairs.append(PADDING_IS_BLACK)
    sample = Sample(
        eight[:, :, None], ("gray",), SRGB8, {**_facts(header), **facts}, repairs=tuple(repairs)
    )
    return withheld(sample, burned_in(header))


def _photometric(header: Dataset) -> str:
    return str(header.get("PhotometricInterpretation") or "").strip()


def _check(header: Dataset) -> None:
    kind = kind_of(header)
    if kind == CT:
        raise ContractError("its modality is CT, and not a radiograph. Leave out --modality.")
    if kind not in RADIOGRAPHS:
        raise ContractError(f"it is no radiograph ({kind}). Name a file of CR or DX.")
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ContractError("it has several frames. Export the picture that is meant.")
    gray = _photometric(header) in ("MONOCHROME1", "MONOCHROME2")
    if not gray or int(header.get("SamplesPerPixel") or 1) != 1:
        raise ContractError("its pixels are colours, and a radiograph is gray. Export it again.")
    rows, columns = int(header.Rows), int(header.Columns)
    if rows * columns > MAX_PIXELS:
        raise ContractError(
            f"{columns} x {rows} px is more than {MAX_PIXELS // 10**6} megapixels. Export it "
            "smaller."
        )


def _padding(header: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where there is no image, by the stored value or range that the file states."""
    value = header.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = header.get("PixelPaddingRangeLimit")
    ends = (value, value if limit is None else limit)
    low, high = sorted(int(np.int64(end).astype(stored.dtype)) for end in ends)
    return (stored >= low) & (stored <= high)


def _displayed(
    header: Dataset, values: NDArray[Any], padding: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], dict[str, Any], list[str]]:
    """Return the values as the file's first view shows them, 0 to 1, and which view that was."""
    if header.get("VOILUTSequence"):
        first = header.VOILUTSequence[0]
        top = 2.0 ** int(first.LUTDescriptor[2]) - 1
        whole = values.astype(np.int64) if values.dtype.kind == "f" else values
        shown = np.asarray(apply_voi(whole, header)) / top
        return np.clip(shown, 0, 1), {"view_from": "voi_lut"}, []
    centers, widths = (as_values(header.get(f"Window{name}")) for name in ("Center", "Width"))
    if centers and widths:
        # the outermost values say onto which range pydicom maps the window
        ends = apply_windowing(np.array([-_FAR, _FAR]), header)
        low, high = float(ends[0]), float(ends[1])
        shown = (np.asarray(apply_windowing(values, header)) - low) / (high - low)
        facts = {
            "view_from": "window",
            "window_center": float(centers[0]),
            "window_width": float(widths[0]),
            "windows_in_file": len(centers),
        }
        return np.clip(shown, 0, 1), facts, []
    inside = values[~padding] if (~padding).any() else values
    low, high = float(inside.min()), float(inside.max())
    shown = (values.astype(np.float64) - low) / max(high - low, 1e-9)
    facts = {"view_from": "range", "range_shown": (low, high)}
    return np.clip(shown, 0, 1), facts, [RANGE_SHOWN]


def _facts(header: Dataset) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "width_px": int(header.Columns),
        "height_px": int(header.Rows),
        "bits_stored": int(header.get("BitsStored") or 0),
    }
    view = str(header.get("ViewPosition") or "").strip().upper()
    if view in VIEWS:
        facts["view_position"] = view
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        numbers = [float(mm) for mm in as_values(header.get(name))]
        if len(numbers) == 2 and all(0 < mm < 100 for mm in numbers):
            facts.setdefault("spacing_mm", (numbers[1], numbers[0]))  # x, y
    return facts
