"""What reading a raster costs in time and memory, judged by its header before it is read."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import LoadError
from fieldguide_remote_sensing.gdal import open_raster

if TYPE_CHECKING:
    from fieldguide_remote_sensing.windows import Grid

MAX_PIXELS = 100_000_000
"""Larger rasters are read at a smaller scale."""
MAX_SIDE_PX = 8192
"""The longer side of what is then read."""
MAX_VALUES = 3 * MAX_PIXELS
"""Pixels times bands: rasters of many bands are read at a smaller scale earlier."""
MAX_PIXELS_WITHOUT_OVERVIEWS = 4_000_000_000
"""Beyond this, reading every pixel of a file to make it small would take minutes to hours."""
MAX_BANDS = 10_000
MAX_BLOCK_BYTES = 2**29
"""GDAL holds whole blocks (tiles or strips) in memory; a header of a few bytes can claim any."""
MAX_RATIO = 20_000
"""Of pixels to bytes in a large file; what is beyond is empty, or made to take long."""
OVERVIEW_SLACK = 1.2
"""GDAL reads from an overview that is smaller than what is asked for by up to this factor."""


def read_size_px(height: int, width: int, bands: int) -> tuple[int, int]:
    """Return (height, width) at which a raster is read.

    >>> read_size_px(20_000, 10_000, 3)
    (8192, 4096)
    """
    scale = 1.0
    if height * width > MAX_PIXELS:
        scale = MAX_SIDE_PX / max(height, width)
    if height * width * bands > MAX_VALUES:
        scale = min(scale, math.sqrt(MAX_VALUES / (height * width * bands)))
    if scale >= 1:
        return height, width
    return max(1, int(height * scale)), max(1, int(width * scale))


def check_cost(dataset: Any, path: Path, part: Grid) -> None:
    """Refuse a raster that takes too long or too much memory to read.

    Args:
        dataset: an open rasterio dataset.
        path: its file.
        part: what is read of it.

    Raises:
        LoadError: too many bands, no small enough overviews, too large blocks, or nearly empty.
    """
    if dataset.count > MAX_BANDS:
        raise LoadError(f"it has {dataset.count} bands, more than {MAX_BANDS}. Split it.")
    pixels = _pixels_read(dataset, part)
    if pixels > MAX_PIXELS_WITHOUT_OVERVIEWS:
        raise LoadError(
            f"{part.width_px} x {part.height_px} px without overviews would take long to read. "
            f"Add them: gdaladdo -r average {shlex.quote(path.name)} 2 4 8 16 32 64"
        )
    _check_blocks(dataset, path.name)
    if dataset.driver == "VRT":
        for source in {Path(name).absolute() for name in dataset.files} - {path}:
            if source.suffix.lower() in (".tif", ".tiff", ".jp2"):
                with open_raster(source) as inner:
                    _check_blocks(inner, source.name)
    elif pixels > MAX_PIXELS and pixels > MAX_RATIO * path.stat().st_size:
        raise LoadError(
            f"it says {dataset.width} x {dataset.height} px and holds {path.stat().st_size} bytes: "
            "it is empty or broken. Cut out the part that holds data: gdal_translate -projwin"
        )


def _pixels_read(dataset: Any, part: Grid) -> float:
    """Return how many pixels of a band GDAL goes through, from the best overview there is."""
    pixels = part.height_px * part.width_px
    if pixels <= MAX_PIXELS_WITHOUT_OVERVIEWS:  # asking for overviews opens the files they are in
        return float(pixels)
    height, width = read_size_px(part.height_px, part.width_px, dataset.count)
    most = OVERVIEW_SLACK * math.sqrt(pixels / (height * width))
    factor = max((factor for factor in dataset.overviews(1) if factor <= most), default=1)
    return float(pixels / max(1, factor) ** 2)


def _check_blocks(dataset: Any, name: str) -> None:
    together = dataset.count if dataset.interleaving is not None and (
        dataset.interleaving.name == "pixel") else 1  # fmt: skip
    for (height, width), kind in zip(dataset.block_shapes, dataset.dtypes, strict=True):
        size = height * width * np.dtype(kind).itemsize * together
        if size > MAX_BLOCK_BYTES:
            raise LoadError(
                f"its tiles or strips of {width} x {height} px take {size / 2**20:.0f} MiB of "
                f"memory each. Write it in small tiles: gdal_translate -co TILED=YES "
                f"{shlex.quote(name)} tiled.tif"
            )
