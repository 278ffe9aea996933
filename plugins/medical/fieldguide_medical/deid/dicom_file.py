"""A copy of one DICOM file without what tells of a person; its pixels stay the same bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydicom
from pydicom import DataElement, Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from fieldguide.data.files import atomic_path, require_file
from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.burned_in import burned_in
from fieldguide_medical.deid.rules import DATES, EMPTY, PIXELS, is_kept, is_replaced_uid
from fieldguide_medical.dicom_files import BROKEN

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide_medical.deid.pseudonyms import Pseudonyms

METHOD = "fieldguide: PS3.15 Basic Profile, listed numbers and words only"
_BASIC, _SHIFTED = "113100", "113107"
_CODES = {
    _BASIC: "Basic Application Confidentiality Profile",
    _SHIFTED: "Retain Longitudinal Temporal Information Modified Dates Option",
}
_ELEMENT = "an element is missing or broken. Export it again."
MAX_BYTES = 4 * 2**30
_TIME = re.compile(r"\d{2,6}(\.\d{1,6})?")


@dataclass(frozen=True)
class DicomCopyist:
    """Writes copies.

    Attributes:
        pseudonyms: of patients, UIDs and dates.
        shift_dates: keep dates, moved by a number of days that is the patient's own; else none.
        allow_burned_in: also copy images that may have a name in their pixels.
    """

    pseudonyms: Pseudonyms
    shift_dates: bool = False
    allow_burned_in: bool = False

    def copy(self, source: Path, target: Path) -> None:
        """Write a copy, in one step.

        Raises:
            LoadError: the source is missing or broken.
            ContractError: it has no pixels, or may have a name in them.
            StoreError: the target cannot be written.
        """
        with quiet_library():  # pydicom's warnings quote what elements hold
            try:
                copied = self._copied(_read(source))
            except InputError:
                raise
            except BROKEN as error:
                raise LoadError(_ELEMENT) from error
            with atomic_path(target) as temporary:
                _save(copied, temporary)

    def _copied(self, source: FileDataset) -> FileDataset:
        if not any(name in source for name in ("PixelData", *_OTHER_PIXELS)):
            raise ContractError(
                "it has no pixels: it is cut, or a report, plan or drawing, whose text cannot be "
                "cleaned. Leave it out."
            )
        reason = burned_in(source)
        if reason is not None and not self.allow_burned_in:
            raise ContractError(f"{reason.partition(';')[0]}. If none does: --allow-burned-in")
        patient = str(source.get("PatientID") or source.get("PatientName") or "")
        kept = self._kept(source)
        for name in EMPTY:
            if name not in kept:
                setattr(kept, name, None if name.endswith("Number") else "")
        kept.PatientID = kept.PatientName = self.pseudonyms.patient(patient)
        if self.shift_dates:
            self._shift(source, kept, patient)
        kept.PatientIdentityRemoved = "YES"
        kept.LongitudinalTemporalInformationModified = "MODIFIED" if self.shift_dates else "REMOVED"
        kept.DeidentificationMethod = METHOD
        codes = (_BASIC, _SHIFTED) if self.shift_dates else (_BASIC,)
        kept.DeidentificationMethodCodeSequence = Sequence(map(_code, codes))
        return _file(kept, source)

    def _kept(self, source: Dataset) -> Dataset:
        """Return what may be kept of a data set, its sequences likewise."""
        kept = Dataset()
        for element in source:
            if element.tag.is_private:
                continue
            if element.VR == "SQ":
                parts = [self._kept(item) for item in element.value or ()]
                if is_sequence_kept(element) and any(len(part) for part in parts):
                    kept.add(DataElement(element.tag, "SQ", Sequence(parts)))
            elif is_kept(element):
                kept.add(element)
            elif is_replaced_uid(element) and element.value:
                kept.add(DataElement(element.tag, "UI", self._uids(element.value)))
        return kept

    def _uids(self, value: object) -> str | list[str]:
        if isinstance(value, str):
            return self.pseudonyms.uid(str(value))
        return [self.pseudonyms.uid(str(uid)) for uid in value]  # type: ignore[attr-defined]  # a MultiValue

    def _shift(self, source: Dataset, kept: Dataset, patient: str) -> None:
        for name in DATES:
            value = str(source.get(name) or "").strip()
            if name.endswith("Time") and "DateTime" not in name:
                shifted = value if _TIME.fullmatch(value) else ""
            else:
                shifted = self.pseudonyms.shifted(value, patient)
            if shifted:
                setattr(kept, name, shifted)


_OTHER_PIXELS = sorted(PIXELS & {"FloatPixelData", "DoubleFloatPixelData"})


def is_sequence_kept(element: DataElement) -> bool:
    """Return whether the parts of a sequence are looked at; the profile removes some whole."""
    probe = DataElement(element.tag, "US", 0)
    return is_kept(probe)


def _save(copied: FileDataset, target: Path) -> None:
    try:
        copied.save_as(target, enforce_file_format=True)
    except OSError:  # of the disk
        raise
    except BROKEN as error:
        raise LoadError(_ELEMENT) from error


def _read(path: Path) -> FileDataset:
    require_file(path)
    if path.stat().st_size > MAX_BYTES:
        raise LoadError(f"larger than {MAX_BYTES // 2**30} GiB. Split it.")
    syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax is None:
        raise LoadError("its header names no transfer syntax. Export it again.")
    if syntax == DeflatedExplicitVRLittleEndian:  # it would be unpacked whole, to any size
        raise LoadError("it is deflated, which is not read. Run: dcmconv +te on its files.")
    source = pydicom.dcmread(path)
    for name in (
        "SOPClassUID",
        "SOPInstanceUID",
    ):  # some tools leave them empty: the header has them
        if not source.get(name):
            setattr(source, name, source.file_meta[f"MediaStorage{name}"].value)
    return source


def _file(kept: Dataset, source: FileDataset) -> FileDataset:
    """Return a file with a new header: the old one may name who sent it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = source.SOPClassUID
    meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    return FileDataset("", kept, preamble=bytes(128), file_meta=meta)


def _code(value: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = value, "DCM"
    code.CodeMeaning = _CODES[value]
    return code
