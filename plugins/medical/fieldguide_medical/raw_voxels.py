"""Voxels behind a text header, as NRRD and MetaImage store them; bounded by what was claimed.

Readers of these formats unpack a stream to its end, however long it is, and follow the name of a
data file wherever it leads. Here no more bytes are unpacked than the header's size asks for, and
the data file lies in the header's folder or below it.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from fieldguide.data.files import leads_out, require_file
from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.nifti_bounds import MAX_DEFLATE_RATIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_HEADER_BYTES = 2**20
_CHUNK_BYTES = 2**20

Packing = Literal["raw", "gzip", "zlib"]


@dataclass(frozen=True, slots=True)
class VoxelPlace:
    """Where voxels lie and how.

    Attributes:
        file: that holds them.
        offset: of their first byte; None where they end with the file.
        dtype: with the byte order of the file.
        shape: (I, J, K), the first axis varying fastest.
        packing: how they are compressed.
    """

    file: Path
    offset: int | None
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    packing: Packing

    def read(self) -> NDArray[Any]:
        """Return (I, J, K).

        Raises:
            LoadError: the file is missing, cut or broken.
        """
        require_file(self.file)
        wanted = math.prod(self.shape) * self.dtype.itemsize
        length = self.file.stat().st_size
        if wanted > length * (1 if self.packing == "raw" else MAX_DEFLATE_RATIO):
            raise LoadError(
                f"its header claims {wanted} bytes of voxels and the file has {length}: it is cut "
                "or broken. Copy it again."
            )
        offset = length - wanted if self.offset is None else self.offset
        try:
            with self.file.open("rb") as stream:
                stream.seek(offset)
                content = _READERS[self.packing](stream, wanted)
        except PermissionError as error:
            raise LoadError("not readable by you. Run: chmod +r on it.") from error
        except (OSError, EOFError, ValueError, zlib.error, MemoryError) as error:
            raise LoadError("its voxels cannot be unpacked. Copy or export it again.") from error
        if len(content) < wanted:
            raise LoadError("its voxels are cut. Copy or export it again.")
        return np.frombuffer(content, self.dtype).reshape(self.shape, order="F")


def _read_raw(stream: BinaryIO, wanted: int) -> bytes:
    return stream.read(wanted)


def _read_gzip(stream: BinaryIO, wanted: int) -> bytes:
    with gzip.open(stream) as packed:
        return packed.read(wanted)


def _read_zlib(stream: BinaryIO, wanted: int) -> bytes:
    unpacker = zlib.decompressobj()
    content = bytearray()
    while len(content) < wanted and not unpacker.eof:
        chunk = unpacker.unconsumed_tail or stream.read(_CHUNK_BYTES)
        if not chunk:
            break
        content += unpacker.decompress(chunk, wanted - len(content))
    return bytes(content)


_READERS = {"raw": _read_raw, "gzip": _read_gzip, "zlib": _read_zlib}


def open_header(path: Path) -> bytes:
    """Return the first bytes of a file, in which its header must end.

    Raises:
        LoadError: it cannot be read.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_HEADER_BYTES)
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error
    except OSError as error:
        raise LoadError(f"{error.strerror or 'not readable'}. Check the path.") from error


def data_file(header: Path, name: str) -> Path:
    """Return the file that a header names for its voxels.

    Raises:
        ContractError: it may lie outside the header's folder, or is a list or pattern of files.
    """
    if not name or name.upper() == "LIST" or "%" in name or len(name.split("\n")) > 1:
        raise ContractError("its voxels lie in several files. Convert it to .nii.gz.")
    if leads_out(name):
        raise ContractError(
            "its header names a data file outside its own folder. Put the two side by side."
        )
    return header.parent / name


def spatial_shape(lengths: Sequence[int]) -> tuple[int, int, int]:
    """Return the lengths of the axes of one volume.

    Raises:
        ContractError: there are not three.
    """
    if len(lengths) != 3:
        raise ContractError(f"it has {len(lengths)} dimensions, not one 3D volume. Split it.")
    first, second, third = (int(length) for length in lengths)
    return first, second, third
