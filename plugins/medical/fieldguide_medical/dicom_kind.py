"""What a DICOM file shows: CT slices, a localizer, a picture of a screen, another modality ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

TAGS_OF_KIND = (
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BurnedInAnnotation",
)

CT = "CT"
LOCALIZER = "localizer"
SECONDARY_CAPTURE = "secondary capture"
COLOURS = "colours"
UNKNOWN = "not stated or unknown"
RADIOGRAPHS = frozenset({"CR", "DX"})
"""Modalities of the DICOM standard that are read as radiographs."""

_OTHER = (
    "MR PT NM US CR DX MG IO RG PX XA RF OT SC SM XC ES GM OP OPT SR SEG PR KO REG DOC ECG AU "
    "RTDOSE RTIMAGE RTPLAN RTSTRUCT RTRECORD BMD"
)
_OTHER_MODALITIES = frozenset(_OTHER.split())
_DRAWN_ON_CT = frozenset({"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # the class itself, and those of many frames
_SCOUTS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM"})
_SCREENSHOTS = frozenset({"SCREEN SAVE", "SCREENSAVE"})


def kind_of(header: Dataset) -> str:
    """Return "CT", "localizer", "secondary capture", "colours", or the name of another modality.

    It is a word of a fixed list; what an element holds is never told.
    """
    image_type = {str(value).strip().upper() for value in as_values(header.get("ImageType"))}
    of_class = f"{header.get('SOPClassUID') or ''}."
    if of_class.startswith(_SECONDARY_CAPTURE) or image_type & _SCREENSHOTS:
        return SECONDARY_CAPTURE
    modality = str(header.get("Modality") or "").strip()
    if modality != CT:
        return modality if modality in _OTHER_MODALITIES else UNKNOWN
    if image_type & _SCOUTS:
        return LOCALIZER
    gray = str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip() == "MONOCHROME2"
    return CT if gray and int(header.get("SamplesPerPixel") or 1) == 1 else COLOURS


def modality_of(header: Dataset) -> str:
    """Return the modality where it is one of the standard's, else what says that it is not."""
    modality = str(header.get("Modality") or "").strip()
    return modality if modality in {CT, *_OTHER_MODALITIES} else UNKNOWN


def refusal(kind: str) -> str:
    """Return why something of a kind that is not CT is no volume, and what to do."""
    if kind == SECONDARY_CAPTURE:
        return (
            "it is a secondary capture (a picture of a screen), not CT slices. Take it out of the "
            "folder, or name the original series."
        )
    if kind == LOCALIZER:
        return (
            "it holds a localizer (scout) image, which is no slice. Take it out of the folder, or "
            "name the series of the slices."
        )
    if kind == COLOURS:
        return "its pixels are colours or inverted, not CT values. Name a CT series."
    if kind in RADIOGRAPHS:
        return f"its modality is {kind}, a radiograph, and not CT. Add: --modality radiograph"
    if kind in _DRAWN_ON_CT:
        return (
            f"its modality is {kind}: it refers to images and holds none of its own. Name the CT "
            "series that it belongs to."
        )
    return f"its modality is {kind}, and not CT. Name a CT series."


def check_kinds(headers: Sequence[Dataset]) -> None:
    """Refuse what is not slices of CT of one size.

    Args:
        headers: of one series.

    Raises:
        ContractError: another modality, a localizer, a secondary capture, colours, mixed sizes.
    """
    for header in headers:
        if (kind := kind_of(header)) != CT:
            raise ContractError(refusal(kind))
    sizes = {(header.get("Rows"), header.get("Columns")) for header in headers}
    if len(sizes) > 1:
        raise ContractError(
            f"its slices have {len(sizes)} different sizes in pixels. Put the slices of one size "
            "in a folder of their own."
        )


def as_values(element: Any) -> Sequence[Any]:
    """Return the values of an element, of which there may be none, one or several."""
    if element is None:
        return ()
    return (element,) if isinstance(element, str | int | float) else tuple(element)
