"""Pairs in tar files as webdataset writes them: the files of one sample share a name.

``000123.jpg``, ``000123.txt`` and ``000123.json`` are one sample; so are ``000123.img_content``,
``000123.caption`` and ``000123.img_name`` of RS5M (Zhang et al. 2023, arXiv:2306.11300). A tar
comes from strangers: nothing is written under a name of its, links and devices are not followed,
and no member is read that is larger than a picture is.
"""

from __future__ import annotations

import json
import math
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from fieldguide.data.files import require_file, utf8_text
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

IMAGE_ENDINGS = ("img_content", "jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif")
TEXT_ENDINGS = ("caption", "txt")
META_ENDING = "json"
META_TEXTS = ("caption", "text")
MAX_IMAGE_BYTES = 256 * 2**20
MAX_TEXT_BYTES = 2**20
MAX_HEADER_BYTES = 2**20
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class TarPair:
    """One sample.

    Attributes:
        key: its name in the tar, as text; it names nothing on the disk.
        image: the bytes of its picture.
        text: its caption.
        metadata: the plain values of its JSON.
    """

    key: str
    image: bytes = field(repr=False)
    text: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TarFault:
    """A sample that cannot be used, or a place where the tar breaks off.

    Attributes:
        key: of the sample; empty for the tar itself.
        reason: why.
    """

    key: str
    reason: str


def read_tar(path: Path) -> Iterator[TarPair | TarFault]:
    """Yield the samples of a tar in their order; memory holds one.

    Raises:
        LoadError: it is no file, or no tar without compression.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            bounded: Any = _Bounded(stream)
            with tarfile.open(fileobj=bounded, mode="r:") as tar:
                yield from _samples(tar)
    except tarfile.TarError as error:
        raise LoadError(
            f"not a tar without compression ({error}). Unpack a compressed one first."
        ) from error
    except OSError as error:
        raise LoadError(f"{error.strerror or error}. Check the path.") from error


class _Bounded:
    """A file of which no single read is large: headers of a tar say how long they are."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.HeaderError(f"a part of {size} bytes is larger than such parts are")
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _samples(tar: Any) -> Iterator[TarPair | TarFault]:
    gathered = _Gathered()
    for member in _members(tar):
        if isinstance(member, TarFault):
            yield from gathered.sample()
            yield member
            return
        key, ending = _split(member.name)
        if key != gathered.key:
            yield from gathered.sample()
            gathered = _Gathered(key)
        gathered.take(tar, member, ending)
    yield from gathered.sample()


def _members(tar: Any) -> Iterator[tarfile.TarInfo | TarFault]:
    """Yield all members but folders; a fault last where the tar breaks off."""
    while True:
        try:
            member = tar.next()
        except _BROKEN as error:
            yield TarFault("", f"the tar is damaged from here on: {error}")
            return
        if member is None:
            break
        tar.members = []  # it would keep every header
        if not member.isdir():
            yield member
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        yield TarFault("", "the tar breaks off: it has no end mark")


@dataclass
class _Gathered:
    """The parts of the sample under way."""

    key: str | None = None
    parts: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def take(self, tar: Any, member: tarfile.TarInfo, ending: str) -> None:
        """Read a part, or note why it cannot be."""
        try:
            content = _content(tar, member, ending)
        except _BROKEN as error:
            self.faults.append(f"{ending}: {error}")
        else:
            if content is not None:
                self.parts[ending] = content

    def sample(self) -> Iterator[TarPair | TarFault]:
        """Yield the sample, or what is wrong with it; nothing where there are no parts."""
        if self.key is None or not (self.parts or self.faults):
            return
        image = next((self.parts[e] for e in IMAGE_ENDINGS if e in self.parts), None)
        metadata: dict[str, Any] = {}
        text = ""
        try:
            metadata = _metadata(self.parts.get(META_ENDING, b"{}"))
            text = _text(self.parts, metadata)
        except (ValueError, RecursionError) as error:
            self.faults.append(str(error))
        if image is None or self.faults:
            yield TarFault(self.key, "; ".join(self.faults) or "it has no picture")
        else:
            own = {name: value for name, value in metadata.items() if name not in META_TEXTS}
            yield TarPair(self.key, image, text, own)


def _split(name: str) -> tuple[str, str]:
    """Return key and ending: what is before and behind the first dot of the file's name.

    >>> _split("a.b/0001.img_content")
    ('a.b/0001', 'img_content')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return utf8_text(f"{folder}{slash}{stem}"), ending.lower()


def _content(tar: Any, member: tarfile.TarInfo, ending: str) -> bytes | None:
    """Return the bytes of a part that is used; None for others.

    Raises:
        ValueError: it is no plain file or too large.
    """
    limit = MAX_IMAGE_BYTES if ending in IMAGE_ENDINGS else MAX_TEXT_BYTES
    if ending not in (*IMAGE_ENDINGS, *TEXT_ENDINGS, META_ENDING):
        return None
    if not member.isreg() or member.issparse():
        raise ValueError("it is a link or another thing that is no file")
    if member.size > limit:
        raise ValueError(f"its {member.size} bytes are more than {limit}")
    tar.fileobj.seek(member.offset_data)
    content = b"".join(_blocks(tar.fileobj, member.size))
    if len(content) < member.size:
        raise ValueError("the tar ends within it")
    return content


def _blocks(source: _Bounded, size: int) -> Iterator[bytes]:
    while size > 0 and (block := source.read(min(size, MAX_HEADER_BYTES))):
        yield block
        size -= len(block)


def _metadata(content: bytes) -> dict[str, Any]:
    found = json.loads(content.decode("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("its JSON is no object")
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, str | bool | int)
        or (isinstance(value, float) and math.isfinite(value))
    }


def _text(parts: Mapping[str, bytes], metadata: Mapping[str, Any]) -> str:
    for ending in TEXT_ENDINGS:
        if ending in parts:
            return parts[ending].decode("utf-8").strip()
    found = next((metadata[name] for name in META_TEXTS if name in metadata), "")
    return found.strip() if isinstance(found, str) else ""
