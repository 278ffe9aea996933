from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.data.place_and_date import (
    Circumstances,
    Place,
    circumstances_of,
    parse_month,
    parse_place,
)
from fieldguide.errors import UsageError

LONDON = Place(51.5, -0.1)
USUAL = Circumstances(LONDON, 6)
NOTHING = Circumstances()


def test_what_the_user_says_holds_for_a_picture_that_says_nothing() -> None:
    assert circumstances_of({"width_px": 64}, USUAL) == USUAL


def test_a_picture_that_knows_its_place_and_date_wins() -> None:
    metadata = {
        "latitude_deg": -33.86,
        "longitude_deg": 151.2,
        "captured_at": "2024-01-17T08:30:00+02:00",
    }
    found = circumstances_of(metadata, USUAL)
    assert found == Circumstances(Place(-33.86, 151.2), 1, own_place=True, own_month=True)
    assert found.words == "-33.86,151.2 (its own place) in January (its own date)"


def test_the_manifest_wins_over_the_file() -> None:
    metadata = {
        "latitude_deg": 1.0, "longitude_deg": 2.0, "captured_at": "2024-01-17T00:00:00",
        "Latitude": "3.5", "Longitude": "4.5", "date": "2024-07-01",
    }  # fmt: skip
    found = circumstances_of(metadata, NOTHING)
    assert (found.place, found.month) == (Place(3.5, 4.5), 7)


def test_a_cell_that_cannot_be_used_does_not_hide_what_the_file_says() -> None:
    metadata = {
        "lat": 0, "lon": 0, "latitude_deg": 1.0, "longitude_deg": 2.0,
        "date": "unknown", "captured_at": "2024-01-17T00:00:00",
    }  # fmt: skip
    expected = Circumstances(Place(1.0, 2.0), 1, own_place=True, own_month=True)
    assert circumstances_of(metadata, USUAL) == expected


def test_the_columns_of_a_domain_go_before_the_others() -> None:
    metadata = {
        "lat": 1,
        "lon": 2,
        "date": "2024-01-17",
        "Where N": 3,
        "Where E": 4,
        "When": "2024-07",
    }
    found = circumstances_of(metadata, USUAL, places=[("where_n", "where_e")], dates=["when"])
    assert (found.place, found.month) == (Place(3, 4), 7)


def test_longitudes_from_0_to_360_are_those_from_minus_180_to_180() -> None:
    assert circumstances_of({"lat": 1, "lon": 359.5}, USUAL).place == Place(1, -0.5)


def test_each_part_may_be_known_alone() -> None:
    assert circumstances_of({"date": "2024-05-17"}, NOTHING).words == "in May (its own date)"
    assert circumstances_of({"lat": "1", "lon": "2"}, NOTHING).words == "1,2 (its own place)"


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (math.nan, 0.5), (91, 0), (0.5, 360.5), (0.5, -180.5), ("north", "west"), (math.inf, 1),
        (0, 0),
    ],
)  # fmt: skip
def test_a_place_that_is_none_gives_none_and_a_note_and_is_not_replaced(
    latitude: Any, longitude: Any
) -> None:
    found = circumstances_of({"latitude": latitude, "longitude": longitude}, USUAL)
    assert found.place is None
    assert found.month == 6
    assert [note.startswith("its place cannot be used") for note in found.notes] == [True]


@pytest.mark.parametrize("date", ["0000:00:00 00:00:00", "2024-13-01", "2024-02-30", "2024", "?"])
def test_a_date_that_is_none_gives_none_and_a_note(date: str) -> None:
    found = circumstances_of({"captured_at": date}, USUAL)
    assert found.month is None
    assert found.place == LONDON
    assert found.notes == (f"its date cannot be used: {date!r}",)


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_empty_cells_of_a_manifest_say_nothing(empty: str | None) -> None:
    metadata = {"latitude": empty, "longitude": empty, "date": empty}
    assert circumstances_of(metadata, USUAL) == USUAL


@pytest.mark.parametrize(
    ("text", "month"),
    [("2026-06-01", 6), ("2026-06", 6), ("2024:05:17 08:30:00", 5), ("2026/1/9", 1)],
)
def test_dates_of_iso_8601_and_of_exif_have_a_month(text: str, month: int) -> None:
    assert parse_month(text) == month


@pytest.mark.parametrize("text", ["June", "", "2026", "2026-00-01", "1-6-2026", "2026-061"])
def test_a_date_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="--date 2026-06-01"):
        parse_month(text)


@pytest.mark.parametrize("text", ["", "51.5", "51.5,-0.1,3", "91,0", "London", "0,0", "nan,1"])
def test_a_place_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--place 51\.5,-0\.1"):
        parse_place(text)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


@given(anything, anything, anything)
def test_no_value_of_metadata_raises_and_what_is_found_is_on_the_earth(
    latitude: Any, longitude: Any, date: Any
) -> None:
    metadata = {"latitude": latitude, "longitude": longitude, "date": date}
    found = circumstances_of(metadata, NOTHING)
    if found.place is not None:
        assert abs(found.place.latitude_deg) <= 90
        assert abs(found.place.longitude_deg) <= 180
    assert found.month in (None, *range(1, 13))
