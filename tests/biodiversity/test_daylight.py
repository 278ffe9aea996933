"""The sun's altitude against published places of the sun, and what may be said of a clock."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide_biodiversity import daylight
from fieldguide_biodiversity.daylight import light_at, sun_altitude_deg


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(daylight).failed == 0


def test_the_altitude_is_that_of_the_solar_position_algorithms_example() -> None:
    """Reda and Andreas 2004 (NREL/TP-560-34302), appendix A.5: zenith angle 50.11162 degrees."""
    moment = datetime(2003, 10, 17, 12, 30, 30, tzinfo=timezone(timedelta(hours=-7)))
    found = sun_altitude_deg(moment, 39.742476, -105.1786)
    assert found == pytest.approx(90 - 50.11162, abs=0.03)  # theirs is with 0.01 of refraction


def test_at_the_pole_the_altitude_is_the_declination() -> None:
    """Meeus, Astronomical Algorithms, example 25.a: declination -7.78507 on 1992 October 13."""
    moment = datetime(1992, 10, 13, tzinfo=UTC)
    assert sun_altitude_deg(moment, 90.0, 0.0) == pytest.approx(-7.785, abs=0.02)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.floats(-90, 90), st.floats(-180, 180),
)  # fmt: skip
def test_on_the_other_side_of_the_earth_the_sun_is_as_deep_as_here_high(
    moment: datetime, latitude: float, longitude: float
) -> None:
    here = sun_altitude_deg(moment, latitude, longitude)
    there = sun_altitude_deg(moment, -latitude, longitude + 180)
    assert here == pytest.approx(-there, abs=1e-6)


@pytest.mark.parametrize(
    ("moment", "place", "light"),
    [
        (datetime(2026, 6, 21, 0, 0), (70.0, 25.0), "day"),  # the midnight sun at the North Cape
        (datetime(2026, 12, 21, 3, 0), (70.0, 25.0), "night"),
        (datetime(2026, 7, 1, 12, 0), (51.5, -0.1), "day"),
        (datetime(2026, 7, 1, 4, 30), (51.5, -0.1), None),  # the clock's zone decides
        (datetime(2026, 7, 1, 3, 5, tzinfo=UTC), (51.5, -0.1), "twilight"),  # sunrise is at 3:47
        (datetime(2026, 1, 1, 12, 0, tzinfo=UTC), (-33.9, 151.2), "night"),  # 23:00 in Sydney
    ],
)
def test_day_and_night_are_said_where_the_clock_is_sure_enough(
    moment: datetime, place: tuple[float, float], light: str | None
) -> None:
    assert light_at(moment, *place) == light
