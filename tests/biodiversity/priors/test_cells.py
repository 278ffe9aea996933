from __future__ import annotations

import math

import numpy as np
import pytest

from fieldguide.data.place_and_date import Place
from fieldguide_biodiversity.priors.cells import COUNT, cell_of, distances_km, middle_of
from fieldguide_biodiversity.priors.cells import unit_vectors as directions
from fieldguide_biodiversity.priors.kernel import (
    CellWeights,
    weight_of_distance,
    weight_of_months,
)


def haversine_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The textbook formula, with the radius of the grid."""
    (a, b), (c, d) = (map(math.radians, place) for place in (one, other))
    inside = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(inside))


def test_the_middle_of_each_cell_lies_in_it() -> None:
    cells = np.arange(COUNT, dtype=np.int32)
    np.testing.assert_array_equal(cell_of(*middle_of(cells)), cells)


def test_cells_have_nearly_the_same_area_from_the_equator_to_spitsbergen() -> None:
    def area(latitude: float) -> float:
        around = np.arange(-180, 180, 0.01)
        in_row = len(np.unique(cell_of(np.full(len(around), latitude), around)))
        south = math.floor(latitude * 4) / 4
        height = math.sin(math.radians(south + 0.25)) - math.sin(math.radians(south))
        return 2 * math.pi * 6371.0088**2 * height / in_row

    areas = [area(latitude) for latitude in (0.1, 30.1, 51.6, 70.1, 78.2)]
    assert max(areas) / min(areas) < 1.01
    assert areas[0] == pytest.approx(27.8**2, rel=0.01)


def test_the_ends_of_the_earth_lie_in_cells() -> None:
    found = cell_of(np.array([-90.0, 90, 0, 0]), np.array([-180.0, 180, 180, -180]))
    assert found.min() >= 0
    assert found.max() == COUNT - 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((51.5, -0.1), (48.9, 2.4)), ((10, 179.9), (10, -179.9)), ((89, 0), (89, 180)),
        ((0, 0), (0, 180)), ((51.5, -0.1), (51.5, -0.1)),
    ],
)  # fmt: skip
def test_distances_are_those_of_the_haversine_formula(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    place = directions(np.array(one[0]), np.array(one[1]))
    found = distances_km(directions(np.array([other[0]]), np.array([other[1]])), place)
    assert found[0] == pytest.approx(haversine_km(one, other), abs=1e-4)


def test_records_over_the_date_line_are_near() -> None:
    cells = cell_of(np.array([10.0]), np.array([-179.9]))
    assert CellWeights.of(cells).distances_km(Place(10, 179.9))[0] < 40


def test_a_record_counts_by_a_gaussian_of_its_distance_up_to_300_km() -> None:
    found = weight_of_distance(np.array([0.0, 100, 200, 300, 301]))
    expected = [1, math.exp(-0.5), math.exp(-2), math.exp(-4.5), 0]
    assert found.tolist() == pytest.approx(expected)


def test_december_is_next_to_january() -> None:
    found = weight_of_months(1)
    assert found[[1, 12, 2, 7]].tolist() == pytest.approx(
        [1, math.exp(-0.5), math.exp(-0.5), math.exp(-18)]
    )


def test_a_record_without_a_month_counts_as_if_it_were_spread_over_the_year() -> None:
    assert weight_of_months(6)[0] == pytest.approx(sum(weight_of_months(6)[1:]) / 12)
