"""Is a TIFF a slide, or a plain picture such as a tile of one?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tifffile

from fieldguide_medical.slides.quiet_tiff import quiet_tiff

if TYPE_CHECKING:
    from pathlib import Path

MIN_SIDE_PX = 4096
"""A tiled picture without smaller forms is a slide from this side on."""
MAX_PAGES = 32


def is_slide(path: Path) -> bool:
    """Return whether a TIFF is stored in tiles and is a pyramid, or larger than any tile.

    What cannot be read is none.
    """
    try:
        with quiet_tiff(), tifffile.TiffFile(path) as file:
            first: Any = file.pages[0]
            if not first.is_tiled:
                return False
            large = max(int(first.imagelength), int(first.imagewidth)) >= MIN_SIDE_PX
            return large or bool(first.subifds) or _has_reduced_pages(file)
    except Exception:  # noqa: BLE001 - tifffile raises anything on damaged files
        return False


def _has_reduced_pages(file: tifffile.TiffFile) -> bool:
    for number in range(1, MAX_PAGES):
        try:
            page: Any = file.pages[number]
        except IndexError:
            return False
        if page.is_tiled and page.is_reduced:
            return True
    return False
