"""Contracts of more bands than three: ranges of reflectance, and bands that may be missing."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fieldguide import contract
from fieldguide.contract import InputContract
from fieldguide.data.inputs import Item
from fieldguide.errors import ContractError
from fieldguide.models.prepare import prepare, resize
from fieldguide.models.repairs import REPAIRS
from fieldguide.plugins import get_catalog
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, RGB, SRGB8, Sample
from fieldguide.tuning.suites import plain_reader

ALL_REPAIRS = tuple(REPAIRS)
BANDS = ("nir", "red", "green", "blue", "coastal")


def rgb_contract(**changes: Any) -> InputContract:
    values: dict[str, Any] = {
        "size_px": (8, 8), "resize": "squash", "mean": (100.0, 110.0, 120.0),
        "std": (60.0, 61.0, 62.0),
    }  # fmt: skip
    return InputContract(**values | changes)


def five_bands(**changes: Any) -> InputContract:
    values: dict[str, Any] = {
        "bands": BANDS,
        "mean": (118.4, 100.0, 110.0, 120.0, 68.0),
        "std": (69.0, 60.0, 61.0, 62.0, 99.0),
        "ranges": ((0.0, 0.5), (0.0, 0.3), (0.0, 0.3), (0.0, 0.3), (0.1, 0.2)),
        "optional_bands": ("nir", "coastal"),
    }
    return rgb_contract(**values | changes)


def scene(bands: tuple[str, ...], units: str = DIGITAL_NUMBER, side_px: int = 8) -> Sample:
    generator = np.random.default_rng(4)
    array = generator.integers(0, 9000, (side_px, side_px, len(bands)))
    if units == REFLECTANCE:
        return Sample((array / 10_000).astype(np.float32), bands, units)
    return Sample(array.astype(np.uint16), bands, units)


def test_a_contract_of_three_bands_keeps_the_digest_it_had_before_there_were_ranges() -> None:
    # SHA-256 of the JSON of the fields that contracts had then, written out
    text = (
        '{"spatial_dims":2,"bands":["red","green","blue"],"units":"srgb8","size_px":[224,224],'
        '"resize":"squash","interpolation":"bicubic","mean":[127.0,127.0,127.0],'
        '"std":[128.0,128.0,128.0],"min_valid_fraction":0.05}'
    )

    made = InputContract(size_px=(224, 224), resize="squash", mean=(127.0,) * 3, std=(128.0,) * 3)
    assert made.digest == hashlib.sha256(text.encode()).hexdigest()


def test_ranges_and_optional_bands_change_the_digest() -> None:
    digests = {
        five_bands().digest,
        five_bands(ranges=None).digest,
        five_bands(optional_bands=("nir",)).digest,
        five_bands(optional_bands=None).digest,
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ranges": ((0, 1),) * 4}, "one entry for each band"),
        ({"mean": (1.0,) * 3}, "one entry for each band"),
        ({"ranges": ((0.3, 0.0), *((0, 1),) * 4)}, "must rise"),
        ({"ranges": ((0, float("inf")), *((0, 1),) * 4)}, "must rise"),
        ({"optional_bands": ("swir16",)}, "swir16"),
        ({"optional_bands": ("nir", "green")}, "green cannot be optional"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        five_bands(**changes)


def test_each_band_has_its_own_range_of_reflectance() -> None:
    values = np.array([[[0.25, 0.15, 0.3, 0.4, 0.15]]], np.float32)
    _, pixels = prepare(Sample(values, BANDS, REFLECTANCE), five_bands(size_px=(1, 1)), ALL_REPAIRS)
    # 0.25 / 0.5, 0.15 / 0.3, 0.3 / 0.3, beyond the end, (0.15 - 0.1) / 0.1: halves round to even
    assert pixels[0, 0].tolist() == [128, 128, 255, 255, 128]


def test_what_is_no_number_and_what_lies_below_a_range_become_zero() -> None:
    values = np.array([[[np.nan, -0.2, 0.0, 0.3, 0.05]]], np.float32)
    sample = Sample(values, BANDS, REFLECTANCE)
    repaired = REPAIRS[contract.REFLECTANCE_TO_RANGES](sample, five_bands())
    assert repaired.array[0, 0].tolist() == [0, 0, 0, 255, 0]


def test_reflectance_is_refused_by_a_contract_without_ranges_or_a_repair_for_it() -> None:
    with pytest.raises(ContractError, match="reflectance"):
        five_bands().plan(scene(BANDS, REFLECTANCE), ("select_bands_by_name",))


@pytest.mark.parametrize("side_px", [8, 11, 30])
def test_colours_get_the_bytes_that_a_model_of_colours_gets(side_px: int) -> None:
    sample = scene(("coastal", "blue", "green", "red", "nir"), side_px=side_px)
    _, colours = prepare(sample, rgb_contract(), ALL_REPAIRS)
    _, pixels = prepare(sample, five_bands(), ALL_REPAIRS)
    places = [BANDS.index(band) for band in RGB]
    assert np.array_equal(pixels[..., places], colours)


def test_an_optional_band_that_is_missing_gets_its_mean_and_the_row_says_so() -> None:
    sample = scene(("red", "green", "blue", "coastal"), REFLECTANCE)
    repaired, pixels = prepare(sample, five_bands(), ALL_REPAIRS)
    assert repaired.repairs == (contract.REFLECTANCE_TO_RANGES, contract.FILL_MISSING)
    assert repaired.metadata["filled_bands"] == "nir"
    assert (pixels[..., BANDS.index("nir")] == 118).all()
    assert pixels[..., BANDS.index("coastal")].std() > 0


def test_a_picture_of_colours_alone_fits_where_all_else_is_optional() -> None:
    sample = Sample(np.full((8, 8, 3), 7, np.uint8), RGB, SRGB8)
    _, pixels = prepare(sample, five_bands(), ALL_REPAIRS)
    assert pixels[0, 0].tolist() == [118, 7, 7, 7, 68]


def test_a_photograph_is_read_by_a_model_of_more_bands_so_that_forgetting_can_be_measured() -> None:
    reader = plain_reader(five_bands(), get_catalog())
    image = np.full((8, 8, 3), 7, np.uint8)
    row, pixels = reader.read(Item("photo", "photo", image=image))
    assert row.status == "ok", row.reason
    assert pixels is not None
    assert pixels[0, 0].tolist() == [118, 7, 7, 7, 68]


def test_a_band_that_is_not_optional_is_never_made_up() -> None:
    contract_ = five_bands(optional_bands=("coastal",))
    with pytest.raises(ContractError, match="the model needs nir"):
        contract_.plan(scene(("red", "green", "blue")), ALL_REPAIRS)


def test_a_missing_colour_is_never_made_up() -> None:
    with pytest.raises(ContractError, match="the model needs blue"):
        five_bands().plan(scene(("red", "green", "nir", "coastal")), ALL_REPAIRS)


def test_bands_are_not_filled_where_the_modality_does_not_allow_it() -> None:
    allowed = [name for name in ALL_REPAIRS if name != contract.FILL_MISSING]
    with pytest.raises(ContractError, match="fill_missing_bands_with_mean"):
        five_bands().plan(scene(("red", "green", "blue", "nir")), allowed)


def test_a_band_is_filled_after_nodata_so_that_its_mean_stays() -> None:
    valid = np.ones((8, 8), bool)
    valid[:2] = False
    sample = Sample(scene(("red", "green", "blue", "nir")).array,
                    ("red", "green", "blue", "nir"), DIGITAL_NUMBER, valid=valid)  # fmt: skip
    assert five_bands().plan(sample, ALL_REPAIRS)[-2:] == (
        contract.FILL_NODATA,
        contract.FILL_MISSING,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 13), st.sampled_from(["squash", "center_crop", "pad"]), st.integers(5, 40))
def test_each_of_many_bands_is_resized_as_a_gray_picture_of_its_own(
    count: int, how: str, width: int
) -> None:
    generator = np.random.default_rng(count)
    pixels = generator.integers(0, 256, (17, width, count), dtype=np.uint8)
    names = tuple(f"band_{number}" for number in range(count))
    means = tuple(float(number) for number in range(count))

    def made(bands: tuple[str, ...], mean: tuple[float, ...]) -> InputContract:
        return InputContract(
            bands=bands, size_px=(8, 8), resize=how, mean=mean, std=(1.0,) * len(bands)  # type: ignore[arg-type] # one of the three
        )  # fmt: skip

    whole = resize(pixels, made(names, means))
    for place, name in enumerate(names):
        alone = resize(pixels[..., [place]].copy(), made((name,), (means[place],)))
        assert np.array_equal(whole[..., [place]], alone)
