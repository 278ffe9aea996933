"""Which pixels around a box are cut out: a square with a margin, inside the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.samples import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_MARGIN = 0.1
"""On each side, as a share of the longer side of the box."""
MAX_MARGIN = 10.0


def check_margin(margin: float) -> None:
    """Raise UsageError unless a margin is one that can be cut."""
    if not 0 <= margin <= MAX_MARGIN:
        raise UsageError(
            f"A margin of {margin} around boxes is not between 0 and {MAX_MARGIN:g}. It is a "
            "share of the box: 0.1 adds a tenth of its longer side on each side."
        )


def crop_window(
    pixels: tuple[int, int, int, int], size_px: tuple[int, int], margin: float
) -> Window:
    """Return the square around a box that is cut out.

    A square, since encoders take squares and would cut the ends of a long box off; MegaDetector's
    crops are squares too. At the border of the picture it is moved inside, and where the picture
    is narrower than the square, it has the picture's width. It always holds the whole box, and
    that of a larger margin holds that of a smaller one.

    Args:
        pixels: first column, first row, last column and last row of the box, all four inside it
            and inside the picture.
        size_px: height and width of the picture.
        margin: on each side, as a share of the longer side of the box.

    >>> crop_window((10, 20, 29, 29), (100, 100), margin=0.0)
    Window(start_px=(15, 10), size_px=(20, 20))
    """
    left, top, right, bottom = pixels
    longer = max(right - left, bottom - top) + 1
    side = math.ceil(longer * (1 + 2 * margin))
    row, height = _span(top, bottom + 1, side, size_px[0])
    column, width = _span(left, right + 1, side, size_px[1])
    return Window((row, column), (height, width))


def enlarged_to_image(
    pixels: tuple[int, int, int, int], size_px: tuple[int, int], margin: float
) -> Window:
    """Return a crop between a box and the whole picture.

    Args:
        pixels: as of :func:`crop_window`.
        size_px: height and width of the picture.
        margin: 0 is the box itself, made square as far as the picture allows it; 1 is all of the
            picture; between them each side grows evenly.
    """
    left, top, right, bottom = pixels
    longer = max(right - left, bottom - top) + 1
    sides = [math.ceil(longer + margin * max(0, whole - longer)) for whole in size_px]
    row, height = _span(top, bottom + 1, sides[0], size_px[0])
    column, width = _span(left, right + 1, sides[1], size_px[1])
    return Window((row, column), (height, width))


def whole_picture(window: Window, size_px: Sequence[int]) -> bool:
    """Return whether a window is all of a picture."""
    return tuple(window.size_px) == tuple(size_px)


def _span(first: int, behind: int, length: int, whole: int) -> tuple[int, int]:
    """Return start and length of a span of at least that length around another, inside a whole."""
    length = min(length, whole)
    middle_out = (first + behind - length) // 2
    return min(max(middle_out, 0), whole - length), length
