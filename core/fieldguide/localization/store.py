"""The vectors of a source's windows on disk: appended in their order, so a killed job goes on."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from fieldguide.data.files import atomic_path, exists, only_writer, read_bounded, unwritten
from fieldguide.data.windows import EMPTY as EMPTY_WINDOW
from fieldguide.errors import LoadError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Batch

ABOUT, VECTORS, STATES, FAULTS = "windows.json", "vectors.f32", "states.u8", "faults.jsonl"
EMPTY, EMBEDDED, FAILED = 0, 1, 2
"""States of a window: no data, a vector, could not be read."""
ROWS_AT_ONCE = 8192
"""Of 512 numbers: 16 MiB."""
SECONDS_PER_COMMIT = 2.0
OPTION = "--vectors"
MAX_ABOUT_BYTES = 2**20
MAX_FAULTS = 1000
MAX_REMARKS = 20


class WindowStore:
    """The vectors of one list of windows.

    Args:
        folder: of its own; made where there is none.
        about: what the vectors depend on; another content begins anew.
        dim: length of a vector.

    Attributes:
        done: how many windows are stored.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], dim: int) -> None:
        self.folder = folder
        self.done = 0
        self._about = json.loads(json.dumps(about, default=str))
        self._dim = dim
        self._stack = contextlib.ExitStack()
        self._files: dict[str, BinaryIO] = {}
        self._waiting: list[Batch] = []
        self._remarks: set[str] = set()
        self._written_at = time.monotonic()

    def __enter__(self) -> Self:
        """Take the lock, and open what is there or begin.

        Raises:
            BusyError: another process writes it.
            StoreError: the folder cannot be written.
        """
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(only_writer(self.folder / ".lock", self.folder, OPTION))
                self._begin()
                for name in (VECTORS, STATES, FAULTS):
                    self._files[name] = stack.enter_context((self.folder / name).open("r+b"))
                self._cut_to_whole_rows()
                self._stack = stack.pop_all()
        except OSError as error:
            raise unwritten(self.folder, error, OPTION) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Write what waits, also at an interrupt, and release the lock."""
        try:
            self.commit()
        finally:
            self._stack.close()

    def add(self, batch: Batch) -> None:
        """Take the next windows; a kill loses at most those of the last seconds.

        Raises:
            StoreError: the disk is full.
        """
        self._waiting.append(batch)
        if time.monotonic() - self._written_at > SECONDS_PER_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Write what waits; it is then safe from a kill.

        Raises:
            StoreError: the disk is full.
        """
        waiting, self._waiting = self._waiting, []
        try:
            for batch in waiting:
                self._write(batch)
            for name in (FAULTS, VECTORS, STATES) if waiting else ():
                self._files[name].flush()
                os.fsync(self._files[name].fileno())
        except OSError as error:
            raise unwritten(self.folder, error, OPTION) from error
        self._written_at = time.monotonic()

    def _write(self, batch: Batch) -> None:
        vectors = np.zeros((len(batch.rows), self._dim), np.float32)
        if batch.embeddings is not None:
            vectors[batch.places] = batch.embeddings.vectors
        states = np.full(len(batch.rows), FAILED, np.uint8)
        states[batch.places] = EMBEDDED
        for place, row in enumerate(batch.rows):
            if row.status == EMPTY_WINDOW:
                states[place] = EMPTY
        reasons = [
            json.dumps({"place": self.done + int(place), "reason": batch.rows[place].reason})
            for place in np.flatnonzero(states == FAILED)
        ]
        for row in batch.encoded:  # the same repairs, window after window
            if row.reason and row.reason not in self._remarks and len(self._remarks) < MAX_REMARKS:
                self._remarks.add(row.reason)
                reasons.append(json.dumps({"remark": row.reason}))
        self._append(FAULTS, "".join(f"{line}\n" for line in reasons).encode())
        self._append(VECTORS, vectors.tobytes())
        self._append(STATES, states.tobytes())
        self.done += len(batch.rows)

    def states(self) -> NDArray[np.uint8]:
        """Return the state of every stored window."""
        return np.fromfile(self.folder / STATES, np.uint8, self.done)

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the vectors in their order, some (N, D) at a time; zeros where there is none."""
        for start in range(0, self.done, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, self.done - start)
            offset = start * self._dim * 4
            flat = np.fromfile(self.folder / VECTORS, np.float32, count * self._dim, offset=offset)
            yield flat.reshape(count, self._dim)

    def faults(self) -> list[str]:
        """Return why windows could not be read, each reason once, at most MAX_FAULTS."""
        return self._noted("reason")

    def remarks(self) -> list[str]:
        """Return which repairs were made on windows and what could not be known, each once."""
        return self._noted("remark")

    def _noted(self, kind: str) -> list[str]:
        with (self.folder / FAULTS).open(encoding="utf-8", errors="replace") as lines:
            found: dict[str, None] = {}
            for line in lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # a torn last line
                    found.setdefault(str(json.loads(line)[kind]))
                if len(found) >= MAX_FAULTS:
                    break
        return list(found)

    def _begin(self) -> None:
        """Keep the folder when it holds these windows, else empty it."""
        about = self.folder / ABOUT
        if exists(about) and _read(about) == self._about:
            for name in (VECTORS, STATES, FAULTS):
                (self.folder / name).touch()
            return
        others = {path.name for path in self.folder.iterdir()} - {
            ".lock", ABOUT, VECTORS, STATES, FAULTS
        }  # fmt: skip
        if others:
            raise StoreError(
                f"{self.folder} holds other files, such as {min(others)}. Name another --vectors."
            )
        for name in (VECTORS, STATES, FAULTS):
            (self.folder / name).write_bytes(b"")
        with atomic_path(about) as temporary:
            temporary.write_text(json.dumps(self._about, indent=2), "utf-8")

    def _cut_to_whole_rows(self) -> None:
        """Drop what a kill left half written."""
        row_bytes = self._dim * 4
        whole = self._files[VECTORS].seek(0, os.SEEK_END) // row_bytes
        self.done = min(whole, self._files[STATES].seek(0, os.SEEK_END))
        self._files[VECTORS].truncate(self.done * row_bytes)
        self._files[STATES].truncate(self.done)

    def _append(self, name: str, content: bytes) -> None:
        self._files[name].seek(0, os.SEEK_END)
        self._files[name].write(content)


def _read(about: Path) -> Any:
    try:
        return json.loads(read_bounded(about, MAX_ABOUT_BYTES))
    except (LoadError, ValueError, RecursionError):
        return None
