"""Rows of a manifest that mean a part of a large file, as ``fieldguide locate`` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.samples import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("row_px", "column_px", "height_px", "width_px")


def columns_of(window: Window) -> dict[str, int]:
    """Return a window as the four columns."""
    return dict(zip(COLUMNS, (*window.start_px, *window.size_px), strict=True))


def window_id(of: str, window: Window) -> str:
    """Return the id of a part of a file: that of the file with first row, column, H and W."""
    return f"{of}#{','.join(map(str, (*window.start_px, *window.size_px)))}"


def window_of(row: Mapping[str, Any]) -> Window | None:
    """Return the window that a row means; None for the whole file, where it names none.

    Raises:
        ValueError: some of the four columns are missing or no whole numbers.

    >>> window_of({"row_px": 0, "column_px": 448, "height_px": 224, "width_px": 224})
    Window(start_px=(0, 448), size_px=(224, 224))
    """
    values = [row.get(name) for name in COLUMNS]
    given = [value for value in values if value not in (None, "")]
    if not {COLUMNS[0], COLUMNS[1]} & {k for k, v in row.items() if v not in (None, "")}:
        return None
    whole = [value for value in given if isinstance(value, int) and not isinstance(value, bool)]
    if len(whole) < len(COLUMNS) or min(whole) < 0 or min(whole[2:]) < 1:
        raise ValueError(
            f"{', '.join(COLUMNS)} must be whole numbers of pixels, all or none of them. Correct "
            "the row."
        )
    row_px, column_px, height_px, width_px = whole
    return Window((row_px, column_px), (height_px, width_px))
