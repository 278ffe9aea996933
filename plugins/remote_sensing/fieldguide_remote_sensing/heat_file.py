"""The heat map of a text search as a cloud-optimised GeoTIFF on the grid of its raster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from fieldguide.data.files import atomic_path, utf8_text
from fieldguide.errors import UsageError
from fieldguide_remote_sensing.gdal import guarded
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.localization.result import Regions

SIDE_OF_BLOCKS = 256


def write_heat_map(result: Regions, path: Path) -> None:
    """Write one float32 band a text, in the raster's CRS; NaN where there is no data.

    The cells cover the raster exactly; each is about as large as the step between windows.

    Raises:
        UsageError: several rasters were searched, which do not fit into one file.
    """
    if len(result.sources) != 1:
        raise UsageError(
            f"{path} can hold the heat map of one raster, and {len(result.sources)} were searched. "
            "Search them one by one."
        )
    source = result.sources[0]
    bands = np.stack([source.heat(text) for text in source.queries])  # (Q, rows, columns)
    height, width = source.grids[0].size_px
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(bands), "nodata": np.nan,
        "height": bands.shape[1], "width": bands.shape[2], "crs": source.metadata.get("crs"),
    }  # fmt: skip
    if "transform" in source.metadata:
        grid = Grid(None, Affine(*source.metadata["transform"]), height, width)
        profile["transform"] = grid.read_as(bands.shape[1:]).transform
    with atomic_path(path) as temporary, guarded(path), MemoryFile() as memory:
        with memory.open(**profile) as plain:
            plain.write(bands)
            plain.descriptions = tuple(utf8_text(text) for text in source.queries)
        with memory.open() as plain:
            rasterio.shutil.copy(
                plain, temporary, driver="COG", COMPRESS="DEFLATE", BLOCKSIZE=SIDE_OF_BLOCKS,
                OVERVIEW_RESAMPLING="AVERAGE",
            )  # fmt: skip
