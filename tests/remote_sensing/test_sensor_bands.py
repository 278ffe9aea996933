"""A sensor names the bands of files, and files that contradict it are refused by name."""

from __future__ import annotations

import pytest

from fieldguide.errors import ContractError, UsageError
from fieldguide_remote_sensing.sensor_bands import NamedBands, naming
from fieldguide_remote_sensing.sensors import find_sensor

L2A = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22"
NO_COLOURS = ("gray", *["undefined"] * 14)


def name(
    sensor: str | None, descriptions: list[str | None], colours: str = "", bands: str | None = None
) -> NamedBands:
    found = None if sensor is None else find_sensor(sensor)
    said = tuple(colours.split()) or NO_COLOURS[: len(descriptions)]
    return naming(bands, found).name(descriptions, said)


@pytest.mark.parametrize(
    ("sensor", "names"),
    [
        ("sentinel2_l2a", L2A),
        ("sentinel2_l1c", L2A.replace("swir16", "cirrus swir16")),
        ("landsat_7", "blue green red nir08 swir16 swir22"),
        ("landsat_8", "coastal blue green red nir08 swir16 swir22"),
        ("naip", "red green blue nir"),
    ],
)
def test_bands_without_names_are_in_the_sensors_order(sensor: str, names: str) -> None:
    order = tuple(names.split())
    named = name(sensor, [None] * len(order))
    assert named == NamedBands(tuple(range(1, len(order) + 1)), order)


def test_names_in_the_file_say_more_than_the_order() -> None:
    assert name("sentinel2_l2a", ["B08", "B4", "SWIR 1"]).names == ("nir", "red", "swir16")


@pytest.mark.parametrize(
    ("sensor", "red"), [("sentinel2_l2a", "B4"), ("landsat_8", "B4"), ("landsat_7", "B3")]
)
def test_a_number_has_one_meaning_where_the_sensor_is_known(sensor: str, red: str) -> None:
    assert name(sensor, [red]).names == ("red",)


def test_the_option_may_use_the_sensors_own_names() -> None:
    assert name("landsat_7", [None] * 3, bands="B4,b3,SR_B2").names == ("nir08", "red", "green")


def test_the_option_may_not_name_a_band_of_another_sensor() -> None:
    with pytest.raises(UsageError, match="--bands names lwir11, which sentinel2_l2a does not have"):
        naming("red,green,lwir11", find_sensor("sentinel2_l2a"))


def test_three_colours_name_three_bands_of_a_sensor_with_more() -> None:
    assert name("sentinel2_l2a", [None] * 3, "red green blue").names == ("red", "green", "blue")


@pytest.mark.parametrize(
    ("sensor", "count", "hint"),
    [
        ("sentinel2_l2a", 13, "--sensor sentinel2_l1c"),
        ("sentinel2_l1c", 12, "--sensor sentinel2_l2a"),
        ("landsat_8", 6, "--sensor landsat_7"),
        ("sentinel2_l2a", 4, "--sensor sentinel2_l2a --bands NAME,..."),
        ("sentinel2_l2a", 1, "--bands NAME,..."),
    ],
)
def test_another_number_of_bands_is_refused_with_what_to_type(
    sensor: str, count: int, hint: str
) -> None:
    with pytest.raises(ContractError, match=f"it has {count} bands? without names") as refusal:
        name(sensor, [None] * count)
    assert hint in str(refusal.value)


def test_a_name_that_the_sensor_does_not_have_is_refused_with_the_sensor_that_has_it() -> None:
    written: list[str | None] = ["B02", "B03", "B04", "B10"]
    with pytest.raises(ContractError, match=r"say B10.*--sensor sentinel2_l1c"):
        name("sentinel2_l2a", written)


def test_a_thermal_band_is_named_and_left_out_of_reflectance() -> None:
    named = name("landsat_8", ["SR_B4", "ST_B10", "SR_B3"])
    assert (named.places, named.names) == ((1, 3), ("red", "green"))
    assert named.notes == ("lwir11 left out: landsat_8 has no reflectance of them",)


def test_a_band_that_no_sensor_knows_is_left_out_and_noted() -> None:
    named = name("sentinel2_l2a", ["B04", "SCL"])
    assert (named.names, named.notes[0].partition(":")[0]) == (("red",), "scl left out")


def test_a_file_with_no_band_of_the_sensor_is_refused() -> None:
    with pytest.raises(ContractError, match="none of its bands scl"):
        name("sentinel2_l2a", ["SCL"])


def test_names_for_only_some_bands_are_refused() -> None:
    with pytest.raises(ContractError, match="the bands 2 are not"):
        name("sentinel2_l2a", ["B04", "Band 2"])


def test_a_band_named_twice_is_refused() -> None:
    with pytest.raises(ContractError, match="two of its bands are named red"):
        name("sentinel2_l2a", ["B04", "Red"])


def test_colours_that_contradict_the_sensors_order_are_refused() -> None:
    with pytest.raises(ContractError, match=r"band 1 is blue, and rgb has red there"):
        name("rgb", [None] * 3, "blue green red")
    assert name("rgb", [None] * 3, "blue green red", "blue,green,red").notes == ()


def test_names_and_colours_in_opposite_order_are_reported_with_the_line_to_type() -> None:
    named = name(None, ["blue", "green", "red"], "red green blue")
    assert named.names == ("blue", "green", "red")
    assert named.notes[0].endswith("If the colours are right: --bands red,green,blue")


def test_near_infrared_shown_as_red_is_no_contradiction() -> None:
    assert name(None, ["nir", "red", "green"], "red undefined undefined").notes == ()


def test_the_fourth_byte_that_gdal_calls_alpha_is_naips_near_infrared() -> None:
    assert name("naip", [None] * 4, "red green blue alpha").places == (1, 2, 3, 4)


def test_an_alpha_band_beside_all_bands_of_the_sensor_is_the_mask() -> None:
    named = name("sentinel2_l2a", [None] * 13, " ".join(["gray", *["undefined"] * 11, "alpha"]))
    assert len(named.places) == 12
