"""Radiographs: inverted, windowed and looked up as their files say; worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.radiographs import RadiographLoader


def radiograph(path: Path, stored: list[int], *, bits: int = 12, **elements: Any) -> FileDataset:
    """One row of pixels, MONOCHROME2."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    ds.Modality, ds.PatientName, ds.ViewPosition = "DX", "Mustermann^Erika", "PA"
    ds.Rows, ds.Columns = 1, len(stored)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    allocated = 8 if bits <= 8 else 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, bits, bits - 1
    ds.PixelRepresentation = 0
    values = np.array(stored, "u1" if allocated == 8 else "<u2").tobytes()
    ds.PixelData = values + b"\0" * (len(values) % 2)
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def shown(tmp_path: Path, *arguments: Any, **elements: Any) -> Any:
    path = tmp_path / "a.dcm"
    radiograph(path, *arguments, **elements).save_as(path, enforce_file_format=True)
    return RadiographLoader()(path)


def lut(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "US", entries)
    return item


WINDOW = {"WindowCenter": 2000.5, "WindowWidth": 1001}
"""LINEAR: 1500 and below is black, 2500 and above white (PS3.3, C.11.2.1.2.1)."""


def test_a_window_is_a_line_between_black_and_white(tmp_path: Path) -> None:
    sample = shown(tmp_path, [0, 1500, 1700, 2000, 2500, 4095], **WINDOW)
    # the line: ((x - 2000) / 1000 + 0.5) * 255
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 0, 51, 128, 255, 255])
    assert (sample.bands, sample.units) == (("gray",), "srgb8")
    facts = ("view_from", "window_center", "window_width", "windows_in_file", "view_position")
    assert [sample.metadata[name] for name in facts] == ["window", 2000.5, 1001, 1, "PA"]
    assert sample.repairs == ()
    assert "Mustermann" not in repr(sample)


@pytest.mark.parametrize(
    "elements",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ],
)
def test_what_is_stored_dark_for_bone_is_inverted_once(
    tmp_path: Path, elements: dict[str, str]
) -> None:
    sample = shown(tmp_path, [1500, 1700, 2500], **WINDOW, **elements)
    np.testing.assert_array_equal(sample.array[0, :, 0], [255, 204, 0])
    assert sample.repairs == ("monochrome1_inverted",)


def test_the_first_of_several_windows_is_used(tmp_path: Path) -> None:
    sample = shown(tmp_path, [1500, 1700, 2500], WindowCenter=[2000.5, 9], WindowWidth=[1001, 4])
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 51, 255])
    assert sample.metadata["windows_in_file"] == 2


def test_a_window_is_of_values_after_rescaling(tmp_path: Path) -> None:
    stored = [750, 850, 1250]  # times 2 is 1500, 1700, 2500
    sample = shown(tmp_path, stored, **WINDOW, RescaleSlope=2, RescaleIntercept=0)
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 51, 255])


def test_a_voi_lut_goes_before_a_window(tmp_path: Path) -> None:
    table = lut(100, [0, 100, 200, 255], 8)
    sample = shown(tmp_path, [0, 100, 101, 102, 103, 4000], VOILUTSequence=[table], **WINDOW)
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 0, 100, 200, 255, 255])
    assert sample.metadata["view_from"] == "voi_lut"


def test_a_modality_lut_goes_before_all(tmp_path: Path) -> None:
    table = lut(0, [1500, 1700, 2500], 16)
    sample = shown(tmp_path, [0, 1, 2], ModalityLUTSequence=[table], **WINDOW)
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 51, 255])


@pytest.mark.parametrize(("stored", "bits"), [([10, 20, 60], 8), ([1000, 2000, 6000], 16)])
def test_without_a_view_the_range_of_the_values_is_shown_by_name(
    tmp_path: Path, stored: list[int], bits: int
) -> None:
    sample = shown(tmp_path, stored, bits=bits)
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 51, 255])
    assert sample.repairs == ("range_shown",)


def test_padding_is_black_and_no_part_of_the_range(tmp_path: Path) -> None:
    sample = shown(tmp_path, [4095, 1000, 2000, 6000], bits=16, PixelPaddingValue=4095)
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 0, 51, 255])
    assert sample.repairs == ("range_shown", "padding_is_black")


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "ct": ({"Modality": "CT"}, "modality is CT"),
    "mr": ({"Modality": "MR"}, r"no radiograph \(MR\)"),
    "capture": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
    "frames": ({"NumberOfFrames": 2}, "several frames"),
    "huge": ({"Rows": 60000, "Columns": 60000}, "megapixels"),
    "window": ({"WindowCenter": 5, "WindowWidth": 0}, "missing or broken"),
    "table": ({"VOILUTSequence": [lut(0, [0, 1], 0)]}, "missing or broken|not valid"),
    "cut": ({"PixelData": b"\0\0"}, "missing or cut"),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_what_is_no_radiograph_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    elements, reason = REFUSALS[case]
    with pytest.raises(InputError, match=reason) as caught:
        shown(tmp_path, [1, 2, 3], **elements)
    assert "Mustermann" not in str(caught.value)


def test_a_real_radiograph_stored_inverted_has_a_bright_inside() -> None:
    path = get_testdata_file("dicomdirtests/77654033/CR1/6154", download=False)
    sample = RadiographLoader()(Path(str(path)))
    assert "monochrome1_inverted" in sample.repairs
    assert sample.array.dtype == np.uint8


def save(path: Path, values: Any) -> Path:
    Image.fromarray(np.array(values)).save(path)
    return path


def test_a_picture_of_eight_bits_stays_as_it_is(tmp_path: Path) -> None:
    sample = RadiographLoader()(save(tmp_path / "a.png", np.array([[0, 7, 255]], np.uint8)))
    np.testing.assert_array_equal(sample.array[0, :, 0], [0, 7, 255])
    assert sample.repairs == ()


def test_gray_stored_as_colours_becomes_one_band(tmp_path: Path) -> None:
    gray = np.array([[0, 7, 255]], np.uint8)
    sample = RadiographLoader()(save(tmp_path / "a.png", np.stack([gray] * 3, axis=2)))
    np.testing.assert_array_equal(sample.array[..., 0], gray)
    assert sample.bands == ("gray",)


@pytest.mark.parametrize(
    ("values", "expected", "repair"),
    [
        ([0, 257, 65535], [0, 1, 255], "sixteen_bit_to_eight_bit"),
        ([0, 819, 4095], [0, 51, 255], "twelve_bit_to_eight_bit"),
    ],
)
def test_a_picture_of_more_bits_is_scaled_by_name(
    tmp_path: Path, values: list[int], expected: list[int], repair: str
) -> None:
    sample = RadiographLoader()(save(tmp_path / "a.png", np.array([values], np.uint16)))
    np.testing.assert_array_equal(sample.array[0, :, 0], expected)
    assert sample.repairs == (repair,)


def test_a_picture_with_colours_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.full((4, 4, 3), (200, 30, 30), np.uint8))
    with pytest.raises(ContractError, match="colours"):
        RadiographLoader()(path)


def test_a_missing_file_is_a_load_error(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file"):
        RadiographLoader()(tmp_path / "a.dcm")


def test_text_that_the_header_says_is_burned_in_is_told_and_no_picture_is_shown(
    tmp_path: Path,
) -> None:
    sample = shown(tmp_path, [0, 4095], BurnedInAnnotation="YES", **WINDOW)
    assert sample.withheld
    assert "burned into its pixels" in sample.notes[0]
    assert not shown(tmp_path, [0, 4095], BurnedInAnnotation="NO", **WINDOW).withheld
