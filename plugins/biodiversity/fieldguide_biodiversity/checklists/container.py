"""Where tables lie: in a zip archive, in a folder, or alone."""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
from typing import IO, TYPE_CHECKING, Protocol, cast

from fieldguide.data.files import is_folder, leads_out, reached, require_file
from fieldguide.errors import LoadError
from fieldguide_biodiversity.checklists.bounded import UNPACKING_FAULTS, BoundedStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_MEMBERS = 100_000
"""Files in one archive or folder; GBIF's backbone has a description of each of its sources."""
MAX_SMALL_BYTES = 16 * 2**20
"""Of descriptions such as meta.xml."""


class Container(Protocol):
    """Files by name, with ``/`` between folders.

    Attributes:
        path: of the archive, folder or file.
    """

    path: Path

    def names(self) -> list[str]:
        """Return the names of all files."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a file, bounded; see ``BoundedStream``.

        Raises:
            LoadError: there is none, or it cannot be unpacked.
        """
        ...


class Archive:
    """Files of a zip archive; see ``Container``."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._members = {
            info.filename: info
            for info in archive.infolist()
            if not info.is_dir() and not leads_out(info.filename)
        }

    def names(self) -> list[str]:
        """Return the names of all files that stay inside."""
        return list(self._members)

    def open(self, name: str) -> IO[bytes]:
        """Open a file; see ``Container.open``."""
        info = self._members.get(name)
        if info is None:
            raise LoadError(f"it has no file {name!r}, which it should have. Get it again.")
        try:
            stream = self._archive.open(info)
        except UNPACKING_FAULTS as error:
            raise LoadError(
                f"it cannot be unpacked at {name!r}: {error}. Pack it again."
            ) from error
        return _buffered(BoundedStream(stream, lambda: info.compress_size))


class Folder:
    """Files of a folder and of the folders in it; links to outside do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = path.resolve()

    def names(self) -> list[str]:
        """Return the names of all files."""
        found: list[str] = []
        for place in self.path.rglob("*"):
            if len(found) > MAX_MEMBERS:
                raise LoadError(
                    f"it is a folder of more than {MAX_MEMBERS} files. Name one that holds less."
                )
            with contextlib.suppress(OSError):
                if place.is_file():
                    found.append(place.relative_to(self.path).as_posix())
        return sorted(found)

    def open(self, name: str) -> IO[bytes]:
        """Open a file; see ``Container.open``."""
        place = self.path / name
        try:
            inside = not leads_out(name) and place.resolve().is_relative_to(self._root)
        except (OSError, RuntimeError, ValueError):  # links in a circle, impossible names
            inside = False
        if not inside:
            raise LoadError(
                f"it names the file {name!r}, which lies outside of it. Correct the name."
            )
        return _open_file(place)


class Alone:
    """One file, packed by gzip or not."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Return its own name, without ``.gz``."""
        return [self.path.name.removesuffix(".gz")]

    def open(self, name: str) -> IO[bytes]:
        """Open it."""
        del name
        return _open_file(self.path)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Container]:
    """Yield what a path holds: the files of a folder, of a zip archive, or the file itself.

    Raises:
        LoadError: it cannot be read, or is a damaged archive.
    """
    if is_folder(path):
        yield Folder(path)
        return
    require_file(path)
    if not _starts_with(path, b"PK"):
        yield Alone(path)
        return
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except UNPACKING_FAULTS as error:
            raise LoadError(
                f"it is a zip archive that is damaged or cut off ({error}). Get it again."
            ) from error
        if len(archive.filelist) > MAX_MEMBERS:
            raise LoadError(
                f"it is an archive of more than {MAX_MEMBERS} files. Name one table of it."
            )
        yield Archive(path, archive)


def read_small(container: Container, name: str) -> bytes:
    """Return a whole file that should be small.

    Raises:
        LoadError: it is larger than 16 MiB, or cannot be read.
    """
    with container.open(name) as stream:
        content = stream.read(MAX_SMALL_BYTES + 1)
    if len(content) > MAX_SMALL_BYTES:
        raise LoadError(f"it cannot be read: {name!r} is larger than {MAX_SMALL_BYTES >> 20} MiB.")
    return content


def find_name(container: Container, *wanted: str) -> str | None:
    """Return the outermost file of one of some names; capitals do not matter."""
    fitting = [
        name for name in container.names() if name.rpartition("/")[2].lower() in wanted
    ]  # fmt: skip
    return min(fitting, key=lambda name: (name.count("/"), name), default=None)


def _open_file(path: Path) -> IO[bytes]:
    require_file(path)
    size = reached(path).st_size
    try:
        if _starts_with(path, b"\x1f\x8b"):
            return _buffered(BoundedStream(cast("IO[bytes]", gzip.open(path)), lambda: size))
        return _buffered(BoundedStream(path.open("rb")))
    except OSError as error:
        raise LoadError(f"it cannot be read: {error.strerror or error}. Check the path.") from error


def _buffered(stream: BoundedStream) -> IO[bytes]:
    return io.BufferedReader(stream, 2**20)


def _starts_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(start)) == start
    except OSError as error:
        raise LoadError(f"it cannot be read: {error.strerror or error}. Check the path.") from error
