"""Is this one CT series? Modality, kind of image and equal sizes, judged before any pixel."""

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
    "PixelSpacing",
)

_OTHER = "MR PT US CR DX MG NM XA RF IO OT SC SM SR SEG PR KO RTDOSE RTIMAGE RTPLAN RTSTRUCT"
_OTHER_MODALITIES = frozenset(_OTHER.split())
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SCOUTS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM"})
_SCREENSHOTS = frozenset({"SCREEN SAVE", "SCREENSAVE"})


def check_kinds(headers: Sequence[Dataset]) -> None:
    """Refuse what is not the slices of one CT series.

    Raises:
        ContractError: several series, another modality, a localizer, a secondary capture, several
            frames in one file, colours, or mixed sizes.
    """
    series = {str(header.get("SeriesInstanceUID") or "") for header in headers}
    if len(series) > 1:
        raise ContractError(
            f"the folder holds {len(series)} series. Put each series in a folder of its own."
        )
    for header in headers:
        _check_kind(header)
    _check_equal_sizes(headers)


def _check_kind(header: Dataset) -> None:
    image_type = {str(value).strip().upper() for value in _values(header.get("ImageType"))}
    if str(header.get("SOPClassUID") or "").startswith(_SECONDARY_CAPTURE) or (
        image_type & _SCREENSHOTS
    ):
        raise ContractError(
            "it is a secondary capture (a picture of a screen), not CT slices. Take it out of the "
            "folder, or name the original series."
        )
    modality = str(header.get("Modality") or "").strip()
    if modality != "CT":
        named = modality if modality in _OTHER_MODALITIES else "not stated or unknown"
        raise ContractError(f"its modality is {named}, and not CT. Name a CT series.")
    if image_type & _SCOUTS:
        raise ContractError(
            "it holds a localizer (scout) image, which is no slice. Take it out of the folder, or "
            "name the series of the slices."
        )
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ContractError(
            "it has several frames in one file (enhanced CT). Convert it with dcm2niix and name "
            "the NIfTI file."
        )
    if int(header.get("SamplesPerPixel") or 1) != 1 or (
        str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip() != "MONOCHROME2"
    ):
        raise ContractError("its pixels are colours or inverted, not CT values. Name a CT series.")


def _values(element: Any) -> Sequence[Any]:
    if element is None:
        return ()
    return (element,) if isinstance(element, str) else tuple(element)


def _check_equal_sizes(headers: Sequence[Dataset]) -> None:
    sizes = {(header.get("Rows"), header.get("Columns")) for header in headers}
    if len(sizes) > 1:
        raise ContractError(
            f"its slices have {len(sizes)} different sizes in pixels. Put the slices of one size "
            "in a folder of their own."
        )
    spacings = [
        tuple(float(mm) for mm in _values(header.get("PixelSpacing"))) for header in headers
    ]
    first = spacings[0]
    if any(
        len(other) != len(first)
        or any(abs(a - b) > 1e-3 * abs(a) for a, b in zip(first, other, strict=True))
        for other in spacings
    ):
        raise ContractError(
            "its slices have different pixel spacings. Put the slices of one spacing in a folder "
            "of their own."
        )
