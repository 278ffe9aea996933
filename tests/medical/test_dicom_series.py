"""CT series from DICOM: geometry, Hounsfield units, refusals, and silence about the patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.dicom_series import DicomSeriesLoader

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, COLUMNS, SLICES = 6, 8, 5
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
TILTED = [1.0, 0.0, 0.0, 0.0, 0.965926, -0.258819]  # cosine and sine of 15 degrees
SERIES = generate_uid(entropy_srcs=["one series"])

SECRETS = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "PID-4711",
    "PatientBirthDate": "19641122",
    "StudyDate": "20240131",
    "AccessionNumber": "ACC-0815",
    "InstitutionName": "Klinik Geheim",
    "StudyInstanceUID": "1.2.3.4.5.6.7.8.9",
}


def stored_values(number: int) -> Any:
    """uint16 of one slice: with slope 2 and intercept -1024, half is air and half is tissue."""
    values = np.random.default_rng(number).integers(500, 560, (ROWS, COLUMNS))
    values[:, : COLUMNS // 2] = 12
    return values.astype(np.uint16)


def make_slice(number: int, direction: tuple[float, ...] = AXIAL) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    for name, value in SECRETS.items():
        setattr(ds, name, value)
    ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID = SERIES
    ds.SeriesDescription = "CT Abdomen Mustermann 19641122"
    ds.InstanceNumber = 100 - number
    normal = np.cross(direction[:3], direction[3:])
    ds.ImageOrientationPatient = list(direction)
    ds.ImagePositionPatient = [float(mm) for mm in np.array([-20, 30, 40]) + 2.5 * number * normal]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 4.0
    ds.Rows, ds.Columns = ROWS, COLUMNS
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = 2, -1024
    ds.PixelData = stored_values(number).tobytes()
    return ds


def write_series(folder: Path, slices: list[FileDataset]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, ds in enumerate(slices):
        name = f"{(number * 7) % 97:02d}.dcm"  # the names are in another order than the slices
        ds.save_as(folder / name, enforce_file_format=True)
    return folder


def good_slices(direction: tuple[float, ...] = AXIAL) -> list[FileDataset]:
    return [make_slice(number, direction) for number in range(SLICES)]


@pytest.mark.parametrize("direction", [AXIAL, CORONAL])
def test_every_voxel_is_at_its_place_in_the_patient_with_its_hounsfield_value(
    tmp_path: Path, direction: tuple[float, ...]
) -> None:
    sample = DicomSeriesLoader()(write_series(tmp_path / "s", good_slices(direction)))
    to_index = np.linalg.inv(np.array(sample.metadata["affine"]))
    for number in range(SLICES):
        position = np.array(make_slice(number, direction).ImagePositionPatient, dtype=float)
        for row, column in ((0, 0), (5, 7), (2, 6)):
            along, down = np.array(direction[:3]), np.array(direction[3:])
            x, y, z = position + 0.75 * column * along + 0.5 * row * down
            index = np.round(to_index @ [-x, -y, z, 1])[:3].astype(int)  # LPS to RAS
            assert sample.array[(*index, 0)] == 2 * int(stored_values(number)[row, column]) - 1024


def test_spacing_comes_from_positions_and_not_from_slice_thickness(tmp_path: Path) -> None:
    sample = DicomSeriesLoader()(write_series(tmp_path / "s", good_slices()))
    assert sample.metadata["spacing_mm"] == pytest.approx((0.75, 0.5, 2.5))
    assert sample.array.shape == (COLUMNS, ROWS, SLICES, 1)
    assert sample.metadata["orientation_of_file"] == "LPS"
    assert sample.metadata["slice_count"] == SLICES
    assert sample.array.dtype == np.int16


def test_a_single_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    make_slice(0).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    sample = DicomSeriesLoader()(tmp_path / "a.dcm")
    assert sample.array.shape == (COLUMNS, ROWS, 1, 1)
    assert sample.metadata["spacing_mm"] == pytest.approx((0.75, 0.5, 4.0))


def test_a_single_file_beside_its_series_is_not_taken_for_a_volume(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", good_slices())
    with pytest.raises(ContractError, match=r"one slice of a series\. Name its folder"):
        DicomSeriesLoader()(sorted(folder.iterdir())[1])


def test_a_lone_slice_that_states_no_thickness_is_refused(tmp_path: Path) -> None:
    ds = make_slice(0)
    del ds.SliceThickness
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ContractError, match="does not state its thickness"):
        DicomSeriesLoader()(tmp_path / "a.dcm")


def test_files_without_a_suffix_are_known_by_their_mark(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", good_slices())
    for path in list(folder.iterdir()):
        path.rename(folder / f"CT.1.2.{path.stem}")
    (folder / "notes.txt").write_text("not a slice")
    assert DicomSeriesLoader()(folder).metadata["slice_count"] == SLICES


def test_each_slice_is_rescaled_by_its_own_slope(tmp_path: Path) -> None:
    slices = good_slices()
    slices[2].RescaleSlope, slices[2].RescaleIntercept = 1.5, -1000
    sample = DicomSeriesLoader()(write_series(tmp_path / "s", slices))
    expected = stored_values(2) * 1.5 - 1000  # (row, column); RAS turns both round
    np.testing.assert_allclose(sample.array[:, :, 2, 0], expected.T[::-1, ::-1])
    assert sample.array.dtype == np.float32


def change(**elements: Any) -> Callable[[list[FileDataset]], None]:
    """Set elements of the third slice; None removes one."""

    def apply(slices: list[FileDataset]) -> None:
        for name, value in elements.items():
            if value is None:
                delattr(slices[2], name)
            else:
                setattr(slices[2], name, value)

    return apply


def change_all(**elements: Any) -> Callable[[list[FileDataset]], None]:
    def apply(slices: list[FileDataset]) -> None:
        for ds in slices:
            for name, value in elements.items():
                setattr(ds, name, value)

    return apply


def shrink(slices: list[FileDataset]) -> None:
    slices[2].Rows = ROWS - 1
    slices[2].PixelData = stored_values(2)[1:].tobytes()


def double_with_other_pixels(slices: list[FileDataset]) -> None:
    slices.append(make_slice(2))
    slices[-1].PixelData = stored_values(9).tobytes()


def double_nearly(slices: list[FileDataset]) -> None:
    slices.append(make_slice(2))
    slices[-1].ImagePositionPatient[2] += 0.1


def widen_the_last_gap(slices: list[FileDataset]) -> None:
    slices[-1].ImagePositionPatient[2] += 1.2


def drift(slices: list[FileDataset]) -> None:
    """Ten gaps of 2.5 mm, then twenty of 2.725 mm: each is within 10% of the others."""
    heights = np.concatenate([2.5 * np.arange(11), 25 + 2.725 * np.arange(1, 21)])
    slices[:] = [make_slice(number) for number in range(len(heights))]
    for ds, height in zip(slices, heights, strict=True):
        ds.ImagePositionPatient = [-20, 30, 40 + float(height)]


REFUSALS: dict[str, tuple[Callable[[list[FileDataset]], Any], str]] = {
    "two_series": (change(SeriesInstanceUID="1.2.3"), "2 series, 2 of them CT.*--series N"),
    "mr": (change_all(Modality="MR"), "modality is MR"),
    "odd_modality": (change_all(Modality="MUSTERMANN"), "not stated or unknown"),
    "localizer": (change(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "secondary": (change_all(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "secondary capture"),
    "screen": (change_all(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), "secondary capture"),
    "colours": (change(SamplesPerPixel=3), "colours"),
    "orientations": (change(ImageOrientationPatient=list(CORONAL)), "1 of 5 are not parallel"),
    "missing_slice": (lambda slices: slices.pop(2), "slices are missing: 1 of .* 2.50 mm"),
    "doubled_slice": (double_with_other_pixels, "1 of its 6 slices lie.*differ.*doubled"),
    "nearly_doubled": (double_nearly, "nearly where another one lies"),
    "spacing_changes": (widen_the_last_gap, "not evenly spaced: 1 of 4 gaps.*--resample-uneven"),
    "spacing_drifts": (drift, "not evenly spaced: they lie up to 1.50 mm off.*--resample-uneven"),
    "segmentation": (change_all(Modality="SEG"), "modality is SEG: it refers to images"),
    "structures": (change_all(Modality="RTSTRUCT"), "modality is RTSTRUCT: it refers"),
    "radiograph": (change_all(Modality="DX"), "a radiograph.*--modality radiograph"),
    "gantry_tilt": (
        change_all(ImageOrientationPatient=TILTED),
        "gantry tilt: .* 15.0 degrees .*--correct-gantry-tilt",
    ),
    "shifted": (change(ImagePositionPatient=[-10, 30, 45]), "shifted sideways"),
    "sizes": (shrink, "2 different sizes"),
    "spacings": (change(PixelSpacing=[0.6, 0.75]), "different pixel spacings"),
    "zero_spacing": (change_all(PixelSpacing=[0, 0.75]), "not valid"),
    "no_position": (change(ImagePositionPatient=None), "no position"),
    "no_rescale": (change(RescaleSlope=None), "no rescale slope.*--assume-hu"),
    "other_units": (change_all(RescaleType="Z_EFF"), "rescale type is not HU"),
    "not_rescaled": (change_all(RescaleSlope=1, RescaleIntercept=0), "not in Hounsfield units"),
    "huge": (change_all(Rows=60000, Columns=60000), "GiB"),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_what_is_not_one_ct_series_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    spoil, reason = REFUSALS[case]
    slices = good_slices()
    spoil(slices)
    with pytest.raises(ContractError, match=reason):
        DicomSeriesLoader()(write_series(tmp_path / "s", slices))


@pytest.mark.parametrize("case", ["no_rescale", "other_units", "not_rescaled"])
def test_units_in_doubt_are_taken_when_they_are_assumed(tmp_path: Path, case: str) -> None:
    slices = good_slices()
    REFUSALS[case][0](slices)
    sample = DicomSeriesLoader(assume_hu=True)(write_series(tmp_path / "s", slices))
    assert sample.repairs == ("assume_hu",)


def test_frames_that_are_not_described_are_a_load_error(tmp_path: Path) -> None:
    slices = good_slices()
    slices[2].NumberOfFrames = 20
    with pytest.raises(LoadError, match=r"several frames.*dcm2niix"):
        DicomSeriesLoader()(write_series(tmp_path / "s", slices))


def test_missing_pixels_are_a_load_error(tmp_path: Path) -> None:
    slices = good_slices()
    del slices[2].PixelData
    with pytest.raises(LoadError, match="missing or cut"):
        DicomSeriesLoader()(write_series(tmp_path / "s", slices))


def test_pixels_that_are_cut_are_a_load_error(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", good_slices())
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LoadError, match="missing or cut"):
        DicomSeriesLoader()(folder)


def test_an_element_of_a_wrong_length_is_a_load_error_that_quotes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    make_slice(0).save_as(path, enforce_file_format=True)
    good = path.read_bytes()
    length_at = good.index(b"\x28\x00\x10\x00US\x02\x00") + 6  # of Rows
    path.write_bytes(good[:length_at] + b"\x11\x00" + good[length_at + 2 :])
    with pytest.raises(LoadError, match=r"missing or broken\. Export it again\.$"):
        DicomSeriesLoader()(path)


@pytest.mark.parametrize("content", [b"", b"these are notes\n" * 20, bytes(128) + b"DICM"])
def test_a_renamed_or_empty_file_is_not_read_as_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(InputError, match=r"\.$"):
        DicomSeriesLoader()(tmp_path / "a.dcm")


@pytest.mark.parametrize(("name", "reason"), [("", "no DICOM file"), ("x.dcm", "no such file")])
def test_a_folder_without_slices_or_a_missing_file_is_a_load_error(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(LoadError, match=reason):
        DicomSeriesLoader()(tmp_path / name)


def test_any_changed_byte_gives_a_volume_or_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    make_slice(0).save_as(path, enforce_file_format=True)
    good = path.read_bytes()
    for place in range(128, len(good) - ROWS * COLUMNS * 2, 7):
        for value in (0x00, 0xFF):
            path.write_bytes(good[:place] + bytes([value]) + good[place + 1 :])
            try:
                assert DicomSeriesLoader()(path).array.ndim == 4
            except InputError as error:
                assert str(error)[-1] == "."


@pytest.mark.parametrize("case", ["good", *REFUSALS])
def test_nothing_that_names_the_patient_is_ever_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    slices = good_slices()
    if case != "good":
        REFUSALS[case][0](slices)
    try:
        metadata = DicomSeriesLoader()(write_series(tmp_path / "s", slices)).metadata
        assert metadata["series_description"] == "ct abdomen"
        told = repr(metadata)
    except InputError as error:
        told = str(error)
    told = (told + "".join(capfd.readouterr())).lower()
    parts = [part for text in SECRETS.values() for part in text.lower().split("^")]
    assert not [part for part in [*parts, str(SERIES)] if part in told]


def test_the_example_of_pydicom_is_read_as_it_is_stored() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    ds = pydicom.dcmread(path)
    expected = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    sample = DicomSeriesLoader()(path)
    np.testing.assert_array_equal(sample.array[:, :, 0, 0], expected.T[::-1, ::-1])
    assert "CompressedSamples" not in repr(sample.metadata)


@pytest.mark.shared_data
def test_a_real_abdomen_agrees_with_slices_stacked_by_hand(shared_data: Path) -> None:
    folder = shared_data / "medical/ct_dicom/siemens_abdomen"
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda ds: ds.ImagePositionPatient[2])
    by_hand = np.stack([ds.pixel_array.astype(float) - 1024 for ds in slices], axis=-1)
    sample = DicomSeriesLoader()(folder)
    expected = by_hand.transpose(1, 0, 2)[::-1, ::-1]  # (row, column) in LPS to RAS
    assert sample.array.shape == (512, 512, 20, 1)
    assert np.abs(sample.array[..., 0] - expected).max() <= 1
    assert sample.metadata["spacing_mm"] == pytest.approx((0.9765625, 0.9765625, 2.0))


@pytest.mark.shared_data
def test_a_real_head_series_with_gantry_tilt_is_refused(shared_data: Path) -> None:
    with pytest.raises(ContractError, match=r"gantry tilt: .* 18\.5 degrees"):
        DicomSeriesLoader()(shared_data / "medical/ct_dicom/ge_head_gantry_tilt")
