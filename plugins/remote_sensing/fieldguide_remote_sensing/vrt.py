"""Checks a virtual raster (VRT) before GDAL follows it: every source is a plain local file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from fieldguide.errors import ContractError, LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 8
_SOURCES = ("sourcefilename", "sourcedataset")


def check_vrt(path: Path) -> None:
    """Check all sources of a VRT, and those of VRTs among them.

    Raises:
        LoadError: it is not XML, too large, refers to itself, or a source is missing.
        ContractError: a source is on the network, inside an archive or read without a format.
    """
    _check(path.resolve(), ())


def _check(path: Path, parents: tuple[Path, ...]) -> None:
    if path in parents or len(parents) >= MAX_DEPTH:
        raise LoadError(f"its source {path.name} leads back to itself. Correct the VRT.")
    if path.stat().st_size > MAX_BYTES:
        raise LoadError(f"it is larger than {MAX_BYTES // 2**20} MiB. Split the VRT.")
    if b"<!DOCTYPE" in path.read_bytes().upper():  # two parsers may read its entities differently
        raise LoadError("it declares a document type, which no VRT has. Build it again.")
    seen: set[Path] = set()
    for source in _sources(path):
        if source not in seen:
            seen.add(source)
            _check_source(source, (*parents, path))


def _sources(path: Path) -> Iterator[Path]:
    try:
        for _, element in ElementTree.iterparse(path):  # expat 2.4 and later stops XML bombs
            # GDAL does not distinguish capitals in names of elements.
            if element.get("subClass", element.get("subclass", "")).lower() == "vrtrawrasterband":
                raise ContractError(
                    "it reads raw bytes of another file. Convert it: "
                    f"gdal_translate {path.name} out.tif"
                )
            if element.tag.rpartition("}")[2].lower() in _SOURCES and element.text:
                yield _local_file(path, element)
    except ElementTree.ParseError as error:
        raise LoadError(f"it is not a VRT: {error}. Build it again: gdalbuildvrt") from error


def _local_file(path: Path, element: ElementTree.Element) -> Path:
    text = (element.text or "").strip()
    if "://" in text or text.startswith(("/vsi", "<")):
        kind = text.split("?")[0][:80]
        raise ContractError(
            f"its source {kind!r} is not a file on this machine, and nothing is downloaded. "
            f"Fetch it yourself: gdal_translate {path.name} out.tif"
        )
    relative = next((v for k, v in element.items() if k.lower() == "relativetovrt"), "0")
    return path.parent / text if relative.strip() == "1" else Path(text).absolute()


def _check_source(source: Path, parents: tuple[Path, ...]) -> None:
    try:
        if not source.is_file():
            raise LoadError(f"its source {source.name} is missing. Put it there, or edit the VRT.")
        with source.open("rb") as stream:
            start = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"its source cannot be read: {reason}. Check the path.") from error
    if start.startswith(b"<VRTDataset"):
        _check(source.resolve(), parents)
    elif start.startswith((b"<", b"{")):
        raise ContractError(
            f"its source {source.name} is a description of a service, not a picture. "
            "Download what it shows first: gdal_translate"
        )
