"""A large matrix of vectors in one ``.npy`` file that is filled chunk by chunk and never trusted.

Beside it stands a journal: one line a chunk with its CRC-32, written after the chunk itself. After
a kill at any moment, a cut, or a flipped bit, the chunks that do not fit their line are as good as
missing and only they are made again. The file is written, not mapped, so that a full disk is an
error and not the end of the process; it is mapped to be read.
"""

from __future__ import annotations

import io
import mmap
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.files import unwritten

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.models.embeddings import Vectors

ROWS_PER_CHUNK = 4096
_DROP = getattr(mmap, "MADV_DONTNEED", None)  # Windows has no such advice
_LINE = re.compile(rb"(\d{1,10}) ([0-9a-f]{8})\n")
_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class VectorFile:
    """A (C, D) matrix of single precision on disk.

    Attributes:
        path: of the ``.npy`` file; the journal has the ending ``.chunks``.
        shape: C and D.
    """

    path: Path
    shape: tuple[int, int]

    @property
    def journal(self) -> Path:
        """Where the chunks that were written are listed."""
        return self.path.with_suffix(".chunks")

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.shape[0] // ROWS_PER_CHUNK)

    def rows(self, chunk: int) -> slice:
        """Return the rows of a chunk."""
        return slice(chunk * ROWS_PER_CHUNK, min((chunk + 1) * ROWS_PER_CHUNK, self.shape[0]))

    def missing(self) -> list[int]:
        """Return the chunks that are not there or are damaged; reads the whole file."""
        try:
            noted = {int(number): int(crc, 16)
                     for number, crc in _LINE.findall(self.journal.read_bytes())}  # fmt: skip
            with self.path.open("rb") as stream:
                if stream.read(len(self._header)) != self._header:
                    return list(range(self.chunks))
                return [chunk for chunk in range(self.chunks)
                        if zlib.crc32(self._read(stream, chunk)) != noted.get(chunk)]  # fmt: skip
        except OSError:  # not there, or not readable
            return list(range(self.chunks))

    def put(self, chunk: int, vectors: Vectors) -> None:
        """Write the vectors of a chunk, then note that they are there.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        content = np.ascontiguousarray(vectors, _FLOAT).tobytes()
        try:
            self.path.touch()
            with self.path.open("r+b") as stream:
                stream.write(self._header)
                stream.seek(self._start(chunk))
                stream.write(content)
            with self.journal.open("ab") as stream:
                # the line break first: a kill may have left half a line
                stream.write(b"\n%d %08x\n" % (chunk, zlib.crc32(content)))
        except OSError as error:
            raise unwritten(self.path, error, "FIELDGUIDE_CACHE") from error

    def open(self) -> Vectors:
        """Return the matrix, mapped; what is written into the array never reaches the file."""
        return np.asarray(np.load(self.path, mmap_mode="c", allow_pickle=False))

    @property
    def _header(self) -> bytes:
        stream = io.BytesIO()
        about = {"descr": _FLOAT.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, about)
        return stream.getvalue()

    def _start(self, chunk: int) -> int:
        return len(self._header) + chunk * ROWS_PER_CHUNK * self.shape[1] * _FLOAT.itemsize

    def _read(self, stream: io.BufferedReader, chunk: int) -> bytes:
        stream.seek(self._start(chunk))
        rows = self.rows(chunk)
        return stream.read((rows.stop - rows.start) * self.shape[1] * _FLOAT.itemsize)


def let_go(vectors: Vectors, rows: slice) -> None:
    """Let the system take the memory of some rows of a mapped (C, D) matrix; they stay readable.

    A matrix may then be larger than memory. Of one that is not mapped nothing is let go.
    """
    mapped: object = vectors
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if not isinstance(mapped, mmap.mmap) or _DROP is None:
        return
    first = vectors.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    start = (first + rows.start * vectors.strides[0]) // mmap.PAGESIZE * mmap.PAGESIZE
    length = min(first + rows.stop * vectors.strides[0], len(mapped)) - start
    mapped.madvise(_DROP, start, length)
