"""The sides of windows as a user names them: in pixels, or as a length in the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(px|km|m|mm|um)?")
_METRES = {"km": 1e3, "m": 1.0, "mm": 1e-3, "um": 1e-6}
USUAL = "usual"
"""What stands for the window that suits the model."""
MAX_PX = 10**9
"""Of a side; no picture is larger."""


def window_sizes_px(
    written: Sequence[str | int],
    pixel_sizes_m: tuple[float, ...] | None,
    usual_px: tuple[int, ...],
) -> tuple[tuple[int, ...], ...]:
    """Return the sides of windows in pixels, one for each axis, smallest first, each once.

    Args:
        written: such as "224", "224px", "600m" or "0.5mm", which say all sides, or "64x64x12",
            which says each; none or "usual" for the usual one.
        pixel_sizes_m: sides of a pixel in metres, or None when the source does not say.
        usual_px: what the model takes, one side for each axis.

    Raises:
        UsageError: it cannot be read, or a length is given where the pixel's size is unknown.

    >>> window_sizes_px(["600m", "224"], (2.5, 2.5), (288, 288))
    ((224, 224), (240, 240))
    >>> window_sizes_px(["usual"], None, (288, 288))
    ((288, 288),)
    """
    if not written:
        return (usual_px,)
    sizes = {
        usual_px if text == USUAL else _sides(str(text), pixel_sizes_m, len(usual_px))
        for text in written
    }
    return tuple(sorted(sizes))


def _sides(text: str, pixel_sizes_m: tuple[float, ...] | None, axes: int) -> tuple[int, ...]:
    parts = text.split("x")
    if len(parts) == 1:
        parts *= axes
    if len(parts) != axes:
        raise UsageError(
            f"A window of {text[:40]!r} has {len(parts)} sides, and the source {axes} axes. Write "
            "one side for all: --window 224"
        )
    sizes_m: Sequence[float | None] = pixel_sizes_m or [None] * axes
    return tuple(_pixels(part, size_m) for part, size_m in zip(parts, sizes_m, strict=True))


def _pixels(text: str, pixel_size_m: float | None) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"A window of {text!r} cannot be read. Write --window 224 or 600m.")
    number, unit = float(found[1]), found[2]
    if unit in (None, "px"):
        if number < 1 or (number <= MAX_PX and number % 1):
            raise UsageError(f"A window of {text!r} is no whole number of pixels: --window 224")
        return _checked(text, number)
    if pixel_size_m is None:
        raise UsageError(
            f"A window of {text} needs the size of a pixel, which the file does not say. Name the "
            "window in pixels: --window 224"
        )
    pixels = number * _METRES[unit] / pixel_size_m
    if round(min(pixels, MAX_PX)) < 1:
        raise UsageError(
            f"A window of {text} is smaller than a pixel of {pixel_size_m:g} m. Name a larger one."
        )
    return _checked(text, pixels)


def _checked(text: str, pixels: float) -> int:
    if pixels > MAX_PX:
        raise UsageError(f"A window of {text[:20]} is larger than any picture. Name a smaller one.")
    return round(pixels)
