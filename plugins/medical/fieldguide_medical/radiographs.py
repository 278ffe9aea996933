"""Radiographs as 8-bit gray pictures in which bone is bright: from DICOM (CR, DX) and pictures.

A DICOM radiograph is shown as its file says: modality LUT, then the first VOI LUT or window, then
turned bright for dark where the file stores it the other way (MONOCHROME1, or a presentation LUT
INVERSE; the standard asks for both together, so they mean one inversion). Where it names no view,
the range of its values is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.images import ImageLoader
from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide.samples import RGB, SRGB8, SRGB16, Sample
from fieldguide_medical.dicom_files import BROKEN
from fieldguide_medical.radiograph_dicom import read_radiograph

if TYPE_CHECKING:
    from pathlib import Path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
TWELVE_BIT_TO_EIGHT = "twelve_bit_to_eight_bit"
SIXTEEN_BIT_TO_EIGHT = "sixteen_bit_to_eight_bit"
_MAX_12_BIT, _MAX_16_BIT = 4095, 65535
_MAX_COLOUR_DIFFERENCE = 8
"""JPEG leaves such differences in what was gray."""


class RadiographLoader:
    """Reads one radiograph of a DICOM file (CR, DX) or of a gray picture."""

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            (H, W, 1) uint8, bone bright.

        Raises:
            LoadError: it is missing, broken or too large.
            ContractError: another modality, several frames, or colours.
        """
        if path.name.lower().endswith(PICTURE_SUFFIXES):
            return _of_picture(ImageLoader()(path))
        with quiet_library():  # pydicom's warnings quote what elements hold
            try:
                return read_radiograph(path)
            except InputError:
                raise
            except BROKEN as error:
                raise LoadError(
                    "an element that the picture needs is missing or broken. Export it again."
                ) from error


def _of_picture(sample: Sample) -> Sample:
    if sample.bands == RGB and sample.units == SRGB8:
        lowest, highest = sample.array.min(axis=2), sample.array.max(axis=2)
        if (highest - lowest).max() > _MAX_COLOUR_DIFFERENCE:
            raise ContractError("it has colours, and a radiograph is gray. Name a radiograph.")
        gray = sample.array[:, :, 1:2]
    else:
        gray = sample.array
    facts: dict[str, Any] = {**sample.metadata, "view_from": "picture"}
    if sample.units != SRGB16:
        return Sample(gray, ("gray",), SRGB8, facts, repairs=sample.repairs)
    twelve = int(gray.max()) <= _MAX_12_BIT  # 12 bits stored in 16, as detectors deliver them
    top, name = (
        (_MAX_12_BIT, TWELVE_BIT_TO_EIGHT) if twelve else (_MAX_16_BIT, SIXTEEN_BIT_TO_EIGHT)
    )
    eight = np.round(gray.astype(np.float32) * (255 / top)).astype(np.uint8)
    return Sample(eight, ("gray",), SRGB8, facts, repairs=(*sample.repairs, name))
