"""Paths that may be anything, atomic writing, and the lock that keeps two jobs off one output."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import filelock

from fieldguide.errors import BusyError, LoadError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def utf8_text(text: str) -> str:
    r"""Return a text that can be stored: a file name need not be Unicode.

    >>> utf8_text("caf\udce9.jpg")
    'caf\\udce9.jpg'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def exists(path: Path) -> bool:
    """Return whether something is there and may be looked at; never raises."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a folder that may not be entered
        return False


def is_folder(path: Path) -> bool:
    """Return whether a folder is there and may be looked at; never raises."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_link(path: Path) -> bool:
    """Return whether a path is a symbolic link; never raises."""
    return os.path.islink(path)  # noqa: PTH114 - Path.is_symlink() raises on too long a name


def reached(path: Path) -> os.stat_result:
    """Return what the file system says of a file or folder.

    Raises:
        LoadError: nothing is there, or it may not or cannot be reached.
    """
    try:
        return path.stat()
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +rx on its folder.") from error
    except OSError as error:  # nothing there, too long a name, a link that leads to itself
        raise LoadError(f"{error.strerror or error}. Check the path.") from error
    except ValueError as error:  # a name that no file can have
        raise LoadError(f"not a possible file name ({error}). Check the path.") from error


def require_file(path: Path) -> None:
    """Raise LoadError unless a file is there; a pipe or a device may have no end."""
    if not stat.S_ISREG(reached(path).st_mode):
        raise LoadError("not a file. Name a file.")


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or all files in a folder and the folders in it, in order.

    Links to folders are not followed.

    Raises:
        LoadError: a folder cannot be listed.
    """
    if not is_folder(path):
        return [path]
    found: list[Path] = []
    waiting = [path]
    try:
        while waiting:
            for inside in waiting.pop().iterdir():
                deeper = not is_link(inside) and inside.is_dir()
                (waiting if deeper else found).append(inside)
    except OSError as error:
        raise LoadError(f"{error.strerror or error}. Check the path.") from error
    return sorted(found)


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file that should be small.

    Raises:
        LoadError: it cannot be read, is a pipe or device, or is larger than that.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error
    except OSError as error:
        raise LoadError(f"{error.strerror or error}. Check the path.") from error
    if len(content) > max_bytes:
        raise LoadError(f"larger than {max_bytes / 2**20:.0f} MiB. Cut it into several.")
    return content


def unwritten(target: Path, error: OSError, option: str = "--output") -> StoreError:
    """Return why something cannot be written, and what to do: choose another value of an option."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Make room and run the same command again, or choose" if full else "Choose"
    return StoreError(
        f"{target} cannot be written: {error.strerror or error}. {advice} another {option}."
    )


def leads_out(name: str) -> bool:
    r"""Return whether a name that a file gives may lead out of the folder that it is meant in.

    >>> leads_out("images/a.jpg"), leads_out("..\\a.jpg"), leads_out("/etc/a"), leads_out("C:a")
    (False, True, True, True)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name or "\x00" in name


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes the place of ``path`` at the end.

    After a crash at any moment ``path`` is either as before or complete.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    path = path.absolute()
    temporary = path.parent / f".{path.name}.tmp-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # it may be a link that leads elsewhere
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # it may not even have a folder
            temporary.unlink()


def remove_leftovers(path: Path) -> None:
    """Remove what a killed :func:`atomic_path` left beside ``path``; only its sole writer may."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def only_writer(lock: Path, target: Path, option: str = "--output") -> Iterator[None]:
    """Hold a lock that is released when the process ends, however it ends.

    Raises:
        BusyError: another process writes the same target.
        StoreError: the folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout as error:
        raise BusyError(
            f"{target} is being written by another fieldguide process. Wait until it is done."
        ) from error
    except OSError as error:
        raise unwritten(target, error, option) from error
