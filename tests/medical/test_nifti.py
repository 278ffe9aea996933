"""CT volumes from NIfTI: what is read, what is refused, and that nothing of the patient is told."""

from __future__ import annotations

import csv
import gzip
import os
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own name for itself

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.nifti import NiftiLoader

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
DATA_VARIABLE = "FIELDGUIDE_TEST_DATA"


def ct_values(shape: tuple[int, ...] = (8, 9, 10)) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Half air, half soft tissue, every value known."""
    values = np.random.default_rng(0).integers(-50, 150, shape).astype(np.int16)
    values[: shape[0] // 2] = -1000
    return values


def save(path: Path, values: Any, affine: Any = AFFINE, **header: Any) -> Path:
    image = nib.Nifti1Image(values, affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def rows_of_expected() -> list[dict[str, str]]:
    path = Path(os.environ.get(DATA_VARIABLE, "")) / "medical/ct/expected.csv"
    return list(csv.DictReader(path.open())) if path.is_file() else []


@pytest.mark.shared_data
@pytest.mark.parametrize("row", rows_of_expected(), ids=lambda row: row["file"])
def test_a_real_volume_does_what_is_expected_of_it(shared_data: Path, row: dict[str, str]) -> None:
    path = shared_data / "medical/ct" / row["file"]
    if row["outcome"] == "refused":
        with pytest.raises(ContractError):
            NiftiLoader()(path)
        if "--assume-hu" in row["why"]:
            assert NiftiLoader(assume_hu=True)(path).repairs == ("assume_hu",)
        return
    sample = NiftiLoader()(path)
    canonical = nib.as_closest_canonical(nib.load(path))
    assert np.abs(sample.array[..., 0] - canonical.get_fdata()).max() <= 1
    np.testing.assert_allclose(sample.metadata["affine"], canonical.affine, atol=1e-4)
    assert sample.units == "hounsfield_unit"
    assert sample.repairs == ()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name", [row["file"] for row in rows_of_expected() if row["outcome"] == "accepted"]
)
def test_a_real_volume_agrees_with_another_reader(shared_data: Path, name: str) -> None:
    path = shared_data / "medical/ct" / name
    image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    other = sitk.GetArrayFromImage(image).transpose(2, 1, 0)[::-1, ::-1]  # RAS
    sample = NiftiLoader()(path)
    assert np.abs(sample.array[..., 0] - other).max() <= 1
    np.testing.assert_allclose(sample.metadata["spacing_mm"], image.GetSpacing(), rtol=1e-4)


@pytest.mark.shared_data
def test_a_real_label_map_is_refused_even_when_hounsfield_units_are_assumed(
    shared_data: Path,
) -> None:
    with pytest.raises(ContractError, match="label map"):
        NiftiLoader(assume_hu=True)(shared_data / "medical/ct/example_seg.nii.gz")


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL", "PIR"])
def test_a_voxel_is_found_at_its_place_whatever_the_order_of_the_file(
    tmp_path: Path, codes: str
) -> None:
    values = ct_values()
    values[6, 2, 1] = 777
    image = nib.Nifti1Image(values, AFFINE)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(image.as_reoriented(turn), tmp_path / "a.nii.gz")
    sample = NiftiLoader()(tmp_path / "a.nii.gz")
    assert sample.array[6, 2, 1, 0] == 777
    assert sample.metadata["orientation_of_file"] == codes
    assert sample.metadata["spacing_mm"] == pytest.approx((2, 2, 3))
    assert sample.metadata["shape"] == (8, 9, 10)


def test_scale_and_offset_of_the_header_are_applied_once(tmp_path: Path) -> None:
    stored = ((ct_values() + 1024) // 2).astype(np.int16)
    raw = bytearray(nib.Nifti1Image(stored, AFFINE).to_bytes())
    struct.pack_into("<ff", raw, 112, 2.0, -1024.0)  # scl_slope and scl_inter of NIfTI-1
    (tmp_path / "a.nii").write_bytes(raw)
    sample = NiftiLoader()(tmp_path / "a.nii")
    np.testing.assert_allclose(sample.array[..., 0], stored * 2.0 - 1024)


def test_hounsfield_statistics_are_told(tmp_path: Path) -> None:
    values = ct_values()
    metadata = NiftiLoader()(save(tmp_path / "a.nii", values)).metadata
    assert metadata["hu_min"] == -1000
    assert metadata["hu_max"] == values.max()
    assert metadata["fraction_below_minus_200"] == 0.5
    assert metadata["slice_count"] == 10


def test_whole_numbers_stay_int16_and_others_become_float32(tmp_path: Path) -> None:
    whole = NiftiLoader()(save(tmp_path / "a.nii", ct_values()))
    other = NiftiLoader()(save(tmp_path / "b.nii", ct_values() + 0.5))
    assert (whole.array.dtype, other.array.dtype) == (np.int16, np.float32)


def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path: Path) -> None:
    sample = NiftiLoader()(save(tmp_path / "a.nii.gz", ct_values()[..., None]))
    assert sample.array.shape == (8, 9, 10, 1)


def refused_volumes() -> dict[str, tuple[Any, Any, str]]:
    values = ct_values()
    with_nan = values.astype(np.float32)
    with_nan[0, 0, 0] = np.nan
    sheared = AFFINE.copy()
    sheared[1, 2] = 1.0
    rgb = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    labels = (values > 0).astype(np.float32) * 7
    return {
        "eight_bit": (np.clip(values, 0, 255).astype(np.uint8) + 1, AFFINE, "add --assume-hu"),
        "rescaled_twice": (values - 1024, AFFINE, "rescaled twice"),
        "labels": (labels, AFFINE, "label map"),
        "two_dimensions": (values[:, :, 0], AFFINE, "2 dimensions"),
        "four_dimensions": (np.stack([values] * 3, -1), AFFINE, "4 dimensions"),
        "nan": (with_nan, AFFINE, "NaN"),
        "sheared": (values, sheared, "right angles"),
        "colours": (rgb, AFFINE, "colours"),
        "huge_spacing": (values, np.diag([2e3, 2e3, 2e3, 1]), "spacing"),
    }


@pytest.mark.parametrize("case", list(refused_volumes()))
def test_what_is_not_a_ct_volume_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    values, affine, reason = refused_volumes()[case]
    assume_hu = case not in ("eight_bit", "rescaled_twice")
    if case == "eight_bit":  # more values than a label map has
        values = values + np.arange(values.size, dtype=np.uint8).reshape(values.shape) // 2
    path = save(tmp_path / "a.nii.gz", values, affine)
    with pytest.raises(ContractError, match=reason):
        NiftiLoader(assume_hu=assume_hu)(path)


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", ct_values())
    image = nib.load(path)
    image.header["srow_z"] = (0, 0, 0, 0)
    raw = bytearray(path.read_bytes())
    raw[: len(image.header.binaryblock)] = image.header.binaryblock
    path.write_bytes(raw)
    with pytest.raises(ContractError, match="spacing"):
        NiftiLoader()(path)


def test_unknown_left_and_right_are_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ct_values(), None)
    nib.save(image, tmp_path / "a.nii")
    with pytest.raises(ContractError, match="left and right are unknown"):
        NiftiLoader()(tmp_path / "a.nii")


def test_two_orientations_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ct_values(), AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(np.diag([-2.0, 2.0, 3.0, 1.0]), 1)
    nib.save(image, tmp_path / "a.nii")
    with pytest.raises(ContractError, match="different orientations"):
        NiftiLoader()(tmp_path / "a.nii")


def test_a_declared_size_beyond_memory_is_refused_before_reading(tmp_path: Path) -> None:
    header = nib.load(save(tmp_path / "a.nii", ct_values())).header
    header["dim"] = [3, 30000, 30000, 30000, 1, 1, 1, 1]
    path = tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(100)))
    with pytest.raises(ContractError, match="GiB"):
        NiftiLoader()(path)


def broken_files() -> dict[str, bytes]:
    header = nib.Nifti1Image(ct_values(), AFFINE).to_bytes()
    packed = gzip.compress(header)
    damaged = bytearray(packed)
    damaged[len(damaged) // 2] ^= 0xFF
    wrong_magic = header[:344] + b"xxx\x00" + header[348:]
    return {
        "empty": b"",
        "text": b"these are notes, not a volume\n" * 40,
        "cut_gzip": packed[: len(packed) // 2],
        "damaged_gzip": bytes(damaged),
        "cut_inside_gzip": gzip.compress(header[: len(header) // 2]),
        "header_only": gzip.compress(header[:352]),
        "wrong_magic": gzip.compress(wrong_magic),
        "gzip_of_text": gzip.compress(b"these are notes, not a volume\n" * 40),
    }


@pytest.mark.parametrize("case", list(broken_files()))
def test_a_broken_file_is_a_load_error_that_says_what_to_do(tmp_path: Path, case: str) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(broken_files()[case])
    with pytest.raises(LoadError, match=r"(Copy|export) it again"):
        NiftiLoader()(path)


def test_a_missing_file_is_a_load_error(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file"):
        NiftiLoader()(tmp_path / "none.nii.gz")


def test_any_changed_header_byte_gives_a_volume_or_a_reason(tmp_path: Path) -> None:
    good = nib.Nifti1Image(ct_values((4, 4, 4)), AFFINE).to_bytes()
    path = tmp_path / "a.nii"
    for place in range(0, 352, 3):
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(good[:place] + bytes([value]) + good[place + 1 :])
            try:
                assert NiftiLoader()(path).array.ndim == 4
            except InputError as error:
                assert str(error)[-1] == "."


SECRETS = ("Mustermann", "4711", "19641122")


@pytest.mark.parametrize("spoil", [False, True])
def test_free_text_of_the_header_is_never_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], spoil: bool
) -> None:
    path = save(
        tmp_path / "a.nii",
        ct_values() * (0 if spoil else 1),
        descrip=b"Mustermann^Erika 4711 19641122",
        db_name=b"Mustermann",
        aux_file=b"Mustermann 4711",
        intent_name=b"19641122",
    )
    try:
        told = repr(NiftiLoader()(path).metadata)
    except InputError as error:
        told = str(error)
    told += "".join(capfd.readouterr())
    assert spoil == ("label map" in told)
    assert not [secret for secret in SECRETS if secret in told]
