"""Bounds of a NIfTI file, checked before anything of the size that its header claims is read."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists, require_file
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

MAX_OFFSET_BYTES = 64 * 2**20
"""Where voxels may begin; before them lie the header and its extensions."""
MAX_DEFLATE_RATIO = 1032
"""No deflated stream grows more than this: 258 bytes take at least two bits (RFC 1951)."""
_HEADER_BYTES = 544
_FORMATS = ((348, "i", 108, "f"), (540, "i", 168, "q"))
"""NIfTI-1 and -2: length of the header, its type, and where and as what the offset stands."""


def check_start(path: Path) -> None:
    """Refuse a file whose header would make a reader unpack without bound.

    Nothing is said of what is no NIfTI file, or cannot be opened: the reader says why.

    Raises:
        LoadError: it is a pipe or device, or its voxels are said to begin far beyond the header.
    """
    if exists(path):
        require_file(path)
    try:
        with gzip.open(path) if _is_packed(path) else path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES).ljust(_HEADER_BYTES, b"\0")
    except (OSError, EOFError, ValueError, zlib.error):
        return
    for length, kind, place, offset_kind in _FORMATS:
        for order in "<>":
            if struct.unpack_from(order + kind, start)[0] == length:
                (offset,) = struct.unpack_from(order + offset_kind, start, place)
                if not 0 <= offset <= MAX_OFFSET_BYTES:  # also for NaN
                    raise LoadError(
                        f"its header says that voxels begin at byte {offset:.0f}. Export it again."
                    )
                if offset == 0 and start[length]:  # read to the end of the file, however packed
                    raise LoadError(
                        "its header does not say where extensions end. Export it again."
                    )


def check_length(path: Path, image: Any) -> None:
    """Refuse a file that is too short for the voxels that its header claims.

    Raises:
        LoadError: it is.
    """
    claimed = math.prod(image.shape) * image.get_data_dtype().itemsize
    length = path.stat().st_size
    if claimed > length * (MAX_DEFLATE_RATIO if _is_packed(path) else 1):
        raise LoadError(
            f"its header claims {claimed} bytes of voxels and the file has {length}: it is cut or "
            "broken. Copy it again."
        )


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")
