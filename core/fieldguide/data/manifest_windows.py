"""Rows of a manifest that mean a part of a large file, as ``fieldguide locate`` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.samples import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS = ("row_px", "column_px", "height_px", "width_px")
"""Of a part of a picture."""
VOLUME_COLUMNS = ("x_vox", "y_vox", "z_vox", "x_size_vox", "y_size_vox", "z_size_vox")
"""Of a part of a volume: its first voxel and its sides."""

BOX_COLUMNS = (
    *("box_label", "box_confidence", "box_index"),
    *("box_row_px", "box_column_px", "box_height_px", "box_width_px"),
)
"""Of a part that was cut around a box: what a detector or a person drew."""


def columns_of(window: Window) -> dict[str, int]:
    """Return a window as its columns: four of a picture, six of a volume."""
    names = COLUMNS if len(window.start_px) == len(COLUMNS) // 2 else VOLUME_COLUMNS
    return dict(zip(names, (*window.start_px, *window.size_px), strict=True))


def place_columns(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row that say which part of a file it means; none for a whole file."""
    for names in (COLUMNS, VOLUME_COLUMNS):
        if names[0] in metadata:
            return {n: metadata[n] for n in (*names, *BOX_COLUMNS) if n in metadata}
    return {}


def window_id(of: str, window: Window) -> str:
    """Return the id of a part of a file: that of the file with first pixel and sides."""
    return f"{of}#{','.join(map(str, (*window.start_px, *window.size_px)))}"


def window_of(row: Mapping[str, Any]) -> Window | None:
    """Return the window that a row means; None for the whole file, where it names none.

    Raises:
        ValueError: some of its columns are missing or no whole numbers.

    >>> window_of({"row_px": 0, "column_px": 448, "height_px": 224, "width_px": 224})
    Window(start_px=(0, 448), size_px=(224, 224))
    """
    for names in (COLUMNS, VOLUME_COLUMNS):
        axes = len(names) // 2
        if any(row.get(name) not in (None, "") for name in names[:axes]):
            return _window(names, [row.get(name) for name in names])
    return None


def _window(names: Sequence[str], values: Sequence[Any]) -> Window:
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    axes = len(names) // 2
    if len(whole) < len(names) or min(whole) < 0 or min(whole[axes:]) < 1:
        raise ValueError(
            f"{', '.join(names)} must be whole numbers of pixels, all or none of them. Correct "
            "the row."
        )
    return Window(tuple(whole[:axes]), tuple(whole[axes:]))
