"""The HDF5 files of PatchCamelyon: arrays of tiles and of labels, one of each a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fieldguide.data.files import exists
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TILE_PX = 96
PACKED = b"\x1f\x8b"
"""How a file that gzip packed begins."""


@dataclass(frozen=True)
class LazyTile:
    """A tile that is read when numpy asks for its pixels, so that many cost no memory.

    Attributes:
        file: with the array ``x`` (N, 96, 96, 3).
        number: of the tile.
    """

    file: Path
    number: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """Return (96, 96, 3) pixels.

        Raises:
            LoadError: the file cannot be read.
        """
        try:
            with h5py.File(self.file, "r") as opened:
                pixels = np.asarray(opened["x"][self.number], dtype=np.uint8)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise LoadError(f"its HDF5 file cannot be read: {error}.") from error
        return pixels if dtype is None else np.asarray(pixels, dtype)


def count_tiles(file: Path) -> int:
    """Return how many tiles a file has.

    Raises:
        LoadError: it is no such file.
    """
    with _opened(file) as opened:
        found = opened.get("x")
        if not isinstance(found, h5py.Dataset) or found.shape[1:] != (TILE_PX, TILE_PX, 3) or (
            found.dtype != np.uint8
        ):  # fmt: skip
            raise LoadError("it has no array 'x' of tiles of 96 x 96 px in RGB.")
        return int(found.shape[0])


def read_labels(file: Path) -> NDArray[np.int64]:
    """Return the labels of a file, (N,) 0 or 1.

    Raises:
        LoadError: it is no such file.
    """
    with _opened(file) as opened:
        found = opened.get("y")
        if not isinstance(found, h5py.Dataset) or found.size != found.shape[0]:
            raise LoadError("it has no array 'y' of one label a tile.")
        labels = np.asarray(found[()], dtype=np.int64).reshape(-1)
    if not np.isin(labels, (0, 1)).all():
        raise LoadError("its labels are not 0 and 1.")
    return labels


def _opened(file: Path) -> h5py.File:
    if not exists(file):
        packed = file.with_name(file.name + ".gz")
        hint = f" It is packed: gunzip {packed.name}" if exists(packed) else ""
        raise LoadError(f"it is not there.{hint}")
    try:
        with file.open("rb") as stream:
            if stream.read(2) == PACKED:
                raise LoadError("it is packed: rename it to .gz and unpack it with gunzip.")
        return h5py.File(file, "r")
    except OSError as error:
        raise LoadError(f"it is no HDF5 file: {error}.") from error
