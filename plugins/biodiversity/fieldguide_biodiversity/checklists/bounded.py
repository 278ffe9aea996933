"""Streams that stop: of files that say too little about how large they unpack."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 64 * 2**30
"""Of one unpacked table; the largest published ones have 3 GiB."""
MAX_RATIO = 250
"""Unpacked to packed bytes: tables of names pack 4 to 15 times, deflate at most 1032 times."""
FREE_BYTES = 64 * 2**20
"""May be unpacked at any ratio: a small file of empty columns packs very well."""

UNPACKING_FAULTS = (
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # encrypted
    NotImplementedError,  # packed in another way
    zipfile.BadZipFile,
    zlib.error,
)
"""What a damaged, encrypted or unknown packing raises."""


class BoundedStream(io.RawIOBase):
    """Bytes of a stream, until they are too many.

    Args:
        stream: is read once, from where it stands.
        packed_bytes: gives the size of the packed file; None where nothing is packed.
    """

    def __init__(self, stream: IO[bytes], packed_bytes: Callable[[], int] | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._packed_bytes = packed_bytes
        self._given = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a Buffer has no len
        """Fill a buffer; 0 at the end.

        Raises:
            LoadError: there is too much, or the packed file is damaged.
        """
        try:
            found = self._stream.read(len(buffer))
        except LoadError:
            raise
        except UNPACKING_FAULTS as error:
            raise LoadError(
                f"it is damaged or cut off ({type(error).__name__}: {error}). Get the file again."
            ) from error
        self._given += len(found)
        self._check()
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the stream below too."""
        self._stream.close()
        super().close()

    def _check(self) -> None:
        if self._given > MAX_BYTES:
            raise LoadError(f"it is larger than {MAX_BYTES >> 30} GiB unpacked. Give a part of it.")
        if self._packed_bytes is None or self._given <= FREE_BYTES:
            return
        if self._given > MAX_RATIO * max(self._packed_bytes(), 1):
            raise LoadError(
                f"it is more than {MAX_RATIO} times as large unpacked as packed, as bombs are and "
                "tables are not. Unpack it yourself if you trust it."
            )
