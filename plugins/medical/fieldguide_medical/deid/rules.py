"""What becomes of each element of a DICOM file: the Basic Profile, and stricter than it.

DICOM PS3.15, Annex E, lists what the Basic Application Level Confidentiality Profile removes,
empties or replaces; its table comes with the package ``dicom-anonymizer``. Names hide beyond that
table, in any text. So a copy keeps only what is listed here: numbers that the table does not name,
words out of fixed lists, classes of objects, pixels and look-up tables.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c
from pydicom._uid_dict import UID_dictionary

from fieldguide.plain_yaml import load_yaml

if TYPE_CHECKING:
    from pydicom import DataElement

WORDS = Path(__file__).with_name("words.yaml")
NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "US or SS"})
PIXELS = frozenset(
    {
        "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths", "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData", "LUTData",
        "SmallestImagePixelValue", "LargestImagePixelValue",
    }
)  # fmt: skip
"""Elements with many bytes that are kept as they are."""
DATES = (
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "StudyTime", "SeriesTime",
    "AcquisitionTime", "ContentTime", "AcquisitionDateTime", "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
)  # fmt: skip
"""Elements that are kept, shifted, where dates are shifted."""
EMPTY = (
    "AccessionNumber", "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "StudyDate",
    "StudyID", "StudyTime", "SeriesNumber", "InstanceNumber", "Manufacturer",
)  # fmt: skip
"""Elements that every image must have and may have empty (type 2)."""
_DRAWINGS = range(0x5000, 0x6100)
"""Curves and overlays: drawings on the picture."""


def is_kept(element: DataElement) -> bool:
    """Return whether an element goes into a copy as it is; sequences are judged by their parts."""
    tag = element.tag
    if tag.is_private or tag.group in _DRAWINGS or tag.element == 0:
        return False
    if element.keyword in PIXELS:
        return True
    if (tag.group, tag.element) in _profile():
        return False
    if element.VR in NUMBERS:
        return True
    if element.VR == "UI":
        return all(str(uid) in UID_dictionary for uid in _values(element))
    allowed = kept_words().get(element.keyword)
    return allowed is not None and all(str(value).strip() in allowed for value in _values(element))


def is_replaced_uid(element: DataElement) -> bool:
    """Return whether an element holds UIDs of its own objects, which copies have new ones for."""
    return element.VR == "UI" and not element.tag.is_private and element.tag.group > 2


def _values(element: DataElement) -> list[object]:
    value = element.value
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


@functools.cache
def _profile() -> frozenset[tuple[int, int]]:
    """Return the elements of the profile's table, whatever it does with them."""
    return frozenset(tag for tag in dicomfields_2026c.ALL_TAGS if len(tag) == 2)


@functools.cache
def kept_words() -> dict[str, frozenset[str]]:
    """Return the words that each element may keep."""
    words = load_yaml(WORDS)["words"]
    return {name: frozenset(map(str, values)) for name, values in words.items()}
