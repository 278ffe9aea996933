"""CT volumes from NRRD files: ``.nrrd``, and ``.nhdr`` with its voxels beside it.

The header is parsed by pynrrd; its own reader of voxels is not used, for the reasons in
``raw_voxels``. Nothing of the header's free text is kept: it can name a patient.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from nrrd.errors import NRRDError
from nrrd.reader import read_header

from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.raw_voxels import (
    Packing,
    VoxelPlace,
    data_file,
    open_header,
    spatial_shape,
)
from fieldguide_medical.volumes import check_affine, check_size, untold_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.samples import Sample
    from fieldguide_medical.volumes import Affine

_BROKEN = (
    NRRDError, ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration,
    ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(
        ("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"
    ),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    "float": "f4",
    "double": "f8",
}
_SPACES = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1.0, -1.0, 1.0)),
}
"""What each coordinate is multiplied with to become RAS."""
_PACKINGS: dict[str, Packing] = {"raw": "raw", "gzip": "gzip", "gz": "gzip"}
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")


class NrrdLoader:
    """Reads one CT volume of NRRD.

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
            LoadError: it is missing, broken or not NRRD.
            ContractError: not one 3D volume, no orientation, not in Hounsfield units, a label map.
        """
        start = open_header(path)
        if not start.startswith(b"NRRD0"):
            raise LoadError("not a NRRD file. Copy or export it again.")
        end = _END_OF_HEADER.search(start)
        text = start if end is None else start[: end.start()]
        try:
            with quiet_library("nrrd"):
                header = read_header(text.splitlines(keepends=True))
            place = _voxel_place(path, header, None if end is None else end.end())
            affine = _affine(header)
        except _BROKEN as error:
            raise LoadError("its header is broken. Copy or export it again.") from error
        check_size(place.shape, place.dtype.itemsize)
        check_affine(affine)
        named = "Segment0_Name" in header
        return untold_sample(place.read(), affine, assume_hu=self.assume_hu, has_label_names=named)


def _voxel_place(path: Path, header: Mapping[str, Any], end: int | None) -> VoxelPlace:
    name = header.get("data file", header.get("datafile"))
    if name is None and end is None:
        raise LoadError("its header does not end. Copy or export it again.")
    kind = _TYPES.get(str(header["type"]).lower())
    if kind is None:
        raise ContractError("its voxels are no plain numbers. Name the CT volume itself.")
    packing = _PACKINGS.get(str(header["encoding"]).lower())
    if packing is None:
        raise ContractError("its encoding is not raw or gzip. Write it again: encoding gzip.")
    endian = ">" if str(header.get("endian", "little")).lower() == "big" else "<"
    file = path if name is None else data_file(path, str(name))
    offset = _offset(header, packing, (end or 0) if name is None else 0)
    shape = spatial_shape(header["sizes"])
    return VoxelPlace(file, offset, np.dtype(endian + kind), shape, packing)


def _offset(header: Mapping[str, Any], packing: Packing, start: int) -> int | None:
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if lines or skip < -1 or (skip and packing != "raw"):
        raise ContractError("its voxels begin behind skipped lines. Write it again without.")
    return None if skip == -1 else start + skip


def _affine(header: Mapping[str, Any]) -> Affine:
    signs = _SPACES.get(str(header.get("space", "")).lower())
    directions = header.get("space directions")
    if signs is None or directions is None or "space origin" not in header:
        raise ContractError(
            "its header states no orientation (space, directions and origin), so left and right "
            "are unknown. Convert the CT again, for example with dcm2niix."
        )
    units = {str(unit).strip('"') for unit in header.get("space units", ())}
    if not units <= {"mm", ""}:
        raise ContractError("its lengths are not in mm. Write it again in mm.")
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=np.float64).T
    affine[:3, 3] = np.asarray(header["space origin"], dtype=np.float64)
    return np.asarray(np.diag([*signs, 1.0]) @ affine)
