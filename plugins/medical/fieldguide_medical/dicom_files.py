"""DICOM files on disk: which of a folder's files they are, their headers, and their pixels.

Only the elements named here are read, so names, dates and identifiers of a patient never enter
the process; messages are ours, because pydicom's can quote what an element holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from fieldguide.data.files import exists, is_folder, require_file
from fieldguide.errors import LoadError
from fieldguide_medical.damaged import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

MAX_FILES = 20_000
"""In one folder; a CT study has a few thousand slices."""

_MARK_OFFSET, _MARK = 128, b"DICM"

BROKEN = (*DAMAGED, InvalidDicomError, BytesLengthException)  # the latter quotes elements
"""What pydicom raises on damaged files."""


def dicom_files(path: Path) -> list[Path]:
    """Return the file itself, or the files of a folder that are named or marked as DICOM, by name.

    Raises:
        LoadError: nothing is there, or too much.
    """
    if not is_folder(path):
        if exists(path):
            require_file(path)
        return [path]
    try:
        files = sorted(inside for inside in path.iterdir() if _may_be_dicom(inside))
    except OSError as error:
        raise LoadError(f"{error.strerror or 'not readable'}. Check the folder.") from error
    if not files:
        raise LoadError("no DICOM file lies in the folder. Name the folder that holds the slices.")
    if len(files) > MAX_FILES:
        raise LoadError(
            f"the folder holds {len(files)} DICOM files, more than {MAX_FILES}. Put each series in "
            "a folder of its own."
        )
    return files


def _may_be_dicom(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "DICOMDIR" or not path.is_file():
        return False
    return path.suffix.lower() == ".dcm" or _has_mark(path)


def _has_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(_MARK_OFFSET)
        return stream.read(len(_MARK)) == _MARK


def read_header(path: Path, tags: Sequence[str]) -> Dataset:
    """Return the named elements of a file, without its pixels.

    Raises:
        LoadError: it is no DICOM file, or deflated, or may not be read.
    """
    try:
        if not _has_mark(path):
            raise LoadError(
                "not a DICOM file (the mark DICM is missing), or one of the folder is not. Export "
                "it again."
            )
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
        if syntax == DeflatedExplicitVRLittleEndian:  # it would be unpacked whole, to any size
            raise LoadError("it is deflated, which is not read. Run: dcmconv +te on its files.")
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
    except FileNotFoundError as error:
        raise LoadError("no such file. Check the path.") from error
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error


def read_pixels(
    file: Path, header: Dataset, frames: Sequence[int] | None = None
) -> Iterator[NDArray[Any]]:
    """Yield the stored values of images, each (row, column) or (row, column, sample).

    Args:
        file: what ``header`` was read from.
        header: with its file meta information.
        frames: numbers from 0 in a file of several frames; None where there is one.

    Raises:
        LoadError: the pixels are missing, cut, or packed in a way that nothing installed reads.
    """
    if not _can_decode(str(header.file_meta.TransferSyntaxUID)):
        raise LoadError(
            "its pixels are compressed in a way that no installed package reads. Run: "
            "pip install python-gdcm pyjpegls, or decompress it with dcmdjpeg."
        )
    try:
        if frames is None:
            yield pixel_array(file)
        else:
            yield from iter_pixels(file, indices=frames)
    except BROKEN as error:
        raise LoadError(
            "the pixels of a slice are missing or cut. Copy or export the series again."
        ) from error


def _can_decode(transfer_syntax: str) -> bool:
    try:
        return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:  # a transfer syntax that pydicom does not know
        return False
