"""Boxes of polygons: the extent of their corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.captions.boxes import Box
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NUMBERS = 200_000
"""Of one polygon."""
_LEAST = 6  # a triangle


def polygon_box(polygons: Sequence[Any], label: str) -> Box:
    """Return the box around an object that is drawn as one or several polygons.

    Args:
        polygons: each a flat list ``x1, y1, x2, y2, ...`` of three corners or more, in edges: a
            square that fills the pixel 4 has corners at 4 and 5.
        label: of the object; parts of an object that something hides are one object.

    Raises:
        LoadError: a polygon has too few corners, something other than numbers, or no size.

    >>> polygon_box([[2, 3, 6, 3, 6, 8, 2, 8]], "ship").pixels
    (2, 3, 5, 7)
    """
    numbers: list[float] = []
    for polygon in polygons:
        _check(polygon, label)
        numbers.extend(map(float, polygon))
    across, down = numbers[::2], numbers[1::2]
    return Box(label, min(across), min(down), max(across), max(down))


def _check(polygon: Any, label: str) -> None:
    is_list = isinstance(polygon, list | tuple) and _LEAST <= len(polygon) <= MAX_NUMBERS
    if not is_list or len(polygon) % 2 or not all(map(_is_number, polygon)):
        raise LoadError(
            f"a polygon of {label!r} is no list x1, y1, x2, y2, x3, y3 ... of numbers. Correct it."
        )


def _is_number(value: Any) -> bool:
    """Return whether a value is a number; that it is finite is the box's to check."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
