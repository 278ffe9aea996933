"""Text in the pixels of a DICOM image: what its header says of it.

A name that is painted into the picture is found by no tag. The header may say that there is text
(Burned In Annotation, DICOM PS3.3 C.7.6.1), and some kinds of image usually have some: pictures of
screens, ultrasound, photographs and scanned paper. An image of another kind that says nothing is
taken for clean, and may not be: nobody looks at the pixels here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

    from fieldguide.samples import Sample

TAGS_OF_TEXT = ("BurnedInAnnotation", "SOPClassUID", "Modality", "ImageType")
"""What must be read of a header to judge it."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
USUAL = frozenset({"US", "IVUS", "SC", "OT", "DOC", "XC", "GM", "ES", "SM", "OP", "HC", "PX", "IO"})
"""Modalities whose images often have text in them."""
SCREENS = frozenset({"SCREEN SAVE", "SCREENSAVE"})

MARKED = (
    "its header says that text is burned into its pixels, which may name the patient; no picture "
    "of it is put into results"
)
LIKELY = (
    "it is of a kind that often has text burned into its pixels, and its header does not say that "
    "there is none; no picture of it is put into results"
)


def burned_in(header: Dataset) -> str | None:
    """Return why an image may have a name in its pixels; None where nothing says so."""
    stated = str(header.get("BurnedInAnnotation") or "").strip().upper()
    if stated == "YES":
        return MARKED
    kinds = header.get("ImageType") or ()
    kinds = {kinds} if isinstance(kinds, str) else set(map(str, kinds))
    modality = str(header.get("Modality") or "").strip().upper()
    is_capture = str(header.get("SOPClassUID") or "").startswith(SECONDARY_CAPTURE)
    if stated != "NO" and (is_capture or modality in USUAL or kinds & SCREENS):
        return LIKELY
    return None


def withheld(sample: Sample, reason: str | None) -> Sample:
    """Return a sample that says so and of which no picture is shown, where there is a reason."""
    if reason is None:
        return sample
    return replace(sample, notes=(*sample.notes, reason), withheld=True)
