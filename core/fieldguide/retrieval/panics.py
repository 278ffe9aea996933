"""Turns faults of the index engine, which is written in Rust, into errors of ours.

A damaged file can make the engine panic. It then writes pages of its own frames to the standard
error and raises what is no ``Exception``.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from typing import TYPE_CHECKING

from fieldguide.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BROKEN = (OSError, RuntimeError, ValueError, TypeError, KeyError)
_PANICS = ("PanicException", "RustPanic")
"""Names, because the classes are in no module."""
_STDERR = 2
_lock = threading.Lock()


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[None]:
    """Raise the engine's errors as our own, without the places in its source code.

    Raises:
        StoreError: the engine failed.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, _BROKEN) and not _is_panic(error):
            raise
        reason = str(error).split(", /")[0]
        raise StoreError(
            f"The index {folder} cannot be used: {reason}. Check the space on the disk and the "
            "permissions of the folder; if both are good, index again into a new folder."
        ) from error


@contextlib.contextmanager
def silent_panics() -> Iterator[None]:
    """Hold back the standard error of the process; after a panic it is dropped, else written.

    For short steps only, such as opening a table, whose files may be damaged.
    """
    with _lock, tempfile.TemporaryFile() as held:
        try:
            original = os.dup(_STDERR)
        except OSError:  # it is closed
            yield
            return
        os.dup2(held.fileno(), _STDERR)
        panicked = False
        try:
            yield
        except BaseException as error:
            panicked = _is_panic(error)
            raise
        finally:
            os.dup2(original, _STDERR)
            os.close(original)
            if not panicked:
                held.seek(0)
                with contextlib.suppress(OSError):
                    os.write(_STDERR, held.read())


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ in _PANICS
