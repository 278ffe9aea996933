"""Windows of one raster, read as they are needed, all shown by one range of values."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from rasterio import windows as rasterio_windows

from fieldguide.errors import ContractError
from fieldguide_remote_sensing.display_range import known_display_range
from fieldguide_remote_sensing.gdal import guarded
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fieldguide.samples import Sample, Window
    from fieldguide_remote_sensing.geotiff import GeoTiffLoader
    from fieldguide_remote_sensing.raster import Raster


class WindowedRaster:
    """One open raster whose windows are read from any thread.

    Args:
        path: of the file.
        raster: open as long as this is used.
    """

    def __init__(self, path: Path, raster: Raster) -> None:
        self._path = path
        self._raster = raster
        self._grid = Grid.of(raster.dataset)
        self._ranges = known_display_range(path, raster)
        self._lock = threading.Lock()  # GDAL: one dataset, one thread at a time

    @property
    def size_px(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self._raster.dataset.height), int(self._raster.dataset.width)

    @property
    def pixel_size_m(self) -> float | None:
        """Ground sample distance in metres, or None where the file does not say."""
        return self.metadata.get("ground_sample_distance_m")

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says of itself as a whole."""
        return self._raster.metadata()

    def read(self, window: Window, at_least_px: int) -> Sample:
        """Read one window; one that is twice as large as needed or more is averaged.

        Raises:
            LoadError: this part of the file is damaged.
        """
        (row, column), (height, width) = window.start_px, window.size_px
        factor = max(1, min(height, width) // at_least_px)
        part = rasterio_windows.Window(column, row, width, height)
        size_px = (height // factor, width // factor)
        with self._lock, guarded(self._path):
            sample = self._raster.read(part, size_px)
        return replace(sample, display_range=self._ranges)

    def place(self, window: Window) -> Mapping[str, Any]:
        """Return ``geometry`` (RFC 7946), bounds in degrees, CRS and date, as far as known."""
        found: dict[str, Any] = {}
        if self._grid.crs is not None:
            found["geometry"] = self._grid.lonlat_polygon(window)
            found |= _bounds_deg(found["geometry"])
        kept = ("crs", "captured_at", "ground_sample_distance_m")
        return found | {name: self.metadata[name] for name in kept if name in self.metadata}


@contextmanager
def open_windows(
    loader: GeoTiffLoader, path: Path, bands: Sequence[str] | None = None
) -> Iterator[WindowedRaster]:
    """Open a raster whose windows are read one by one.

    Args:
        loader: of the domain's rasters.
        path: of the scene.
        bands: the only ones that are read, where the raster has any of them; None for all.

    Raises:
        LoadError: as the loader does for the whole file.
        ContractError: as the loader does for the whole file.
    """
    with loader.open(path) as raster:
        if raster.chosen.gsd_m is not None:
            raise ContractError(
                "windows are read at the scale that the model needs, so --gsd does not apply. "
                "Leave it out, and say how large a window is: --window 600m"
            )
        yield WindowedRaster(Path(path).absolute(), raster if bands is None else raster.only(bands))


def _bounds_deg(geometry: Mapping[str, Any] | None) -> dict[str, float]:
    """Return west_deg ..., for filters; nothing across 180 degrees, where west is east of east."""
    if geometry is None or geometry["type"] != "Polygon":
        return {}
    west, south, east, north = shapely.geometry.shape(geometry).bounds
    return {"west_deg": west, "south_deg": south, "east_deg": east, "north_deg": north}
