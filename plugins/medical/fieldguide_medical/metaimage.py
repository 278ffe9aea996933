"""CT volumes from MetaImage files: ``.mha``, and ``.mhd`` with its voxels beside it.

A header is lines of ``Key = value`` that end with ``ElementDataFile``. It is read here and not by
ITK, which follows a data file wherever its name leads (see ``raw_voxels``). Coordinates are those
of DICOM (x left, y posterior); a row of ``TransformMatrix`` is the direction of one axis.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.dicom_geometry import LPS_TO_RAS
from fieldguide_medical.raw_voxels import VoxelPlace, data_file, open_header, spatial_shape
from fieldguide_medical.volumes import check_affine, check_size, untold_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.samples import Sample
    from fieldguide_medical.volumes import Affine

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LINE = re.compile(rb"[ \t]*([^=\r\n]{1,200}?)[ \t]*=[ \t]*([^\r\n]*)\r?\n")
_LAST_KEY = "ElementDataFile"


class MetaImageLoader:
    """Reads one CT volume of MetaImage.

    Args:
        assume_hu: take values as Hounsfield units although they do not look like it.
    """

    def __init__(self, assume_hu: bool = False) -> None:
        self.assume_hu = assume_hu

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            (X, Y, Z, 1) Hounsfield units in RAS order, int16 where they are whole numbers, else
            float32.

        Raises:
            LoadError: it is missing, broken or not MetaImage.
            ContractError: not one 3D volume, no orientation, not in Hounsfield units, a label map.
        """
        header, end = _header(open_header(path))
        try:
            place = _voxel_place(path, header, end)
            affine = _affine(header)
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise LoadError("its header is broken. Copy or export it again.") from error
        check_size(place.shape, place.dtype.itemsize)
        check_affine(affine)
        return untold_sample(place.read(), affine, assume_hu=self.assume_hu, has_label_names=False)


def _header(start: bytes) -> tuple[dict[str, str], int]:
    """Return the values by key, and where the header ends."""
    header: dict[str, str] = {}
    place = 0
    while (line := _LINE.match(start, place)) is not None:
        key = line[1].decode("ascii", "replace")
        if key in header:
            break
        header[key] = line[2].decode("utf-8", "replace").strip()
        place = line.end()
        if key == _LAST_KEY:
            return header, place
    raise LoadError("not a MetaImage file, or its header is broken. Copy or export it again.")


def _voxel_place(path: Path, header: Mapping[str, str], end: int) -> VoxelPlace:
    kind = _TYPES.get(header["ElementType"].upper())
    if kind is None or header.get("ElementNumberOfChannels", "1") != "1":
        raise ContractError("its voxels are no plain numbers. Name the CT volume itself.")
    if not _is_true(header, "BinaryData", default=True):
        raise ContractError("its voxels are written as text. Write it again as binary.")
    slope, offset = (header.get(f"ElementToIntensityFunction{k}", "") for k in ("Slope", "Offset"))
    if float(slope or 1) != 1 or float(offset or 0) != 0:
        raise ContractError("its voxels are scaled, which readers treat differently. Rescale it.")
    big = any(_is_true(header, f"{k}ByteOrderMSB") for k in ("Element", "BinaryData"))
    packed = _is_true(header, "CompressedData")
    name = header[_LAST_KEY]
    local = name.upper() == "LOCAL"
    skip = int(header.get("HeaderSize", "0"))
    if skip < -1 or (skip and packed):
        raise ContractError("its voxels begin behind skipped bytes. Write it again without.")
    return VoxelPlace(
        file=path if local else data_file(path, name),
        offset=None if skip == -1 else (end if local else 0) + skip,
        dtype=np.dtype((">" if big else "<") + kind),
        shape=spatial_shape([int(length) for length in header["DimSize"].split()]),
        packing="zlib" if packed else "raw",
    )


def _is_true(header: Mapping[str, str], key: str, *, default: bool = False) -> bool:
    return header[key].lower() in ("true", "1") if key in header else default


def _affine(header: Mapping[str, str]) -> Affine:
    matrix, origin, spacing = (
        _numbers(header, keys)
        for keys in (
            ("TransformMatrix", "Orientation", "Rotation"),
            ("Offset", "Position", "Origin"),
            ("ElementSpacing",),
        )
    )
    if matrix is None or origin is None or spacing is None:
        raise ContractError(
            "its header states no orientation (TransformMatrix, Offset and ElementSpacing), so "
            "left and right are unknown. Convert the CT again, for example with dcm2niix."
        )
    affine = np.eye(4)
    affine[:3, :3] = matrix.reshape(3, 3).T * spacing.reshape(3)
    affine[:3, 3] = origin.reshape(3)
    return np.asarray(LPS_TO_RAS @ affine)


def _numbers(header: Mapping[str, str], keys: tuple[str, ...]) -> np.ndarray | None:
    text = next((header[key] for key in keys if key in header), None)
    return None if text is None else np.array([float(part) for part in text.split()])
