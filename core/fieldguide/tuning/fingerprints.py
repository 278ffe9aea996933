"""What tells two pictures to be the same: the bytes of their files, and how they look."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.files import files_of, is_folder, reached, require_file
from fieldguide.data.pipeline import read_ahead
from fieldguide.errors import LoadError
from fieldguide.tuning.near_duplicates import SYMMETRIES, perceptual_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import ItemReader, Row
    from fieldguide.samples import Window

READ_AHEAD = 64
BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Fingerprints:
    """What is known of N pictures.

    Attributes:
        first_copies: (N,) int64, the first row whose file has the same bytes; its own number where
            there is none before.
        hashes: (N, 8) uint64 of ``perceptual_hash``; 0 where there is no look.
        has_look: (N,) bool, False for pictures of one colour and for unreadable ones.
        unreadable: row, name and reason.
    """

    first_copies: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    has_look: NDArray[np.bool_]
    unreadable: tuple[tuple[int, str, str], ...]

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def one_colour(self) -> tuple[int, ...]:
        """Rows that were read and show one colour only."""
        unread = {row for row, _, _ in self.unreadable}
        return tuple(row for row in np.flatnonzero(~self.has_look).tolist() if row not in unread)


@dataclass
class FingerprintReader:
    """Reads as another reader does, and notes how each picture looks on the way.

    So a job that reads all pictures anyway, for training, need not read them twice.

    Attributes:
        reader: turns an item into its row and prepared pixels.
    """

    reader: ItemReader
    _looks: dict[str, NDArray[np.uint64] | None] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)

    def read(self, item: Item) -> tuple[Row, NDArray[np.uint8] | None]:
        """Return what the other reader does."""
        row, pixels = self.reader.read(item)
        if pixels is None:
            self._failed[item.id] = row.reason
        else:
            self._looks[item.id] = perceptual_hash(_picture(pixels))
        return row, pixels

    def fingerprints(self, items: Sequence[Item]) -> Fingerprints:
        """Return what was noted of some items, in their order.

        Raises:
            KeyError: one was not read.
        """
        hashes = np.zeros((len(items), SYMMETRIES), dtype=np.uint64)
        has_look = np.zeros(len(items), dtype=bool)
        unreadable = []
        for place, item in enumerate(items):
            if item.id in self._failed:
                unreadable.append((place, item.name, self._failed[item.id]))
            elif (look := self._looks[item.id]) is not None:
                hashes[place], has_look[place] = look, True
        return Fingerprints(first_copies(items), hashes, has_look, tuple(unreadable))


def _picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, C); of a volume (X, Y, Z, C) its middle slice."""
    return pixels if pixels.ndim == 3 else pixels[:, :, pixels.shape[2] // 2]


def take_fingerprints(
    items: Sequence[Item],
    reader: ItemReader,
    *,
    workers: int = 1,
    progress: Callable[[int], object] = lambda _count: None,
) -> Fingerprints:
    """Read all pictures and return what tells them apart; keeps 73 bytes a picture.

    Args:
        items: N pictures with ids of their own.
        reader: turns one into prepared pixels.
        workers: threads.
        progress: called with the number of items that were read since the last call.
    """
    noting = FingerprintReader(reader)
    for _ in read_ahead(items, noting, workers, READ_AHEAD):
        progress(1)
    return noting.fingerprints(items)


def first_copies(items: Sequence[Item]) -> NDArray[np.int64]:
    """Return for each item the first one with the same content, (N,).

    Parts of files have the same content where they are the same part of equal files. Only files of
    the same size are read, once each: others cannot be copies. Files that cannot be read are copies
    of none.
    """
    by_size: dict[tuple[int | str, Window | None], list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        if (size := _size(item)) is not None:
            by_size[size, item.window].append(row)
    firsts = np.arange(len(items))
    digest_of = functools.cache(_digest)
    for (size, _), rows in by_size.items():
        seen: dict[str, int] = {}
        for row in rows if len(rows) > 1 else ():
            digest = size if isinstance(size, str) else digest_of(items[row].path)
            if digest is not None:
                firsts[row] = seen.setdefault(digest, row)
    return firsts


def _size(item: Item) -> int | str | None:
    """Return the bytes of a file or folder; the content's own hash of what is in memory."""
    try:
        if item.path is None:
            return None if item.image is None else item.fingerprint()
        return sum(reached(path).st_size for path in _files(item.path))
    except (LoadError, OSError):
        return None


def _digest(path: Path | None) -> str | None:
    """Return a hash of the bytes, or None when they cannot be read."""
    digest = hashlib.sha256()
    try:
        for file in _files(path) if path else ():
            with file.open("rb") as stream:
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
    except (LoadError, OSError):
        return None
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if is_folder(path):
        return [file for file in files_of(path) if file.is_file()]
    require_file(path)
    return [path]
