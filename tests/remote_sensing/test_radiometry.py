"""Digital numbers become reflectance, or stay, or are refused; expected values by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, RGB, SRGB8, Sample
from fieldguide_remote_sensing.claims import Claim, Claimant, stated_baseline
from fieldguide_remote_sensing.radiometry import Conversion, decide
from fieldguide_remote_sensing.sensors import find_sensor

NOTHING = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
L2A = find_sensor("sentinel2_l2a")


def stored(low: float, high: float, dtype: str = "uint16", **changes: Any) -> Sample:
    """Return red, green and blue from low to high, the same in each."""
    ramp = np.linspace(low, high, 200).reshape(20, 10, 1)
    array = np.repeat(ramp, 3, axis=-1).astype(dtype)
    units = SRGB8 if dtype == "uint8" else DIGITAL_NUMBER
    return Sample(array, RGB, units, **changes)


def claim(
    sensor: str | None = "sentinel2_l2a",
    offset: float | None = None,
    baseline: str | None = None,
    own: Any = NOTHING,
) -> Claim | None:
    found = None if sensor is None else find_sensor(sensor)
    return Claimant(found, offset).claim(RGB, own, baseline)


def converted(sample: Sample, said: Claim | None) -> Sample:
    return decide(sample, said).apply(sample)


# -- arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "dn", "reflectance"),
    [
        (claim(offset=0), 3000, 0.3),
        (claim(offset=-1000), 3000, 0.2),
        (claim(baseline="03.01"), 3000, 0.3),
        (claim(baseline="04.00"), 3000, 0.2),
        (claim(baseline="05.10"), 1000, 0.0),
        (claim("landsat_8"), 10000, 0.075),  # 10000 * 0.0000275 - 0.2
        (claim("landsat_5"), 20000, 0.35),
        (claim("hls_landsat"), 1234, 0.1234),
        (claim(None, own=((0.0001,) * 3, (-0.1,) * 3)), 3000, 0.2),
        (claim(own=((0.00005,) * 3, (0.0,) * 3)), 3000, 0.15),  # the file's own counts first
    ],
)
def test_a_number_becomes_the_reflectance_that_the_product_defines(
    said: Claim, dn: int, reflectance: float
) -> None:
    sample = stored(0.8 * dn + 400, 1.3 * dn + 4000)
    sample.array[0, 0] = dn
    done = converted(sample, said)
    assert (done.units, done.array.dtype, done.repairs) == (REFLECTANCE, np.float32, ())
    assert done.array[0, 0, 0] == pytest.approx(reflectance, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 16000), st.sampled_from([0.0, -1000.0]))
def test_the_number_comes_back_from_its_reflectance(dn: int, offset: float) -> None:
    said = claim(offset=offset)
    assert said is not None
    sample = stored(dn, dn)
    reflectance = Conversion(REFLECTANCE, said).apply(sample).array[3, 4, 1]
    assert round(float(reflectance) / 0.0001 - offset) == dn


def test_each_band_has_its_own_scale_and_offset() -> None:
    said = claim(None, own=((0.0001, 0.0002, 0.0001), (0.0, 0.0, 0.1)))
    done = converted(stored(1000, 2000), said)
    np.testing.assert_allclose(done.array[0, 0], (0.1, 0.2, 0.2), rtol=1e-6)


def test_a_conversion_decided_for_a_file_does_the_same_to_a_window_of_it() -> None:
    whole = stored(500, 4000)
    decision = decide(whole, claim(offset=0))
    window = Sample(whole.array[:3, :4], RGB, DIGITAL_NUMBER)
    np.testing.assert_array_equal(decision.apply(window).array, decision.apply(whole).array[:3, :4])


# -- the offset is never guessed ---------------------------------------------------------------


def test_without_offset_and_baseline_the_numbers_stay_and_the_row_says_what_to_type() -> None:
    sample = stored(500, 4000)
    done = converted(sample, claim())
    assert done.units == DIGITAL_NUMBER
    np.testing.assert_array_equal(done.array, sample.array)
    assert "--offset 0 (processing baseline before 04.00)" in done.notes[0]
    assert "--offset -1000 (processing baseline 04.00 and later)" in done.notes[0]


@pytest.mark.parametrize(
    ("path", "tags", "expected"),
    [
        ("S2B_MSIL2A_20220125T100231_N0301_R122_T33UVR_20220125T130119.SAFE/a.jp2", {}, "03.01"),
        ("x/S2A_MSIL1C_20230101T105441_N0509_R051_T31UFU_20230101T124801/B04.tif", {}, "05.09"),
        ("a.tif", {"PROCESSING_BASELINE": "04.00"}, "04.00"),
        ("a.tif", {"s2:processing_baseline": " 02.14 "}, "02.14"),
        ("a.tif", {"PROCESSING_BASELINE": "four"}, None),
        ("a.tif", {"PROCESSING_BASELINE": "99.99"}, None),  # of a processor at home
        ("S2A_MSIL2A_20220127T105311_N9999_R051_T31UFU_20220127T141524.tif", {}, None),
        ("N0400_copy.tif", {}, None),  # no name of a product
        ("my_S2A_MSIL2A_20220127T105311_N0400_R051.tif", {}, None),
    ],
)
def test_the_baseline_is_what_the_product_says(
    path: str, tags: dict[str, str], expected: str | None
) -> None:
    assert stated_baseline(Path(path), tags) == expected


def test_the_option_counts_more_than_the_baseline_and_the_row_says_so() -> None:
    done = converted(stored(500, 4000), claim(offset=0, baseline="05.10"))
    assert done.array.min() == pytest.approx(0.05)
    assert done.notes == ("--offset 0 was taken although baseline 05.10 has -1000",)


@pytest.mark.parametrize(
    ("sensor", "offset", "fault"),
    [
        (None, -1000, "--sensor sentinel2_l2a"),
        ("landsat_8", -1000, "fixed"),
        ("naip", 0, "fixed"),
        ("sentinel2_l2a", float("nan"), "not a number"),
        ("sentinel2_l2a", float("inf"), "not a number"),
    ],
)
def test_an_offset_that_no_sensor_takes_is_a_usage_error(
    sensor: str | None, offset: float, fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        claim(sensor, offset)


# -- what is said is compared with the numbers -------------------------------------------------


@pytest.mark.parametrize("said", [claim(), claim(baseline="04.00"), claim("landsat_9")])
def test_floats_from_0_to_1_are_reflectance_already_and_are_not_scaled_again(said: Claim) -> None:
    sample = stored(0.01, 0.9, "float32")
    done = converted(sample, said)
    assert (done.units, done.repairs) == (REFLECTANCE, ("kept_as_reflectance",))
    np.testing.assert_array_equal(done.array, sample.array)
    assert done.notes == ()


@pytest.mark.parametrize(
    ("sample", "said", "fault"),
    [
        (stored(0.01, 0.9, "float32"), claim(offset=-1000), "Leave --offset out"),
        (stored(1e-6, 9e-5, "float32"), claim(), "scale 0.0001 seems to have been applied twice"),
        (stored(1e-6, 9e-5, "float64"), claim("hls_landsat"), "applied twice"),
        (stored(-0.19999, -0.1999, "float32"), claim("landsat_8"), "half of red would be below"),
        (stored(0.01, 0.9, "float32"), claim(own=((1e-4,) * 3, (0.0,) * 3)), "too dark"),
        (stored(1, 100, "float32"), claim(baseline="03.01"), "end at 100"),  # percent
        (stored(1, 255), claim(baseline="03.01"), "end at 255"),  # display values in 16 bits
        (stored(500, 4000), claim("landsat_8"), "up to -0.092, too dark"),  # Sentinel-2's
        (stored(8000, 60000), claim(baseline="03.01"), "too bright"),  # Landsat's
        (stored(500, 9000), claim("landsat_8"), "half of red would be below"),  # with clouds
        (stored(20, 700), claim(offset=-1000), "--offset 0"),
        (stored(0, 1), claim("hls_landsat"), "end at 1"),
        (stored(20, 200, "uint8"), claim(offset=0), "8 bits.*Leave --offset out"),
    ],
)
def test_numbers_that_contradict_what_is_said_are_refused(
    sample: Sample, said: Claim, fault: str
) -> None:
    with pytest.raises(ContractError, match=fault):
        decide(sample, said)


def test_eight_bits_stay_for_display_whatever_the_sensor() -> None:
    done = converted(stored(0, 255, "uint8"), claim())
    assert (done.units, done.array.dtype) == (SRGB8, np.uint8)
    assert "for display" in done.notes[0]


def test_eight_bits_with_a_scale_of_their_own_are_reflectance_where_that_can_be() -> None:
    sample = stored(0, 250, "uint8")
    done = converted(sample, claim(None, own=((0.004,) * 3, (0.0,) * 3)))
    assert (done.units, float(done.array.max())) == (REFLECTANCE, 1.0)
    of_another = claim(None, own=((0.0001,) * 3, (0.0,) * 3))  # copied from 16 bits
    assert converted(sample, of_another).units == SRGB8


def test_a_scale_of_the_file_that_gives_no_reflectance_is_noted_and_not_used() -> None:
    own = ((0.1,) * 3, (0.0,) * 3)  # tenths of something
    done = converted(stored(500, 4000), claim(None, own=own))
    assert done.units == DIGITAL_NUMBER
    assert "too bright" in done.notes[0]


def test_a_scale_of_what_is_no_light_says_nothing_of_reflectance() -> None:
    own = ((0.01,), (273.15,))
    assert Claimant().claim(("lwir11",), own, None) is None
    assert Claimant().claim(("ndvi",), ((0.0001,), (0.0,)), None) is None


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_is_refused_where_a_sensor_is_named(scale: float) -> None:
    own = ((scale,) * 3, (0.0,) * 3)
    with pytest.raises(ContractError, match=r"gdal_edit\.py -scale 1 -offset 0"):
        claim(own=own)
    assert claim(None, own=own) is None


def test_an_offset_in_the_file_that_contradicts_the_option_is_refused() -> None:
    own = ((0.0001,) * 3, (-0.1,) * 3)
    agreed = claim(offset=-1000, own=own)
    assert agreed is not None
    assert agreed.is_own
    with pytest.raises(ContractError, match="contradict --offset 0"):
        claim(offset=0, own=own)


def test_invalid_pixels_do_not_count_when_numbers_are_compared() -> None:
    valid = np.ones((20, 10), bool)
    valid[:15] = False
    sample = stored(500, 4000, valid=valid)
    sample.array[:15] = 65535
    assert converted(sample, claim(baseline="03.01")).units == REFLECTANCE


def test_where_no_number_is_valid_what_is_said_is_taken() -> None:
    nowhere = np.zeros((20, 10), bool)
    sample = stored(0, 0, valid=nowhere)
    assert decide(sample, claim(offset=0)).units == REFLECTANCE
    assert decide(sample, claim()).units == DIGITAL_NUMBER
    assert decide(stored(0, 0, "float32", valid=nowhere), claim(offset=0)).units == DIGITAL_NUMBER


def test_a_sensor_without_scale_says_nothing() -> None:
    assert claim("naip") is None
    sample = stored(500, 4000)
    assert converted(sample, None) == sample
