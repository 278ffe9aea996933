"""Atomic writing and the lock that keeps two jobs off one output."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import filelock

from fieldguide.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes the place of ``path`` at the end.

    After a crash at any moment ``path`` is either as before or complete.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. Choose another --output."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(lock: Path, target: Path) -> Iterator[None]:
    """Hold a lock that is released when the process ends, however it ends.

    Raises:
        StoreError: another process writes the same target, or the folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout as error:
        raise StoreError(
            f"{target} is being written by another fieldguide process. Wait until it is done."
        ) from error
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}. Choose another --output."
        ) from error
