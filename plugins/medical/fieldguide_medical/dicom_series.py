"""CT volumes from DICOM: one folder with the slices of one series, or one file with one slice.

Only the elements named here are read, so names, dates and identifiers of a patient never enter
the process; messages are ours, because pydicom's can quote what an element holds.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from fieldguide.data.files import exists, is_folder, require_file
from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.descriptions import known_words
from fieldguide_medical.dicom_geometry import SlicePlace, stack
from fieldguide_medical.dicom_kind import TAGS_OF_KIND, check_kinds
from fieldguide_medical.volumes import check_affine, check_size, compact, ct_sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.samples import Sample

_MARK_OFFSET, _MARK = 128, b"DICM"

_TAGS = [
    *TAGS_OF_KIND,
    "SeriesDescription",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
]

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # also NotImplementedError and RecursionError
    MemoryError,
    struct.error,
    zlib.error,
    InvalidDicomError,
    BytesLengthException,  # quotes the bytes of elements
)


class DicomSeriesLoader:
    """Reads one CT series.

    Args:
        assume_hu: take values as Hounsfield units although they do not look like it.
    """

    def __init__(self, assume_hu: bool = False) -> None:
        self.assume_hu = assume_hu

    def __call__(self, path: Path) -> Sample:
        """Read a folder with the slices of one series, or a file with one slice.

        Returns:
            (X, Y, Z, 1) Hounsfield units in RAS order, int16 where they are whole numbers, else
            float32.

        Raises:
            LoadError: missing, broken or not DICOM.
            ContractError: not one evenly stacked CT series in Hounsfield units.
        """
        with quiet_library():  # pydicom's warnings quote what elements hold
            try:
                return self._read(path)
            except InputError:
                raise
            except _BROKEN as error:
                raise LoadError(
                    "an element that the volume needs is missing or broken. Export it again."
                ) from error

    def _read(self, path: Path) -> Sample:
        if not is_folder(path) and exists(path):
            require_file(path)
        files = _slice_files(path) if is_folder(path) else [path]
        headers = [_header(file) for file in files]
        check_kinds(headers)
        check_size((headers[0].Columns, headers[0].Rows, len(headers)))
        order, affine = stack([_place(header) for header in headers])
        check_affine(affine)
        doubt = _doubt(headers)
        values = _voxels([files[index] for index in order], [headers[index] for index in order])
        facts: dict[str, Any] = {"slice_count": len(headers)}
        if words := known_words(str(headers[0].get("SeriesDescription", ""))):
            facts["series_description"] = words
        return ct_sample(values, affine, assume_hu=self.assume_hu, doubt=doubt, facts=facts)


def _slice_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are named or marked as DICOM, by name."""
    try:
        files = sorted(path for path in folder.iterdir() if _may_be_slice(path))
    except OSError as error:
        raise LoadError(f"{error.strerror or 'not readable'}. Check the folder.") from error
    if not files:
        raise LoadError("no DICOM file lies in the folder. Name the folder that holds the slices.")
    return files


def _may_be_slice(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "DICOMDIR" or not path.is_file():
        return False
    return path.suffix.lower() == ".dcm" or _has_mark(path)


def _has_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(_MARK_OFFSET)
        return stream.read(len(_MARK)) == _MARK


def _header(path: Path) -> Dataset:
    try:
        if not _has_mark(path):
            raise LoadError(
                "not a DICOM file (the mark DICM is missing), or one of the folder is not. Export "
                "it again."
            )
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
        if syntax == DeflatedExplicitVRLittleEndian:  # it would be unpacked whole, to any size
            raise LoadError("it is deflated, which is not read. Run: dcmconv +te on its files.")
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    except FileNotFoundError as error:
        raise LoadError("no such file. Check the path.") from error
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error
    return header


def _place(header: Dataset) -> SlicePlace:
    try:
        position = np.array(header.ImagePositionPatient, dtype=np.float64)
        directions = np.array(header.ImageOrientationPatient, dtype=np.float64)
        spacing = np.array(header.PixelSpacing, dtype=np.float64)
        thickness = float(header.get("SliceThickness") or 1.0)
    except (AttributeError, TypeError, ValueError) as error:
        raise ContractError(
            "a slice has no position, orientation or pixel spacing. Export the series again."
        ) from error
    numbers = np.concatenate([position, directions, spacing, [thickness]])
    if numbers.shape != (12,) or not np.isfinite(numbers).all() or (numbers[9:] <= 0).any():
        raise ContractError(
            "the position, orientation or spacing of a slice is not valid. Export the series again."
        )
    return SlicePlace(
        position_mm=position,
        row_direction=directions[:3],
        column_direction=directions[3:],
        row_spacing_mm=float(spacing[0]),
        column_spacing_mm=float(spacing[1]),
        thickness_mm=thickness,
    )


def _doubt(headers: Sequence[Dataset]) -> str | None:
    """Return why the series says itself that rescaling does not give Hounsfield units."""
    if any(header.get(name) is None for header in headers for name in _TAGS[-3:-1]):
        return (
            "it has no rescale slope and intercept, so its values are not known to be Hounsfield "
            "units. If they are, add --assume-hu; else export the series again."
        )
    kinds = {str(header.get("RescaleType") or "HU").strip() for header in headers}
    if not kinds <= {"HU", "US"}:  # US: unspecified
        return (
            "its rescale type is not HU, so its values are not Hounsfield units. If they are, add "
            "--assume-hu; else export the CT itself."
        )
    return None


def _voxels(files: Sequence[Path], headers: Sequence[Dataset]) -> NDArray[Any]:
    """Return (column, row, slice) in Hounsfield units: stored value * slope + intercept, once."""
    rows, columns = int(headers[0].Rows), int(headers[0].Columns)
    values = np.empty((columns, rows, len(files)), dtype=np.float32)
    whole = True
    for index, (file, header) in enumerate(zip(files, headers, strict=True)):
        slope, intercept = (_number(header, name, default) for name, default in _RESCALE)
        stored = _pixels(file, header)
        if stored.shape != (rows, columns):
            raise LoadError(
                "the pixels of a slice have another size than its header says. Export it."
            )
        values[:, :, index] = (stored * slope + intercept).T
        whole = whole and stored.dtype.kind in "iu" and (slope % 1, intercept % 1) == (0, 0)
    return compact(values.astype(np.int32)) if whole else values


_RESCALE = (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))


def _number(header: Dataset, name: str, default: float) -> float:
    value = header.get(name)
    return default if value is None else float(value)


def _pixels(file: Path, header: Dataset) -> NDArray[Any]:
    if not _can_decode(str(header.file_meta.TransferSyntaxUID)):
        raise LoadError(
            "its pixels are compressed in a way that no installed package reads. Run: "
            "pip install 'pylibjpeg[all]', or decompress it with dcmdjpeg."
        )
    try:
        return pixel_array(file)
    except _BROKEN as error:
        raise LoadError(
            "the pixels of a slice are missing or cut. Copy or export the series again."
        ) from error


def _can_decode(transfer_syntax: str) -> bool:
    try:
        return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:  # a transfer syntax that pydicom does not know
        return False
