"""Atomic writing and the lock that keeps two jobs off one output."""

from __future__ import annotations

import contextlib
import glob
import os
from typing import TYPE_CHECKING

import filelock

from fieldguide.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def utf8_text(text: str) -> str:
    r"""Return a text that can be stored: a file name need not be Unicode.

    >>> utf8_text("caf\udce9.jpg")
    'caf\\udce9.jpg'
    """
    return text.encode("utf-8", "backslashreplace").decode()


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
        with contextlib.suppress(OSError):  # it may not even have a folder
            temporary.unlink()


def remove_leftovers(path: Path) -> None:
    """Remove what a killed :func:`atomic_path` left beside ``path``; only its sole writer may."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
        with contextlib.suppress(OSError):
            temporary.unlink()


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
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}. Choose another --output."
        ) from error
