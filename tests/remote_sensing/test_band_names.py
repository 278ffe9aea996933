"""How bands get their names: from the option, the descriptions or the colours of a file."""

from __future__ import annotations

import pytest

from fieldguide.errors import ContractError, UsageError
from fieldguide_remote_sensing.bands import band_names, parse_bands

COLOURS = ("red", "green", "blue")
L2A = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"
L2A_NAMES = (
    "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22"  # ESA's order
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (("B02", "B03", "B04"), ("blue", "green", "red")),
        (("Blue", "GREEN", "red"), ("blue", "green", "red")),
        (("B4", "B3", "B8A"), ("red", "green", "nir08")),  # only Sentinel-2 has a B8A
        (("SR_B4", "SR_B3", "SR_B6"), ("red", "green", "swir16")),  # Landsat 7 has no SR_B6
        (("Red Edge 1", "NIR", "SWIR 2"), ("rededge1", "nir", "swir22")),
        (("Band 1", "Band_2", "band3"), COLOURS),  # says only the place, so the colours count
        (("red", "green", "NDVI"), ("red", "green", "ndvi")),
        ((None, "", None), COLOURS),
        (tuple(L2A.split()), tuple(L2A_NAMES.split())),
    ],
)
def test_names_in_the_file_become_common_names(
    written: tuple[str | None, ...], expected: tuple[str, ...]
) -> None:
    colours = COLOURS if len(written) == 3 else ("gray", *["undefined"] * (len(written) - 1))
    assert band_names(written, colours, None) == expected


def test_a_description_says_more_than_a_colour() -> None:
    assert band_names(("nir", "red", "green"), COLOURS, None) == ("nir", "red", "green")


def test_a_fourth_band_beside_three_colours_keeps_its_place_as_name() -> None:
    colours = (*COLOURS, "undefined")
    assert band_names((None,) * 4, colours, None) == (*COLOURS, "band_4")


def test_gray_is_no_name_because_every_first_band_is_called_so() -> None:
    with pytest.raises(ContractError, match=r"one band without names.*--bands NAME$"):
        band_names((None,), ("gray",), None)


def test_numbers_that_mean_other_colours_by_sensor_are_refused_with_the_lines_to_type() -> None:
    with pytest.raises(ContractError) as refusal:
        band_names(("B4", "B3", "B2"), COLOURS, None)
    assert "Sentinel-2: --bands red,green,blue" in str(refusal.value)
    assert "Landsat 4 to 7: --bands nir08,red,green" in str(refusal.value)


def test_the_option_says_more_than_the_file() -> None:
    given = parse_bands("nir,red,green")
    assert band_names(("B4", "B3", "B2"), COLOURS, given) == ("nir", "red", "green")


def test_a_band_named_twice_is_refused() -> None:
    with pytest.raises(ContractError, match="two of its bands are named red"):
        band_names(("red", "green", "Red"), COLOURS, None)


def test_names_in_the_option_may_have_spaces_and_capitals() -> None:
    assert parse_bands(" Red, green,SWIR1 ") == ("red", "green", "swir16")


@pytest.mark.parametrize("text", ["", "red,,blue", "red,red", "B4,B3,B2", "1,2,3", "red;green"])
def test_nonsense_in_the_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--bands red,green,blue,nir"):
        parse_bands(text)
