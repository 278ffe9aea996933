"""A map of points for a page: equirectangular, with graticule and coast, without any network.

Equirectangular: equal degrees are equal lengths along a meridian and along the middle parallel of
the map (Snyder 1987, "Map projections - a working manual", USGS PP 1395, chapter 12).
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH_PX = 1000.0
MAX_HEIGHT_PX = 700.0
MIN_SPAN_DEG = 8.0
"""A map of one garden would show no coast."""
MARGIN_FRACTION = 0.15
STEPS_DEG = (1, 2, 5, 10, 15, 30)
MAX_LINES = 9
OTHERS = "others"
OTHERS_COLOUR = "#7a7a7a"
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#000000",
)  # fmt: skip
"""That people with colour blindness can tell apart (Okabe and Ito 2008), yellow made darker."""
NAMES_SHOWN = 6
_COAST = "land_110m.txt"


@dataclass(frozen=True, slots=True)
class MapPoint:
    """Something at a place.

    Attributes:
        latitude_deg: -90 to 90.
        longitude_deg: -180 to 180.
        group: decides the colour.
        title: shown where the pointer rests.
    """

    latitude_deg: float
    longitude_deg: float
    group: str
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    """Points of one group that fall into one pixel."""

    x_px: float
    y_px: float
    radius_px: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the graticule, with its degrees at an end."""

    start_px: tuple[float, float]
    end_px: tuple[float, float]
    text: str


@dataclass(frozen=True, slots=True)
class PointMap:
    """What a template draws.

    Attributes:
        size_px: width and height.
        land: the data of an SVG path.
        legend: (group, colour, points), the commonest first.
    """

    size_px: tuple[float, float]
    land: str
    meridians: tuple[Line, ...]
    parallels: tuple[Line, ...]
    dots: tuple[Dot, ...]
    legend: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class _View:
    """The part of the earth that is shown, in degrees, and its scale."""

    west: float
    south: float
    east: float
    north: float

    @property
    def x_scale(self) -> float:
        wide = (self.east - self.west) * self.aspect
        return self.aspect * min(WIDTH_PX / wide, MAX_HEIGHT_PX / (self.north - self.south))

    @property
    def aspect(self) -> float:
        return max(0.2, math.cos(math.radians((self.south + self.north) / 2)))

    @property
    def y_scale(self) -> float:
        return self.x_scale / self.aspect

    @property
    def size_px(self) -> tuple[float, float]:
        return (
            round((self.east - self.west) * self.x_scale, 1),
            round((self.north - self.south) * self.y_scale, 1),
        )

    def at(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Return x and y in pixels."""
        return (
            round((longitude - self.west) * self.x_scale, 1),
            round((self.north - latitude) * self.y_scale, 1),
        )


def point_map(points: Sequence[MapPoint]) -> PointMap | None:
    """Return a map that shows all points; None where there are none."""
    if not points:
        return None
    view = _view(points)
    counts = Counter(point.group for point in points)
    common = [group for group, _ in counts.most_common(len(COLOURS))]
    colours = dict(zip(common, COLOURS, strict=False))
    legend = [(group, colours[group], counts[group]) for group in common]
    rest = len(points) - sum(counts[group] for group in common)
    if rest:
        legend.append((OTHERS, OTHERS_COLOUR, rest))
    meridians, parallels = _graticule(view)
    dots = tuple(_dots(points, view, colours))
    return PointMap(view.size_px, _land(view), meridians, parallels, dots, tuple(legend))


def _view(points: Sequence[MapPoint]) -> _View:
    west, east = _span([point.longitude_deg for point in points], 180)
    south, north = _span([point.latitude_deg for point in points], 90)
    return _View(west, south, east, north)


def _span(values: Sequence[float], limit: float) -> tuple[float, float]:
    """Return a range around values, with a margin, inside -limit to limit."""
    low, high = min(values), max(values)
    margin = max((high - low) * MARGIN_FRACTION, (MIN_SPAN_DEG - (high - low)) / 2)
    return max(-limit, low - margin), min(limit, high + margin)


def _graticule(view: _View) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    span = max(view.east - view.west, view.north - view.south)
    step = next((step for step in STEPS_DEG if span / step <= MAX_LINES), STEPS_DEG[-1])
    meridians = tuple(
        Line(view.at(degree, view.north), view.at(degree, view.south), _named(degree, "EW"))
        for degree in _multiples(view.west, view.east, step)
    )
    parallels = tuple(
        Line(view.at(view.west, degree), view.at(view.east, degree), _named(degree, "NS"))
        for degree in _multiples(view.south, view.north, step)
    )
    return meridians, parallels


def _multiples(low: float, high: float, step: int) -> range:
    return range(math.ceil(low / step) * step, math.floor(high / step) * step + 1, step)


def _named(degree: int, directions: str) -> str:
    return f"{abs(degree)}\u00b0{'' if degree == 0 else directions[degree < 0]}"


def _land(view: _View) -> str:
    paths = []
    for ring in _rings():
        longitudes, latitudes = zip(*ring, strict=True)
        beside = max(longitudes) < view.west or min(longitudes) > view.east
        if beside or max(latitudes) < view.south or min(latitudes) > view.north:
            continue
        corners = (view.at(longitude, latitude) for longitude, latitude in ring)
        paths.append("M" + "L".join(f"{x:g},{y:g}" for x, y in corners) + "Z")
    return "".join(paths)


@functools.cache
def _rings() -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return outlines of land, each of (longitude, latitude) in degrees."""
    lines = (files("fieldguide.writers") / _COAST).read_text("utf-8").splitlines()
    return tuple(
        tuple((int(x) / 10, int(y) / 10) for x, y in (p.split(",") for p in line.split()))
        for line in lines
        if not line.startswith("#")
    )


def _dots(
    points: Sequence[MapPoint], view: _View, colours: dict[str, str]
) -> Iterator[Dot]:  # fmt: skip
    """Yield one dot for all points of a colour in a pixel, so that a page stays small."""
    places: dict[tuple[int, int, str], list[MapPoint]] = {}
    for point in points:
        x, y = view.at(point.longitude_deg, point.latitude_deg)
        colour = colours.get(point.group, OTHERS_COLOUR)
        places.setdefault((round(x), round(y), colour), []).append(point)
    for (*_, colour), here in places.items():
        x_px, y_px = view.at(here[0].longitude_deg, here[0].latitude_deg)
        titles = list(dict.fromkeys(point.title for point in here))
        title = "\n".join(titles[:NAMES_SHOWN])
        if len(titles) > NAMES_SHOWN:
            title += f"\nand {len(titles) - NAMES_SHOWN} more"
        yield Dot(x_px, y_px, min(14.0, round(3 + 1.5 * math.sqrt(len(here)), 1)), colour, title)
