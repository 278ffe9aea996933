"""What is made good of a DICOM series, by name; folders with several; files with all slices."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own name for itself
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from fieldguide.cli import cli
from fieldguide.errors import ContractError, UsageError
from fieldguide_medical.commands.series import series as series_command
from fieldguide_medical.dicom_series import DicomSeriesLoader
from fieldguide_medical.gantry import resample, upright_grid
from fieldguide_medical.uneven import interpolate_slices

if TYPE_CHECKING:
    from pathlib import Path

ROWS, COLUMNS = 6, 8
AXIAL = [1, 0, 0, 0, 1, 0]
PATIENT = "Mustermann^Erika"


def stored_values(number: int, kind: str = "<u2") -> Any:
    """Half is 24 (air with slope 1 and intercept -1024), half 1024 and more (water and tissue)."""
    values = np.random.default_rng(number).integers(1024, 1084, (ROWS, COLUMNS))
    values[:, : COLUMNS // 2] = 24
    return values.astype(kind)


def file_of(path: Path, *, sop: str = CTImageStorage, **elements: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop, "1.2.3", "CT"
    ds.PatientName, ds.SeriesInstanceUID = PATIENT, "1.2.3.4711"
    ds.Rows, ds.Columns = ROWS, COLUMNS
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def make_slice(path: Path, number: int, **elements: Any) -> FileDataset:
    elements = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImageOrientationPatient": AXIAL,
        "ImagePositionPatient": [-20, 30, 40 + 2.5 * number],
        "PixelSpacing": [0.5, 0.75],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": stored_values(number).tobytes(),
        **elements,
    }
    return file_of(path, **elements)


def write_series(folder: Path, count: int = 5, name: str = "", **elements: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{name}{number:02d}.dcm"
        make_slice(path, number, **elements).save_as(path, enforce_file_format=True)
    return folder


def to_indices(sample: Any, position: Any) -> Any:
    """Voxel indices of a place in DICOM's coordinates."""
    x, y, z = position
    return (np.linalg.inv(np.array(sample.metadata["affine"])) @ [-x, -y, z, 1])[:3]


def test_equal_slices_at_one_place_are_dropped_by_name(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s")
    whole = DicomSeriesLoader()(folder)
    path = folder / "copy.dcm"
    make_slice(path, 2, SOPInstanceUID="1.2.3.99").save_as(path, enforce_file_format=True)
    sample = DicomSeriesLoader()(folder)
    assert sample.repairs == ("drop_doubled_slices",)
    np.testing.assert_array_equal(sample.array, whole.array)


def tilted_slice(number: int) -> tuple[Any, Any]:
    """A plane tilted by 20 degrees through a body whose values are linear in space.

    Returns:
        The orientation, and the stored values at the places of the pixels: 1024 + y + 2 z.
    """
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    column = np.array([0, cosine, -sine])
    position = np.array([0, 0, 5.0 * number])
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    y, z = (position[axis] + 0.5 * rows * column[axis] for axis in (1, 2))
    values = np.where(columns < COLUMNS // 2, 24, np.round(1024 + 2 * y + 4 * z))
    return [1, 0, 0, *column], values.astype("<u2")


def write_tilted(folder: Path) -> Path:
    folder.mkdir()
    for number in range(4):
        orientation, values = tilted_slice(number)
        path = folder / f"{number}.dcm"
        make_slice(
            path, number, ImageOrientationPatient=orientation,
            ImagePositionPatient=[0, 0, 5.0 * number], PixelData=values.tobytes(),
        ).save_as(path, enforce_file_format=True)  # fmt: skip
    return folder


def test_tilted_slices_lie_where_they_were_in_the_patient_when_the_tilt_is_corrected(
    tmp_path: Path,
) -> None:
    folder = write_tilted(tmp_path / "s")
    sample = DicomSeriesLoader(correct_gantry_tilt=True)(folder)
    assert sample.repairs == ("gantry_tilt_resampled",)
    assert sample.metadata["gantry_tilt_deg"] == pytest.approx(20)
    axes = np.array(sample.metadata["affine"])[:3, :3]
    unit = axes / np.linalg.norm(axes, axis=0)
    np.testing.assert_allclose(unit.T @ unit, np.eye(3), atol=1e-6)
    assert sample.metadata["spacing_mm"][2] == pytest.approx(5 * np.cos(np.radians(20)))
    checked = 0
    for index in np.ndindex(sample.array.shape[:3]):
        x, y, z = np.array(sample.metadata["affine"])[:3] @ [*index, 1] * [-1, -1, 1]
        value = int(sample.array[(*index, 0)])
        if round(x / 0.75) >= COLUMNS // 2 and value > -900:  # inside a slice, and tissue
            assert value == pytest.approx(2 * y + 4 * z, abs=1.01)
            checked += 1
    assert checked >= 4 * (ROWS - 1) * COLUMNS // 2


def test_the_upright_grid_holds_every_slice_and_air_around_it() -> None:
    shifts = np.array([[0.0, 0.0], [0.0, -1.5], [0.0, -3.0]])
    shape, places, affine = upright_grid((2, 4, 3), shifts, np.eye(4))
    assert shape == (2, 7, 3)
    np.testing.assert_array_equal(affine[:3, 3], [0, -3, 0])
    moved = resample(np.full((2, 4, 3), 50, np.int16), places, shape)
    np.testing.assert_array_equal(moved[0, :, 0], [-1000] * 3 + [50] * 4)
    np.testing.assert_array_equal(moved[0, :, 2], [50] * 4 + [-1000] * 3)
    assert moved.dtype == np.int16


@pytest.mark.shared_data
def test_a_real_head_is_read_when_its_tilt_and_its_spacing_are_made_good(
    shared_data: Path,
) -> None:
    folder = shared_data / "medical/ct_dicom/ge_head_gantry_tilt"
    sample = DicomSeriesLoader(correct_gantry_tilt=True, resample_uneven=True)(folder)
    assert sample.repairs == ("padding_is_air", "gantry_tilt_resampled", "uneven_slices_resampled")
    image = sitk.ReadImage(str(folder / "10.dcm"))
    checked = 0
    for column, row in ((256, 256), (200, 300), (300, 200), (180, 240)):
        place = to_indices(sample, image.TransformIndexToPhysicalPoint((column, row, 0)))
        x, y, z = np.round(place).astype(int)
        if abs(place[2] - z) < 0.01:  # this slice is one of the new ones
            around = sample.array[x - 1 : x + 2, y - 1 : y + 2, z, 0].astype(int)
            value = int(image[column, row, 0])
            assert around.min() - 1 <= value <= around.max() + 1
            checked += 1
    assert checked == 4


def test_slices_between_two_others_are_their_weighted_mean() -> None:
    values = np.array([0, 100, 200], np.int16).reshape(1, 1, 3)
    even = interpolate_slices(values, np.array([0.0, 1.0, 3.0]), 1.0)
    np.testing.assert_array_equal(even[0, 0], [0, 100, 150, 200])


def test_uneven_slices_are_interpolated_only_when_asked(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s")
    path = folder / "04.dcm"
    make_slice(path, 4, ImagePositionPatient=[-20, 30, 51.25]).save_as(
        path, enforce_file_format=True
    )
    with pytest.raises(ContractError, match=r"not evenly spaced.*--resample-uneven"):
        DicomSeriesLoader()(folder)
    sample = DicomSeriesLoader(resample_uneven=True)(folder)
    assert sample.repairs == ("uneven_slices_resampled",)
    assert sample.metadata["spacing_mm"][2] == pytest.approx(2.5)


@pytest.mark.parametrize(("padding", "representation"), [(-2000, 1), (63536, 1)])
def test_padding_of_the_scanner_becomes_air(
    tmp_path: Path, padding: int, representation: int
) -> None:
    values = (stored_values(0).astype(int) - 1024).astype("<i2")
    values[0, :] = -2000
    path = tmp_path / "a.dcm"
    ds = make_slice(
        path, 0, PixelRepresentation=representation, RescaleIntercept=0, SliceThickness=2.5,
        PixelData=values.tobytes(),
    )  # fmt: skip
    ds.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
    ds.save_as(path, enforce_file_format=True)
    sample = DicomSeriesLoader()(path)
    assert sample.repairs == ("padding_is_air",)
    assert set(np.unique(sample.array[:, ROWS - 1, 0, 0])) == {-1000}  # RAS turns rows round
    assert sample.metadata["hu_min"] == -1000


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("kind", ["<u2", "<i2"])
def test_any_transfer_syntax_and_sign_gives_the_values_of_another_reader(
    tmp_path: Path, syntax: str, kind: str
) -> None:
    path = tmp_path / "a.dcm"
    values = stored_values(0).astype(int) - (1024 if kind == "<i2" else 0)
    order = kind.replace("<", ">") if syntax == ExplicitVRBigEndian else kind
    ds = make_slice(
        path, 0, PixelRepresentation=int(kind == "<i2"), SliceThickness=2.5,
        RescaleIntercept=0 if kind == "<i2" else -1024, PixelData=values.astype(order).tobytes(),
    )  # fmt: skip
    if syntax == RLELossless:
        ds.compress(RLELossless)
    else:
        ds = FileDataset(
            str(path), ds, file_meta=ds.file_meta, preamble=bytes(128),
            is_implicit_VR=syntax == ImplicitVRLittleEndian,
            is_little_endian=syntax != ExplicitVRBigEndian,
        )  # fmt: skip
        ds["PixelData"].VR = "OW"
        ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, enforce_file_format=True)
    sample = DicomSeriesLoader()(path)
    other = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0]  # (row, column)
    assert np.abs(sample.array[:, :, 0, 0] - other.T[::-1, ::-1]).max() <= 1
    assert other.min() == -1000


def test_stored_integers_of_32_bits_do_not_run_over(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    values = stored_values(0, "<u4")
    values[0, 0] = 4_000_000_000
    ds = make_slice(path, 0, SliceThickness=1, BitsAllocated=32, BitsStored=32, HighBit=31)
    ds.PixelData = values.tobytes()
    ds.save_as(path, enforce_file_format=True)
    sample = DicomSeriesLoader()(path)
    assert sample.array[-1, -1, 0, 0] == pytest.approx(4_000_000_000 - 1024, rel=1e-6)


def test_a_volume_rescaled_twice_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    for number in range(5):
        path = folder / f"{number}.dcm"
        values = np.random.default_rng(number).integers(-1000, 200, (ROWS, COLUMNS)) + 1000
        values[:, 4:] = np.random.default_rng(number).integers(1500, 2200, (ROWS, 4))
        make_slice(
            path, number, RescaleIntercept=-2048, PixelData=values.astype("<u2").tobytes()
        ).save_as(path, enforce_file_format=True)
    with pytest.raises(ContractError, match=r"rescaled twice\?.*--assume-hu"):
        DicomSeriesLoader()(folder)


def write_study(folder: Path) -> Path:
    """A CT, a localizer, an MR and a segmentation in one folder."""
    write_series(folder, name="a")
    scout = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_series(folder, 1, name="b", SeriesInstanceUID="1.2.5", ImageType=scout)
    write_series(folder, 1, name="c", SeriesInstanceUID="1.2.6", Modality="MR")
    write_series(folder, 1, name="d", SeriesInstanceUID="1.2.7", Modality="SEG")
    return folder


def test_the_only_ct_series_of_a_folder_is_read_and_the_others_are_named_as_left_out(
    tmp_path: Path,
) -> None:
    alone = DicomSeriesLoader()(write_series(tmp_path / "alone"))
    sample = DicomSeriesLoader()(write_study(tmp_path / "study"))
    assert sample.repairs == ("other_series_left_out",)
    np.testing.assert_array_equal(sample.array, alone.array)


def test_of_several_ct_series_the_user_chooses_one(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    write_series(folder, 3, name="e", SeriesInstanceUID="1.2.8")
    with pytest.raises(ContractError, match=r"5 series, 2 of them CT\. Run: fieldguide medical"):
        DicomSeriesLoader()(folder)
    sample = DicomSeriesLoader(series=5)(folder)
    assert sample.metadata["slice_count"] == 3
    assert sample.repairs == ()
    with pytest.raises(ContractError, match="localizer"):
        DicomSeriesLoader(series=2)(folder)
    with pytest.raises(ContractError, match="holds 5 series, and --series is 6"):
        DicomSeriesLoader(series=6)(folder)


def test_the_number_is_an_option_of_the_commands(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study")
    write_series(folder, 3, name="e", SeriesInstanceUID="1.2.8")
    command = ["show", str(folder), "--domain", "medical"]
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, ContractError)
    done = CliRunner().invoke(cli, [*command, "--series", "5"], catch_exceptions=False)
    assert "size      8 x 6 x 3 px" in done.output


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_the_number_of_a_series_is_a_whole_number_from_one(number: float) -> None:
    with pytest.raises(UsageError, match="whole number from 1"):
        DicomSeriesLoader(series=number)


def test_the_table_of_series_says_what_each_is_and_names_nobody(tmp_path: Path) -> None:
    study = tmp_path / "Mustermann"
    write_study(study)
    write_tilted(study / "tilted")
    folder = write_series(study / "copies")
    path = folder / "copy.dcm"
    make_slice(path, 2).save_as(path, enforce_file_format=True)
    (folder.parent / "broken").mkdir()
    (folder.parent / "broken" / "x.dcm").write_bytes(b"nothing")
    table = tmp_path / "t.csv"
    done = CliRunner().invoke(
        series_command, [str(study), "-o", str(table)], catch_exceptions=False
    )
    rows = list(csv.DictReader(table.open()))
    told = [(row["series"], row["kind"], row["slices"], row["verdict"][:20]) for row in rows]
    assert told == [
        ("1", "CT", "5", "ready"),
        ("2", "localizer", "1", "refused: it holds a "),
        ("3", "MR", "1", "refused: its modalit"),
        ("4", "SEG", "1", "refused: its modalit"),
        ("", "", "0", "refused: not a DICOM"),
        ("1", "CT", "6", "repaired by drop_dou"),
        ("1", "CT", "4", "refused: gantry tilt"),
    ]
    assert (rows[0]["shape"], rows[0]["spacing_mm"]) == ("8 x 6 x 5", "0.75 x 0.5 x 2.5")
    assert rows[0]["orientation"] == "LPS"
    assert "2 of 7 series" in done.output
    assert all(row["item"].startswith("item-") for row in rows)
    assert not [word for word in ("Mustermann", "4711", "1.2.") if word in table.read_text()]
    assert not [word for word in ("Mustermann", "4711") if word in done.output]


def test_the_table_names_folders_when_asked(tmp_path: Path) -> None:
    write_series(tmp_path / "s")
    done = CliRunner().invoke(series_command, [str(tmp_path / "s"), "--show-paths"])
    assert f"{(tmp_path / 's').as_posix()} series 1: ready" in done.output


def test_the_table_is_csv_and_nothing_else(tmp_path: Path) -> None:
    write_series(tmp_path / "s")
    done = CliRunner().invoke(series_command, [str(tmp_path / "s"), "-o", "t.xlsx"])
    assert done.exit_code == 2
    assert ".csv" in done.output


def enhanced(path: Path, count: int = 5) -> FileDataset:
    """All slices in one file, the last one first."""
    ds = file_of(path, sop=EnhancedCTImageStorage, NumberOfFrames=count)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.75]
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = AXIAL
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    numbers = range(count - 1, -1, -1)
    for number in numbers:
        frame, plane, pixels = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = [-20, 30, 40 + 2.5 * number]
        pixels.RescaleSlope, pixels.RescaleType = 1, "HU"
        pixels.RescaleIntercept = -1024 + number
        frame.PlanePositionSequence = [plane]
        frame.PixelValueTransformationSequence = [pixels]
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    ds.PixelData = b"".join(stored_values(number).tobytes() for number in numbers)
    return ds


def test_a_file_with_all_slices_is_read_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    enhanced(path).save_as(path, enforce_file_format=True)
    sample = DicomSeriesLoader()(path)
    assert sample.metadata["spacing_mm"] == pytest.approx((0.75, 0.5, 2.5))
    for number in range(5):
        expected = stored_values(number).astype(int) - 1024 + number
        np.testing.assert_array_equal(sample.array[:, :, number, 0], expected.T[::-1, ::-1])


@pytest.mark.shared_data
@pytest.mark.parametrize("number", [0, 7, 19])
def test_a_real_abdomen_agrees_with_another_reader(shared_data: Path, number: int) -> None:
    folder = shared_data / "medical/ct_dicom/siemens_abdomen"
    sample = DicomSeriesLoader()(folder)
    image = sitk.ReadImage(str(sorted(folder.iterdir())[number]))
    place = to_indices(sample, image.TransformIndexToPhysicalPoint((0, 0, 0)))
    np.testing.assert_allclose(place, np.round(place), atol=1e-3)
    z = int(np.round(place[2]))
    other = sitk.GetArrayFromImage(image)[0]  # (row, column)
    assert np.abs(sample.array[:, :, z, 0] - other.T[::-1, ::-1]).max() <= 1
