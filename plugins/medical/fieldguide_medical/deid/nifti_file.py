"""A copy of one NIfTI file without its free text; its voxels stay the same bytes.

Cleared are all fields of text (``descrip``, ``aux_file``, ``intent_name``, ``data_type``,
``db_name``), all header extensions, what lies between header and voxels or behind them, and the
name and time in a gzip header. Fields as in nifti1.h and nifti2.h of the NIfTI Data Format Working
Group.
"""

from __future__ import annotations

import contextlib
import gzip
import math
from typing import IO, TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from fieldguide.data.files import atomic_path
from fieldguide.errors import LoadError
from fieldguide_medical.nifti import BROKEN
from fieldguide_medical.nifti_bounds import check_start

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ("descrip", "aux_file", "intent_name", "data_type", "db_name")
_UNUSED = ("extents", "session_error", "regular", "glmax", "glmin", "unused_str")
"""Fields that the format does not use, or only ANALYZE did: bytes in which anything may stand."""
_SIZES = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_NO_EXTENSION = bytes(4)
_STEP = 2**20


def copy_nifti(source: Path, target: Path) -> None:
    """Write a copy, in one step.

    Args:
        source: ``.nii`` or ``.nii.gz``.
        target: compressed where its name ends in ``.gz``.

    Raises:
        LoadError: the source is missing, broken or cut.
        ContractError: it is no single NIfTI file.
        StoreError: the target cannot be written.
    """
    check_start(source)
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(_opened(source))
            header, offset, length = _header(stream)
            stream.seek(offset)
        except BROKEN as error:
            raise LoadError("its header is broken. Copy or export it again.") from error
        with atomic_path(target) as temporary, temporary.open("wb") as raw:
            _write(stream, raw, header, length, packed=target.name.endswith(".gz"))


def _opened(path: Path) -> IO[bytes]:
    packed = path.name.lower().endswith(".gz")
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]  # a GzipFile reads alike


def _header(stream: IO[bytes]) -> tuple[Any, int, int]:
    """Return a clean header, where the voxels begin in the source, and how many bytes they have."""
    start = stream.read(4)
    size = next((n for n in _SIZES if n in (_number(start, "<"), _number(start, ">"))), None)
    if size is None:
        raise LoadError("not a NIfTI file. Name one, or leave it out.")
    stream.seek(0)
    header = _SIZES[size](stream.read(size))
    if header["magic"].item()[:2] not in (b"n+",):
        raise LoadError("it is one of a pair of files (.hdr, .img). Convert it to .nii first.")
    offset = int(header["vox_offset"])
    length = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    for name in (*TEXTS, *_UNUSED):
        if name in header.structarr.dtype.names:
            header.structarr[name] = np.zeros((), header.structarr.dtype[name])
    header["vox_offset"] = size + len(_NO_EXTENSION)
    return header, offset, length


def _number(start: bytes, order: str) -> int:
    return int(np.frombuffer(start, f"{order}i4", 1)[0]) if len(start) == 4 else 0


def _write(stream: IO[bytes], raw: IO[bytes], header: Any, length: int, *, packed: bool) -> None:
    out: Any = raw
    if packed:
        out = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
    out.write(header.binaryblock + _NO_EXTENSION)
    while length:
        part = _read(stream, min(_STEP, length))
        out.write(part)
        length -= len(part)
    if packed:
        out.close()


def _read(stream: IO[bytes], length: int) -> bytes:
    try:
        part = stream.read(length)
    except BROKEN as error:  # also of gzip
        raise LoadError("its voxels are broken. Copy it again.") from error
    if not part:
        raise LoadError("its voxels are cut: the file ends too early. Copy it again.")
    return part
