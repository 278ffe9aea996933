"""The input contract: what is refused, what is repaired by name, and the repairs themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from fieldguide import contract
from fieldguide.contract import InputContract
from fieldguide.errors import ContractError
from fieldguide.models.prepare import prepare, resize
from fieldguide.models.repairs import REPAIRS
from fieldguide.samples import DIGITAL_NUMBER, HOUNSFIELD, REFLECTANCE, RGB, SRGB8, SRGB16, Sample

ALL_REPAIRS = tuple(REPAIRS)


def make_contract(**changes: Any) -> InputContract:
    values: dict[str, Any] = {
        "size_px": (8, 8),
        "resize": "squash",
        "mean": (127.0,) * 3,
        "std": (128.0,) * 3,
    }
    return InputContract(**values | changes)


def rgb(height: int = 8, width: int = 8, **changes: Any) -> Sample:
    array = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    values: dict[str, Any] = {"array": array, "bands": RGB, "units": SRGB8}
    return Sample(**values | changes)


def test_an_image_that_fits_needs_no_repair() -> None:
    assert make_contract().plan(rgb(), ()) == ()


def test_bands_in_another_order_are_selected_by_name() -> None:
    sample = rgb(bands=("blue", "green", "red"))
    repaired, pixels = prepare(sample, make_contract(), ALL_REPAIRS)
    assert repaired.repairs == (contract.SELECT_BANDS,)
    assert np.array_equal(pixels, sample.array[..., ::-1])


def test_a_missing_band_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match="needs blue"):
        make_contract().plan(rgb(bands=("red", "green", "nir")), ALL_REPAIRS)


def test_a_repair_that_the_modality_does_not_allow_is_refused_by_name() -> None:
    gray = Sample(np.zeros((4, 4, 1), np.uint8), ("gray",), SRGB8)
    with pytest.raises(ContractError, match="grayscale_to_rgb"):
        make_contract().plan(gray, ())


def test_a_volume_is_refused_by_an_image_model() -> None:
    volume = Sample(np.zeros((4, 4, 4, 1), np.int16), ("ct",), HOUNSFIELD)
    with pytest.raises(ContractError, match="volume"):
        make_contract().plan(volume, ALL_REPAIRS)


def test_values_without_a_named_repair_are_refused() -> None:
    with pytest.raises(ContractError, match="kelvin"):
        make_contract().plan(rgb(units="kelvin"), ALL_REPAIRS)


def test_an_image_without_a_valid_pixel_is_skipped() -> None:
    with pytest.raises(ContractError, match="nodata") as caught:
        make_contract().plan(rgb(valid=np.zeros((8, 8), bool)), ALL_REPAIRS)
    assert caught.value.status == "skipped"


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (65535, 255), (32896, 128)])
def test_sixteen_bits_become_eight_by_dividing_by_257(value: int, expected: int) -> None:
    sample = Sample(np.full((8, 8, 3), value, np.uint16), RGB, SRGB16)
    _, pixels = prepare(sample, make_contract(), ALL_REPAIRS)
    assert pixels[0, 0, 0] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-0.1, 0), (0.0, 0), (0.2, 170), (0.1, 85), (0.3, 255), (1.4, 255), (np.nan, 0)],
)
def test_reflectance_is_shown_from_nothing_to_three_tenths(value: float, expected: int) -> None:
    sample = Sample(np.full((8, 8, 3), value, np.float32), RGB, REFLECTANCE)
    repaired, pixels = prepare(sample, make_contract(), ALL_REPAIRS)
    assert repaired.repairs == (contract.REFLECTANCE_TO_DISPLAY,)
    assert pixels[0, 0, 0] == expected


def test_the_same_reflectance_is_shown_the_same_whatever_is_beside_it() -> None:
    array = np.full((8, 8, 3), 0.06, np.float32)
    alone = REPAIRS[contract.REFLECTANCE_TO_DISPLAY](
        Sample(array, RGB, REFLECTANCE), make_contract()
    )
    array[4:] = 0.9
    beside = REPAIRS[contract.REFLECTANCE_TO_DISPLAY](
        Sample(array, RGB, REFLECTANCE), make_contract()
    )
    assert alone.array[0, 0, 0] == beside.array[0, 0, 0] == 51  # 0.06 / 0.3 * 255


def test_the_stretch_uses_valid_pixels_only() -> None:
    array = np.tile(np.arange(100, dtype=np.uint16).reshape(10, 10, 1), (1, 1, 3)) + 1000
    array[0] = 60000  # nodata that would flatten everything
    valid = np.ones((10, 10), bool)
    valid[0] = False
    sample = Sample(array, RGB, DIGITAL_NUMBER, valid=valid)
    repaired = REPAIRS[contract.STRETCH](sample, make_contract())
    low, high = np.percentile(np.arange(1010, 1100), (2, 98))
    expected = round((1050 - low) / (high - low) * 255)
    assert repaired.array[5, 0, 0] == expected


def test_nodata_gets_the_mean_of_what_is_valid() -> None:
    array = np.zeros((2, 2, 3), np.uint8)
    array[0, 0], array[0, 1] = 10, 20
    valid = np.array([[True, True], [False, False]])
    filled = REPAIRS[contract.FILL_NODATA](Sample(array, RGB, SRGB8, valid=valid), make_contract())
    assert filled.array[1].tolist() == [[15, 15, 15], [15, 15, 15]]
    assert filled.valid_fraction == 1


def test_stretch_comes_before_filling() -> None:
    valid = np.ones((8, 8), bool)
    valid[0] = False
    sample = rgb(array=np.ones((8, 8, 3), np.uint16), units=DIGITAL_NUMBER, valid=valid)
    assert make_contract().plan(sample, ALL_REPAIRS) == (contract.STRETCH, contract.FILL_NODATA)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(9, 90),
    st.integers(9, 90),
    st.sampled_from([8, 31, 64]),
    st.integers(0, 2**32 - 1),
)
def test_center_crop_is_torchvisions_to_the_last_bit(w: int, h: int, size: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    theirs = Compose([Resize(size, InterpolationMode.BICUBIC), CenterCrop(size)])
    ours = resize(pixels, make_contract(size_px=(size, size), resize="center_crop"))
    assert np.array_equal(ours, np.asarray(theirs(Image.fromarray(pixels))))


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    st.sampled_from(["squash", "center_crop", "pad"]),
)
def test_every_resize_gives_the_contracts_size(pixels: Any, how: str) -> None:
    assert resize(pixels, make_contract(size_px=(12, 12), resize=how)).shape == (12, 12, 3)


def test_padding_keeps_the_shape_and_fills_with_the_mean() -> None:
    pixels = np.full((4, 8, 3), 200, np.uint8)
    padded = resize(pixels, make_contract(size_px=(8, 8), resize="pad"))
    assert padded[0, 0].tolist() == [127, 127, 127]
    assert padded[4, 4].tolist() == [200, 200, 200]


def test_the_digest_changes_with_every_field_that_changes_a_vector() -> None:
    base = make_contract()
    others = [
        make_contract(size_px=(9, 8)),
        make_contract(resize="pad"),
        make_contract(interpolation="bilinear"),
        make_contract(mean=(1.0,) * 3),
        make_contract(bands=("blue", "green", "red")),
    ]
    assert base.digest == make_contract().digest
    assert len({base.digest, *(other.digest for other in others)}) == 6
