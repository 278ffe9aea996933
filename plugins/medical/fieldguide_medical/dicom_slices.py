"""CT slices, one like the other, whether a file holds one or (enhanced CT) all of them.

In enhanced CT the position, orientation, spacing and rescaling of a frame stand in functional
groups: those of the frame, else those shared by all (DICOM PS3.3, C.7.6.16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.dicom_files import read_header
from fieldguide_medical.dicom_geometry import SlicePlace
from fieldguide_medical.dicom_kind import TAGS_OF_KIND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"

TAGS = (
    *TAGS_OF_KIND,
    "SeriesDescription",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelRepresentation",
    "BitsAllocated",
    SHARED,
    PER_FRAME,
)

_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
}
"""Where an element of a frame stands in enhanced CT."""


@dataclass(frozen=True, slots=True)
class CtSlice:
    """One slice: where its pixels are, and how they become Hounsfield units.

    Attributes:
        file: that holds it.
        header: of that file.
        frame: its number in a file of several frames, from 0; None where there is one.
        slope, intercept: of rescaling; None where the file does not say.
        rescale_type: the unit after rescaling; "HU" where the file does not say.
    """

    file: Path
    header: Dataset
    frame: int | None
    slope: float | None
    intercept: float | None
    rescale_type: str

    def place(self) -> SlicePlace:
        """Return where it lies.

        Raises:
            ContractError: the file does not say, or says what cannot be.
        """
        return _place(Elements.of(self.header, self.frame))


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of one frame, wherever they stand."""

    header: Dataset
    groups: tuple[Dataset, ...]

    @classmethod
    def of(cls, header: Dataset, frame: int | None) -> Elements:
        """Return those of a frame; None for a file that holds one image."""
        if frame is None:
            return cls(header, ())
        own, shared = header.get(PER_FRAME) or (), header.get(SHARED) or ()
        return cls(header, (*own[frame : frame + 1], *shared[:1]))

    def get(self, name: str) -> Any:
        """Return a value, or None."""
        for group in self.groups:
            for item in group.get(_GROUPS[name]) or ():
                if (value := item.get(name)) is not None:
                    return value
        return self.header.get(name)


def slices_of(file: Path) -> Iterator[CtSlice]:
    """Yield the slices of a file; of one that is no CT, one a file, to be refused by its kind.

    Raises:
        LoadError: it is broken, or its frames are not described.
    """
    header = read_header(file, TAGS)
    frames = int(header.get("NumberOfFrames") or 1)
    if frames <= 1 and not header.get(PER_FRAME):
        yield _slice(file, header, None)
        return
    if frames != len(header.get(PER_FRAME) or ()):
        if header.get("Modality") != "CT":  # it is refused by its kind
            yield _slice(file, header, None)
            return
        raise LoadError(
            "it has several frames, and does not describe each of them as enhanced CT does. "
            "Convert it with dcm2niix and name the NIfTI file."
        )
    yield from (_slice(file, header, frame) for frame in range(frames))


def _slice(file: Path, header: Dataset, frame: int | None) -> CtSlice:
    elements = Elements.of(header, frame)
    slope, intercept = (_number(elements.get(f"Rescale{name}")) for name in ("Slope", "Intercept"))
    kind = str(elements.get("RescaleType") or "HU").strip()
    return CtSlice(file, header, frame, slope, intercept, kind)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _place(elements: Elements) -> SlicePlace:
    try:
        position, directions, spacing = (
            np.array(elements.get(name), dtype=np.float64)
            for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        )
        thickness = float(elements.get("SliceThickness") or math.nan)
    except (AttributeError, TypeError, ValueError) as error:
        raise ContractError(
            "a slice has no position, orientation or pixel spacing. Export the series again."
        ) from error
    if any(np.isnan(part).all() for part in (position, directions, spacing)):  # of None
        raise ContractError(
            "a slice has no position, orientation or pixel spacing. Export the series again."
        )
    _check_numbers(position, directions, spacing)
    return SlicePlace(
        position_mm=position,
        row_direction=directions[:3],
        column_direction=directions[3:],
        row_spacing_mm=float(spacing[0]),
        column_spacing_mm=float(spacing[1]),
        thickness_mm=thickness,
    )


def _check_numbers(*parts: NDArray[np.float64]) -> None:
    shapes = tuple(part.shape for part in parts)
    numbers = np.concatenate([part.ravel() for part in parts])
    if shapes != ((3,), (6,), (2,)) or not np.isfinite(numbers).all() or (parts[2] <= 0).any():
        raise ContractError(
            "the position, orientation or spacing of a slice is not valid. Export the series again."
        )
