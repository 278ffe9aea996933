"""Where the files of an adapter are read from: a folder or a zip archive, both from strangers.

Nothing is unpacked to the disk. A zip is refused as a whole when any member is not a plain file at
its top, is named twice, is encrypted, or claims to grow beyond what tensors can be packed to.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING, Protocol

from fieldguide.data.files import is_link, reached, read_bounded
from fieldguide.errors import AdapterError, LoadError

if TYPE_CHECKING:
    from pathlib import Path

MAX_MEMBERS = 200
MAX_BYTES = 16 * 2**30
"""Of one file: more than all weights of the largest model of open_clip in float32."""

MAX_GROWTH, FREE_GROWTH_BYTES = 20, 64 * 2**20
"""A zip may unpack to this many times its size, and to this many bytes in any case."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,199}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Source(Protocol):
    """The files of one adapter.

    Attributes:
        place: folder or archive, for messages.
    """

    place: Path

    def names(self) -> tuple[str, ...]:
        """Return the names of its files."""
        ...

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a file.

        Raises:
            AdapterError: there is none, it is no plain file, or it is larger than that.
        """
        ...


def is_plain_name(name: str) -> bool:
    """Return whether a name is that of one file, at the top and on every system.

    >>> [is_plain_name(name) for name in ("card.md", "../card.md", "a/b", "C:x", "nul.txt", ".x")]
    [True, False, False, False, False, False]
    """
    return bool(_PLAIN_NAME.fullmatch(name)) and not _RESERVED.fullmatch(name)


class FolderSource:
    """An adapter in a folder; what is beside its files is not looked at."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def names(self) -> tuple[str, ...]:
        """Return the names of the plain files at the top of the folder."""
        found = (path.name for path in self.place.iterdir() if path.is_file())
        return tuple(sorted(name for name in found if is_plain_name(name)))

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a file; see :class:`Source`."""
        path = self.place / name
        if not is_plain_name(name) or is_link(path):
            raise AdapterError(f"{path} is no plain file of the adapter. {GET_AGAIN}")
        try:
            # a bound far above the size would have that much memory set aside
            return read_bounded(path, min(max_bytes, reached(path).st_size))
        except LoadError as error:
            raise AdapterError(f"{path} cannot be read: {error} {GET_AGAIN}") from error


class ZipSource:
    """An adapter in a zip archive, checked before any member is read.

    Raises:
        AdapterError: it is no archive, or one that an export would never write.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        try:
            with zipfile.ZipFile(place) as archive:
                members = archive.infolist()
        except _BROKEN as error:
            raise self._fault(f"is no complete zip archive ({error})") from error
        self._check(members)
        self._members = {member.filename: member for member in members}

    def names(self) -> tuple[str, ...]:
        """Return the names of its members."""
        return tuple(sorted(self._members))

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a member; see :class:`Source`."""
        member = self._members.get(name)
        if member is None:
            raise self._fault(f"has no file {name}")
        if member.file_size > max_bytes:
            raise self._fault(f"holds {name} of {member.file_size:,} bytes, too many for it")
        try:
            with zipfile.ZipFile(self.place) as archive, archive.open(member) as stream:
                content = stream.read(member.file_size + 1)
        except _BROKEN as error:
            raise self._fault(f"holds a damaged {name} ({error})") from error
        if len(content) != member.file_size:
            raise self._fault(f"states {member.file_size:,} bytes of {name}; it has others")
        return content

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        if len(members) > MAX_MEMBERS:
            raise self._fault(f"has {len(members):,} files, and no adapter has so many")
        names = [member.filename.casefold() for member in members]  # as some systems see them
        for member in members:
            # the name as it is written: zipfile cuts it at a zero byte and turns separators
            name = member.orig_filename
            if not is_plain_name(name) or name != member.filename:
                raise self._fault(f"holds the file {name[:80]!r}, which would lie elsewhere")
            if names.count(name.casefold()) > 1:
                raise self._fault(f"holds {name} twice")
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise self._fault(f"holds {name} as a link or device, not as a file")
            if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
                raise self._fault(f"holds {name} encrypted or packed in an unusual way")
        total = sum(member.file_size for member in members)
        size = self.place.stat().st_size
        if total > max(FREE_GROWTH_BYTES, MAX_GROWTH * size) or total > MAX_BYTES:
            raise self._fault(f"of {size:,} bytes would unpack to {total:,}")

    def _fault(self, what: str) -> AdapterError:
        return AdapterError(f"{self.place} {what}. {GET_AGAIN}")


GET_AGAIN = (
    "It is damaged, or no adapter that fieldguide exported: get it again from its source. "
    "'fieldguide adapters export A --output A.zip' writes one."
)
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError,
           EOFError)  # fmt: skip
