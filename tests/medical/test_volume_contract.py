"""What a contract of CT volumes makes of a file: spacing, size, Hounsfield windows, orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms.croppad.array import CenterSpatialCrop, SpatialPad
from scipy.ndimage import map_coordinates

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import HOUNSFIELD, RGB, SRGB8, Sample
from fieldguide_medical.contract_files import named_windows, preset, presets, volume_contract
from fieldguide_medical.foreground_contract import ForegroundContract
from fieldguide_medical.nifti import NiftiLoader
from fieldguide_medical.volume_contract import REPAIRS, HuWindow, VolumeContract

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FULL = HuWindow(name="full", range=(-1000, 1000))


def contract(size: tuple[int, int, int], spacing: tuple[float, float, float], **changes: Any
             ) -> VolumeContract:  # fmt: skip
    stated = {"windows": (FULL,), "output": (-1, 1), "size": size, "spacing_mm": spacing}
    return VolumeContract(**(stated | changes))


def volume(array: NDArray[Any], spacing: tuple[float, float, float] = (1, 1, 1)) -> Sample:
    return Sample(array[..., None], ("ct",), HOUNSFIELD, {"spacing_mm": spacing})


def noise(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1000, 1000, shape).astype(np.float32)


def test_the_presets_are_those_of_the_papers() -> None:
    ct_clip, merlin = preset("ct_clip"), preset("merlin")
    assert (ct_clip.spacing_mm, ct_clip.size) == ((0.75, 0.75, 1.5), (480, 480, 240))
    assert (merlin.spacing_mm, merlin.size) == ((1.5, 1.5, 3), (224, 224, 160))
    assert (ct_clip.output, merlin.output) == ((-1, 1), (0, 1))
    assert ct_clip.windows == merlin.windows == (FULL,)
    assert ct_clip.orientation == merlin.orientation == "RAS"


def test_a_file_far_below_air_gives_minus_one_and_500_a_half(tmp_path: Path) -> None:
    # 100 voxels of 1.5 mm are the 150 mm that 200 of 0.75 mm take; -2000 HU is clipped to -1000
    voxels = np.full((100, 100, 40), -2000, np.int16)
    voxels[:, :, 20:] = 500
    voxels[:, :, 38:] = 0  # soft tissue, without which a loader takes it for no CT
    path = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([1.5, 1.5, 3, 1])), path)
    _, prepared = preset("ct_clip").prepare(NiftiLoader()(path), REPAIRS)
    assert prepared.shape == (480, 480, 240, 1)
    assert prepared.dtype == np.float32
    assert prepared[240, 240, 100, 0] == -1
    assert prepared[240, 240, 150, 0] == pytest.approx(0.5)
    inside = np.flatnonzero(prepared[:, 240, 150, 0] > -1)
    assert (inside[0], inside[-1]) == (140, 339)  # 200 voxels in the middle of 480
    along = np.flatnonzero(prepared[240, 240, :, 0] > -1)
    assert (along[-1] - along[0] + 1) == pytest.approx(40, abs=1)  # 20 slices of 3 mm


@pytest.mark.parametrize("codes", ["LPS", "RAI", "ASR", "PIL"])
def test_a_volume_stored_in_another_orientation_gives_the_same(codes: str, tmp_path: Path) -> None:
    array = np.round(noise((8, 9, 10))).astype(np.int16)
    affine = np.diag([2.0, 2.5, 3.0, 1.0])
    image = nib.Nifti1Image(array, affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    nib.save(image, tmp_path / "ras.nii")
    nib.save(image.as_reoriented(turn), tmp_path / "other.nii")
    wanted = contract((12, 12, 12), (1.7, 1.7, 1.7))
    ras, other = (NiftiLoader()(tmp_path / f"{name}.nii") for name in ("ras", "other"))
    assert other.metadata["orientation_of_file"] == codes
    assert np.array_equal(wanted.prepare(ras, REPAIRS)[1], wanted.prepare(other, REPAIRS)[1])


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    size=st.tuples(*[st.integers(1, 24)] * 3),
    own=st.tuples(*[st.floats(0.5, 4)] * 3),
    goal=st.tuples(*[st.floats(0.5, 4)] * 3),
)
def test_resampling_is_scipys_linear_interpolation_about_the_centre(
    shape: tuple[int, int, int], size: tuple[int, int, int], own: tuple[float, float, float],
    goal: tuple[float, float, float],
) -> None:  # fmt: skip
    array = noise(shape)
    _, found = contract(size, goal).prepare(volume(array, own), REPAIRS)
    steps = [1.0 if abs(g / o - 1) < 1e-3 else g / o for g, o in zip(goal, own, strict=True)]
    if 1.0 in steps:
        return  # whole voxels are kept whole, see the test of crops
    places = [
        (np.arange(count) - (count - 1) / 2) * step + (length - 1) / 2
        for count, step, length in zip(size, steps, shape, strict=True)
    ]
    grid = np.stack(np.meshgrid(*places, indexing="ij"))
    expected = map_coordinates(array.astype(np.float64), grid, order=1, mode="nearest") / 1000
    reached = np.ones(size, bool)
    near = np.zeros(size, bool)
    for axis, length in enumerate(shape):
        reached &= (grid[axis] > -0.5) & (grid[axis] < length - 0.5)
        near |= np.abs(np.abs(grid[axis] - (length - 1) / 2) - length / 2) < 1e-6
    if not reached.any():
        return  # voxels of the box are larger than the volume: its middle is taken
    expected[~reached] = -1
    assert np.abs(found[..., 0] - expected)[~near].max(initial=0) < 1e-5


@pytest.mark.parametrize("shape", [(5, 6, 7), (4, 9, 3), (10, 2, 6)])
def test_equal_spacing_is_monais_centre_crop_and_pad(shape: tuple[int, int, int]) -> None:
    array, size = noise(shape), (6, 5, 4)
    _, found = contract(size, (1, 1, 1)).prepare(volume(array), REPAIRS)
    padded = SpatialPad(size, mode="constant", constant_values=-1000)(array[None])
    expected = np.asarray(CenterSpatialCrop(size)(padded))[0] / 1000
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)


def test_a_volume_that_fits_is_neither_repaired_nor_changed() -> None:
    array = noise((4, 5, 6))
    done, found = contract((4, 5, 6), (1, 1, 1)).prepare(volume(array), ())
    assert done.repairs == ()
    np.testing.assert_allclose(found[..., 0], array / 1000, atol=1e-6)


def test_what_was_done_is_said_in_numbers() -> None:
    done, _ = contract((4, 8, 4), (2, 2, 2)).prepare(volume(noise((10, 8, 8))), REPAIRS)
    assert done.repairs == ("resampled", "cropped", "padded")
    assert done.notes == (
        "resampled from 1 x 1 x 1 to 2 x 2 x 2 mm",
        "cropped to the middle 80% x 100% x 100% of its sides",
        "padded: it fills 100% x 50% x 100% of the sides",
    )


@pytest.mark.parametrize("lacking", REPAIRS)
def test_a_repair_that_a_modality_does_not_allow_is_refused(lacking: str) -> None:
    allowed = [name for name in REPAIRS if name != lacking]
    with pytest.raises(ContractError, match=f"would have to be {lacking}"):
        contract((4, 8, 4), (2, 2, 2)).prepare(volume(noise((10, 8, 8))), allowed)


def test_each_window_is_a_channel_of_whole_numbers() -> None:
    windows = (HuWindow(name="low", range=(-100, 0)), HuWindow(name="high", range=(0, 510)))
    array = np.array([-200, -50, 0, 100, 600], np.float32).reshape(5, 1, 1)
    wanted = contract((5, 1, 1), (1, 1, 1), windows=windows, output=(0, 255), dtype="uint8")
    _, found = wanted.prepare(volume(array), ())
    assert found.dtype == np.uint8
    assert found[:, 0, 0, 0].tolist() == [0, 128, 255, 255, 255]
    assert found[:, 0, 0, 1].tolist() == [0, 0, 0, 50, 255]


def test_a_named_window_is_its_centre_and_width() -> None:
    assert named_windows()["lung"].range == (-1350, 150)  # W 1500, L -600
    assert named_windows()["brain"].range == (0, 80)  # W 80, L 40


def test_invalid_voxels_become_air() -> None:
    array, valid = np.full((4, 1, 1), 500, np.float32), np.array([1, 1, 1, 0], bool)
    sample = Sample(array[..., None], ("ct",), HOUNSFIELD, {"spacing_mm": (1, 1, 1)},
                    valid=valid.reshape(4, 1, 1))  # fmt: skip
    _, found = contract((4, 1, 1), (1, 1, 1)).prepare(sample, ())
    np.testing.assert_allclose(found.ravel(), [0.5, 0.5, 0.5, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (Sample(np.zeros((4, 4, 3), np.uint8), RGB, SRGB8), "is an image"),
        (Sample(np.zeros((4, 4, 4, 1)), ("ct",), "digital_number"), "in digital_number"),
        (Sample(np.zeros((4, 4, 4, 1)), ("ct",), HOUNSFIELD), "spacing is not known"),
        (volume(np.zeros((4, 4, 4)), (1, 0, 1)), "spacing is not known"),
    ],
)
def test_what_is_no_ct_volume_is_refused(sample: Sample, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        contract((4, 4, 4), (1, 1, 1)).prepare(sample, REPAIRS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("merlyn", "which there is not.*ct_clip, merlin"),
        (3, "is no contract"),
        ({"like": "merlin", "windows": ["lungs"]}, "the window 'lungs'"),
        ({"like": "merlin", "size": [4000, 4000, 4000]}, "size has"),
        ({"like": "merlin", "spacing_mm": [0, 1, 1]}, "spacing_mm"),
        ({"like": "merlin", "spacing": [1, 1, 1]}, "spacing"),
        ({"like": "merlin", "output": [0, 300], "dtype": "uint8"}, "0 to 255"),
        ({"like": "merlin", "windows": [{"name": "a", "range": [5, 5]}]}, "must rise"),
        ({"like": "merlin", "windows": ["lung", "lung"]}, "names lung twice"),
        ({"size": [4, 4, 4]}, "spacing_mm"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(content: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        volume_contract(content, "model.yaml")


def test_contracts_that_give_other_numbers_have_other_digests() -> None:
    digests = {preset(name).digest for name in presets()}
    assert len(digests) == len(presets())
    merlin = preset("merlin")
    assert merlin.model_copy(update={"fill_hu": -1024.0}).digest != merlin.digest


def test_a_patients_box_is_cut_out_and_stretched_by_the_mean() -> None:
    array = np.full((6, 6, 6), -1000, np.float32)
    array[1:5, 2:4, 0:2] = np.arange(16).reshape(4, 2, 2)
    wanted = ForegroundContract(
        above_hu=-1000, size=(2, 2, 2), window=HuWindow(name="all", range=(0, 16))
    )
    done, found = wanted.prepare(volume(array), REPAIRS)
    expected = np.arange(16).reshape(2, 2, 2, 2).mean(axis=1) / 16  # pairs along X
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)
    assert done.repairs == ("cropped", "resampled")


def test_a_volume_of_air_alone_is_skipped() -> None:
    wanted = ForegroundContract(above_hu=-1000, size=(2, 2, 2), window=FULL)
    with pytest.raises(ContractError, match="above air") as caught:
        wanted.prepare(volume(np.full((3, 3, 3), -1000.0)), REPAIRS)
    assert caught.value.status == "skipped"
