"""Rows that lie within a distance of a place, wherever on the globe that is.

The great-circle distance is that of the haversine formula (Sinnott 1984, "Virtues of the
Haversine", Sky and Telescope 68, 158) on a sphere of the mean radius of the Earth. It is exact for
metres and for half the globe, at the poles and across the date line, where a box of degrees is not;
the sphere is at most 0.6 % off the ellipsoid.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fieldguide.data.place_and_date import (
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MIN_LONGITUDE,
    is_on_earth,
)
from fieldguide.errors import UsageError
from fieldguide.retrieval.conditions import RowTest, plain
from fieldguide.retrieval.lance_filter import FALSE, any_of, by_first_usable, column_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EARTH_RADIUS_KM = 6371.0088
"""Mean radius (2a + b) / 3 of the ellipsoid GRS 80 (Moritz 2000)."""

HALF_WAY_ROUND_KM = math.pi * EARTH_RADIUS_KM
_PLACE = re.compile(
    r"\s*([-+]?\d+\.?\d*|[-+]?\.\d+)\s*,\s*([-+]?\d+\.?\d*|[-+]?\.\d+)\s*", re.ASCII
)


def read_place(text: str) -> tuple[float, float]:
    """Return latitude and longitude in degrees from ``51.5,-0.1``.

    Raises:
        UsageError: it is no place on Earth.

    >>> read_place("51.5, -0.1")
    (51.5, -0.1)
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no place. Write latitude and longitude in decimal degrees: 51.5,-0.1"
        )
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > MAX_LATITUDE:
        raise UsageError(
            f"{text!r} is no place: its latitude is {latitude:g}, and there are -90 to 90. The "
            "latitude comes first: 51.5,-0.1"
        )
    if not MIN_LONGITUDE <= longitude <= MAX_LONGITUDE:
        raise UsageError(
            f"{text!r} is no place: its longitude is {longitude:g}, and there are -180 to 180. "
            "Write it as in: 51.5,-0.1"
        )
    return latitude, longitude


def distance_km(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the great-circle distance of two places, each latitude and longitude in degrees.

    >>> round(distance_km((0, 179.5), (0, -179.5)), 2)  # one degree of the equator
    111.2
    """
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(_haversine(first, second), 1.0)))


def _haversine(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the squared sine of half the angle between two places."""
    (one, two), (three, four) = first, second
    north = math.sin(math.radians(one - three) / 2) ** 2
    east = math.sin(math.radians(two - four) / 2) ** 2
    return north + math.cos(math.radians(one)) * math.cos(math.radians(three)) * east


@dataclass(frozen=True, slots=True)
class HasPlace(RowTest):
    """A row that says where it was taken.

    Attributes:
        columns: pairs of fields, latitude and longitude in degrees; the first pair of which a row
            has a place on Earth is its place.
    """

    columns: tuple[tuple[str, str], ...]
    is_negated: bool = False

    def negated(self) -> HasPlace:
        """Return the test for rows without a place."""
        return replace(self, is_negated=not self.is_negated)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """See ``RowTest``."""
        return (place_of(row, self.columns) is None) == self.is_negated

    def to_lance(self, columns: frozenset[str]) -> str:
        """See ``RowTest``."""
        usable = any_of([_usable(pair, columns) for pair in self.columns])
        return f"(NOT {usable})" if self.is_negated else usable


@dataclass(frozen=True, slots=True)
class Near(RowTest):
    """A row that was taken within a distance of a place.

    Attributes:
        columns: as of :class:`HasPlace`.
        place: latitude and longitude in degrees.
        within_km: the distance, itself included.
    """

    columns: tuple[tuple[str, str], ...]
    place: tuple[float, float]
    within_km: float
    is_negated: bool = False

    def negated(self) -> Near:
        """Return the test for rows with a place that is farther away."""
        return replace(self, is_negated=not self.is_negated)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """See ``RowTest``."""
        place = place_of(row, self.columns)
        return place is not None and (
            (_haversine(self.place, place) <= self._bound()) != self.is_negated
        )

    def to_lance(self, columns: frozenset[str]) -> str:
        """See ``RowTest``."""
        usable = [_usable(pair, columns) for pair in self.columns]
        return by_first_usable(usable, [self._distance(pair) for pair in self.columns])

    def _bound(self) -> float:
        """Return the haversine of the distance; all of the globe is within half its girth."""
        if self.within_km >= HALF_WAY_ROUND_KM:
            return 1.0 + 1e-9
        return math.sin(self.within_km / (2 * EARTH_RADIUS_KM)) ** 2

    def _distance(self, pair: tuple[str, str]) -> str:
        latitude, longitude = (f"`{column_name(name, 'number')}`" for name in pair)
        north, east = map(repr, map(float, self.place))
        cosine = math.cos(math.radians(self.place[0]))
        operator = ">" if self.is_negated else "<="
        return (
            f"((power(sin(radians({latitude} - ({north})) / 2), 2)"
            f" + cos(radians({latitude})) * {cosine!r}"
            f" * power(sin(radians({longitude} - ({east})) / 2), 2)) {operator} {self._bound()!r})"
        )


def place_of(
    row: Mapping[str, Any], columns: Sequence[tuple[str, str]]
) -> tuple[float, float] | None:
    """Return latitude and longitude of a row in degrees, or None where it says none.

    Args:
        row: its metadata.
        columns: as of :class:`HasPlace`.
    """
    for pair in columns:
        latitude, longitude = (plain(row.get(name)) for name in pair)
        if (
            type(latitude) is float
            and type(longitude) is float
            and is_on_earth(latitude, longitude)
        ):
            return latitude, longitude
    return None


def _usable(pair: tuple[str, str], columns: frozenset[str]) -> str:
    """Return :func:`is_on_earth` in the words of the engine."""
    names = [column_name(name, "number") for name in pair]
    if not columns.issuperset(names):
        return FALSE
    latitude, longitude = (f"`{name}`" for name in names)
    return (
        f"({latitude} IS NOT NULL AND {longitude} IS NOT NULL"
        f" AND {latitude} >= {-MAX_LATITUDE} AND {latitude} <= {MAX_LATITUDE}"
        f" AND {longitude} >= {MIN_LONGITUDE} AND {longitude} <= {MAX_LONGITUDE}"
        f" AND NOT ({latitude} = 0 AND {longitude} = 0))"
    )
