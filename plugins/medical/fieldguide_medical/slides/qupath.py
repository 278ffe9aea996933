"""Regions of a slide as GeoJSON that QuPath imports: polygons in pixels of the finest level.

QuPath (Bankhead et al. 2017, doi:10.1038/s41598-017-17204-5) reads a FeatureCollection whose
coordinates are pixels, x first and y downwards, not degrees.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path
from fieldguide.data.manifest_windows import COLUMNS, window_of
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.results import Result
    from fieldguide.samples import Window

_NUMBERS = ("score", "similarity", "rank", "tissue_fraction", "x_um", "y_um")
"""Columns that QuPath shows as measurements."""
MIN_BRIGHTNESS, BRIGHTNESS_RANGE = 48, 160


def write_qupath(result: Result, path: Path) -> None:
    """Write one annotation a row; its properties hold the row as well, so it is a manifest too.

    Raises:
        UsageError: rows of several slides, or of files that have no windows.
    """
    rows = result.records()
    sources = {str(row.get("path")) for row in rows}
    if len(sources) > 1:
        raise UsageError(
            f"{path} can hold the regions of one slide, and these are of {len(sources)}: QuPath "
            "imports a file into the image that is open. Search slides one by one, or write .csv"
        )
    features = [feature_of(row, _place(row, path)) for row in rows]
    collection = {"type": "FeatureCollection", "features": features}
    text = json.dumps(collection, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")


def feature_of(row: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """Return one annotation.

    Args:
        row: of a result, with ``query`` where a text was looked for.
        window: in pixels of the finest level.
    """
    (top, left), (height, width) = window.start_px, window.size_px
    bottom, right = top + height, left + width
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    name = str(row.get("query") or "match")
    numbers = {key: row[key] for key in _NUMBERS if isinstance(row.get(key), int | float)}
    own = {
        "objectType": "annotation",
        "name": f"{name} {row.get('rank', '')}".strip(),
        "classification": {"name": name, "color": colour_of(name)},
        "isLocked": False,
        "measurements": numbers,
    }
    rest = {key: value for key, value in row.items() if key != "geometry" and key not in own}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": own | rest}


def colour_of(name: str) -> list[int]:
    """Return red, green and blue, 0 to 255, the same for a name everywhere."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    return [MIN_BRIGHTNESS + byte % BRIGHTNESS_RANGE for byte in digest[:3]]


def _place(row: Mapping[str, Any], path: Path) -> Window:
    window = window_of({name: row.get(name) for name in COLUMNS})
    if window is None:
        raise UsageError(
            f"{path} is for windows of slides, and a row has none. Write .csv or .json, or cut the "
            "slides into windows: fieldguide index SLIDES --window 224"
        )
    return window
