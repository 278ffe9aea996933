"""What a header says of text in the pixels (DICOM PS3.3 C.7.6.1, Burned In Annotation)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
import pytest

from fieldguide.samples import SRGB8, Sample
from fieldguide_medical.burned_in import LIKELY, MARKED, burned_in, withheld


def header(**elements: Any) -> pydicom.Dataset:
    ds = pydicom.Dataset()
    for name, value in {"Modality": "DX", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1"}.items():
        setattr(ds, name, value)
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, None),
        ({"BurnedInAnnotation": "NO"}, None),
        ({"BurnedInAnnotation": "YES"}, MARKED),
        ({"Modality": "US"}, LIKELY),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, None),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, LIKELY),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, LIKELY),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, LIKELY),
        ({"ImageType": "ORIGINAL"}, None),
    ],
)
def test_the_header_decides(elements: dict[str, Any], expected: str | None) -> None:
    assert burned_in(header(**elements)) == expected


def test_a_sample_that_may_show_a_name_says_so_and_shows_no_picture() -> None:
    sample = Sample(np.zeros((4, 4, 1), np.uint8), ("gray",), SRGB8, notes=("one.",))
    assert withheld(sample, None) is sample
    told = withheld(sample, MARKED)
    assert told.withheld
    assert told.notes == ("one.", MARKED)
