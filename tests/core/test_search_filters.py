"""Filters of a search by place and day, against slow independent versions."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.plugins import get_catalog
from fieldguide.retrieval.conditions import matches
from fieldguide.retrieval.dated import Dated, HasDay, day_of, read_day, read_months
from fieldguide.retrieval.lance_filter import column_name, field_of
from fieldguide.retrieval.lance_index import LanceIndex
from fieldguide.retrieval.near import HasPlace, Near, distance_km, place_of, read_place
from fieldguide.retrieval.row_filters import NearPlace, TakenWhen, narrowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.specs import DomainSpec

DIM = 4
SPACE = SpaceId(model="small", encoder="e1", contract="c", pooling="p", dim=DIM)
PLACES = (("lat", "lon"), ("latitude_deg", "longitude_deg"))
DATES = ("date", "captured_at")


def an_index(folder: Path, metadata: Sequence[Mapping[str, Any]]) -> LanceIndex:
    raw = np.random.default_rng(0).normal(size=(len(metadata), DIM))
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    rows = [Row(Item(f"{n}", f"{n}.jpg"), metadata=dict(m)) for n, m in enumerate(metadata)]
    index = LanceIndex.create(folder, SPACE, {"domain": "general"})
    with index:
        index.add(rows, ["" for _ in rows], Embeddings(unit, SPACE))
    return index


def found(index: LanceIndex, condition: Any) -> set[int]:
    query = Embeddings(np.eye(DIM, dtype=np.float32)[:1], SPACE)
    return {int(match.id) for match in index.search(query, 10_000, condition)}


def general() -> DomainSpec:
    return get_catalog().domains["general"]


def unit_vector(place: tuple[float, float]) -> np.ndarray[Any, Any]:
    north, east = map(math.radians, place)
    return np.array([math.cos(north) * math.cos(east), math.cos(north) * math.sin(east),
                     math.sin(north)])  # fmt: skip


def slow_distance_km(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the angle of two directions, which the chord between them gives exactly."""
    chord = float(np.linalg.norm(unit_vector(first) - unit_vector(second)))
    return 2 * 6371.0088 * math.asin(min(chord / 2, 1.0))


place_strategy = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(place_strategy, place_strategy)
def test_the_distance_is_that_of_vectors_through_the_globe(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    assert distance_km(first, second) == pytest.approx(slow_distance_km(first, second), abs=1e-2)


@pytest.mark.parametrize(
    ("first", "second", "km"),
    [
        ((0, 0), (0, 180), 20015.115),  # half round: pi times the mean radius
        ((90, 0), (90, 135), 0),  # all meridians meet at a pole
        ((89.5, 0), (89.5, 180), 111.195),  # across the pole: one degree
        ((10, 179.9), (10, -179.9), 21.901),  # 0.2 degrees times cos 10
    ],
)
def test_distances_across_the_poles_and_the_date_line(
    first: tuple[float, float], second: tuple[float, float], km: float
) -> None:
    assert distance_km(first, second) == pytest.approx(km, abs=1e-2)


def places(count: int = 300) -> list[dict[str, Any]]:
    """Places of which some are missing, half missing or impossible, in two pairs of columns."""
    generator = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        north, east = generator.uniform(-90, 90), generator.uniform(-180, 180)
        exif = {"latitude_deg": float(north), "longitude_deg": float(east)}
        rows.append(
            [exif, {"lat": float(north), "lon": float(east), **exif, "latitude_deg": 0.0}, {},
             {"lat": 95.0, "lon": 3.0, **exif}, {"lat": float(north)}, {"lat": "51", "lon": 3},
             {"lat": float("nan"), "lon": 1.0}][number % 7]
        )  # fmt: skip
    rows += [{"lat": 89.99, "lon": 20.0}, {"lat": 89.99, "lon": -160.0}, {"lat": 0, "lon": 179.99},
             {"lat": 0, "lon": 0}, {"lat": 0, "lon": -179.99},
             {"lat": 0, "lon": 180.01}]  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> LanceIndex:
    return an_index(tmp_path_factory.mktemp("placed") / "photos.fg", places())


@pytest.mark.parametrize("place", [(51.5, -0.1), (90, 0), (-89.9, 77), (0, 180), (0, -180), (0, 0)])
@pytest.mark.parametrize("km", [3, 500, 5000, 15_000, 20_000, 20_016, 1e9])
@pytest.mark.parametrize("is_negated", [False, True])
def test_the_engine_finds_the_rows_within_a_distance(
    placed: LanceIndex, place: tuple[float, float], km: float, is_negated: bool
) -> None:
    condition = Near(PLACES, place, km, is_negated)
    known = [(n, place_of(row, PLACES)) for n, row in enumerate(places())]
    slow = {
        n for n, where in known
        if where is not None and (slow_distance_km(place, where) <= km) != is_negated
    }  # fmt: skip
    assert found(placed, condition) == slow
    assert {n for n, row in enumerate(places()) if matches(condition, row)} == slow


def test_rows_without_a_place_on_earth_are_counted(placed: LanceIndex) -> None:
    rows = places()
    missing = sum(place_of(row, PLACES) is None for row in rows)
    of_seven = sum(number % 7 in (2, 4, 5, 6) for number in range(300))
    assert missing == of_seven + 1  # and the one at 0,0
    assert placed.count(HasPlace(PLACES, is_negated=True)) == missing
    condition, notes = narrowed(placed, general(), None, [NearPlace("0,0", 20_016)])
    assert notes == (f"{missing} rows have no place and cannot be found",)
    assert condition is not None
    assert placed.count(condition) == len(rows) - missing


def test_the_column_of_a_table_goes_before_that_of_the_photo(tmp_path: Path) -> None:
    rows = [{"lat": 10.0, "lon": 10.0, "latitude_deg": 50.0, "longitude_deg": 50.0}]
    index = an_index(tmp_path / "photos.fg", rows)
    near, _ = narrowed(index, general(), None, [NearPlace((10, 10), 1)])
    far, _ = narrowed(index, general(), None, [NearPlace((50, 50), 1)])
    assert (found(index, near), found(index, far)) == ({0}, set())


def test_columns_are_found_in_any_capitals(tmp_path: Path) -> None:
    index = an_index(tmp_path / "photos.fg", [{"Latitude": 10.0, "LONGITUDE": 10}])
    condition, notes = narrowed(index, general(), None, [NearPlace("10,10", 1)])
    assert (found(index, condition), notes) == ({0}, ())


def test_filters_come_before_the_best_are_taken(tmp_path: Path) -> None:
    rows = [{"lat": 10.0, "lon": 10.0} if n % 100 == 99 else {"lat": -50.0, "lon": 10.0}
            for n in range(1000)]  # fmt: skip
    index = an_index(tmp_path / "photos.fg", rows)
    condition, _ = narrowed(index, general(), None, [NearPlace("10,10", 1)])
    query = Embeddings(np.eye(DIM, dtype=np.float32)[:1], SPACE)
    assert {int(m.id) % 100 for m in index.search(query, 10, condition)} == {99}
    assert len(index.search(query, 10, condition)) == 10


@pytest.mark.parametrize(
    "text",
    ["91,0", "-90.5,1", "nan,1", "inf,1", "1", "1,2,3", "", "1;2", "51.5 -0.1", "0,361", "0,-181",
     "1e2,0", "1,2'; DROP TABLE items", "\u0665,\u0661"],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no place"):
        read_place(text)


@pytest.mark.parametrize("km", [0, -1, float("nan"), float("inf")])
def test_a_distance_must_be_positive(km: float) -> None:
    with pytest.raises(UsageError, match="distance"):
        NearPlace("0,0", km)


def days() -> list[dict[str, Any]]:
    """Dates in all the ways in which they are written, and what is none."""
    texts = ["2026-05-01", "2026:05:01 23:59:59", "2026-04-30T23:59:59Z", "2026-07-01", "2026-06",
             "0000:00:00 00:00:00", "2026-05-01/2026-05-09", "1 May 2026", "2026-13-01", "",
             "2026-06-30T12:00+02:00", "1999-12-31", "2025:11:05", "20260501", "2026-05-01x",
             "2026/06/02", "2026-12-24", "2024-02-29", "2026-05-011",
             "it's; DROP TABLE items --"]  # fmt: skip
    rows: list[dict[str, Any]] = [{"captured_at": text} for text in texts]
    rows.append({"date": "2020-01-05", "captured_at": "2026-05-05"})
    rows.append({"date": 2026, "captured_at": "2026-05-06"})
    rows.append({"date": "unknown", "captured_at": "2026:06:06 01:02:03"})
    rows.append({})
    return rows


def slow_day(row: Mapping[str, Any]) -> datetime.date | None:
    for name in DATES:
        text = row.get(name)
        if not isinstance(text, str) or (len(text) > 10 and (text[10] not in "T " or "/" in text)):
            continue
        if len(text) >= 10 and text[4] in "-:/" and text[7] in "-:/":
            try:
                return datetime.date(int(text[:4]), int(text[5:7]), int(text[8:10]))
            except ValueError:
                continue
    return None


@pytest.mark.parametrize("after", [None, "2026-05-01", "2020-01-05"])
@pytest.mark.parametrize("before", [None, "2026-07-01", "2026-05-06"])
@pytest.mark.parametrize("months", [None, "5-7", "11-2", "12"])
@pytest.mark.parametrize("is_negated", [False, True])
def test_the_engine_finds_the_rows_of_some_days(
    dated: LanceIndex, after: str | None, before: str | None, months: str | None, is_negated: bool
) -> None:
    wanted = set(range(1, 13))
    if months is not None:
        wanted = {"5-7": {5, 6, 7}, "11-2": {11, 12, 1, 2}, "12": {12}}[months]
    slow = set()
    for n, row in enumerate(days()):
        day = slow_day(row)
        if day is not None:
            fits = (
                (after is None or day >= datetime.date.fromisoformat(after))
                and (before is None or day < datetime.date.fromisoformat(before))
                and day.month in wanted
            )
            slow |= {n} if fits != is_negated else set()
    asked = frozenset() if months is None else read_months(months)
    condition = Dated(DATES, after, before, asked, is_negated)
    assert found(dated, condition) == slow
    assert {n for n, row in enumerate(days()) if matches(condition, row)} == slow


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> LanceIndex:
    return an_index(tmp_path_factory.mktemp("dated") / "photos.fg", days())


def test_rows_without_a_day_are_counted(dated: LanceIndex) -> None:
    missing = sum(slow_day(row) is None for row in days())
    assert missing == sum(day_of(row, DATES) is None for row in days())
    assert dated.count(HasDay(DATES, is_negated=True)) == missing
    _, notes = narrowed(dated, general(), None, [TakenWhen(months="5")])
    assert notes == (f"{missing} rows have no date and cannot be found",)


@pytest.mark.parametrize("text", ["2026-02-30", "May", "2026", "", "2026-05-01' OR '1'='1", "nan"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no day"):
        read_day(text)


@pytest.mark.parametrize(
    "text", ["0-13", "0", "13", "5-", "-5", "may", "", "5--7", "1,,2", "5-7-9"]
)
def test_what_are_no_months_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no months"):
        read_months(text)


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UsageError, match="No day"):
        TakenWhen(after="2026-07-01", before="2026-05-01")


@given(st.text(max_size=20), st.sampled_from(["boolean", "number", "text"]))
def test_a_column_says_which_field_it_is_of(key: str, kind: str) -> None:
    assert field_of(column_name(key, kind)) == (key, kind)


def test_all_filters_apply_together(tmp_path: Path) -> None:
    rows = [
        {"lat": lat, "lon": 1.0, "date": date, "note": note}
        for lat in (0.0, 40.0)
        for date in ("2026-05-01", "2026-09-01")
        for note in ("it's 100%", "other")
    ]
    index = an_index(tmp_path / "photos.fg", rows)
    condition, notes = narrowed(
        index, general(), 'note == "it\'s 100%"',
        [NearPlace("0,1", 10), TakenWhen(before="2026-06-01")],
    )  # fmt: skip
    assert (found(index, condition), notes) == ({0}, ())
