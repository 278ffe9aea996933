"""An open raster of which the bands have names: reads it, or a window of it, as a Sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, Resampling

from fieldguide.samples import DIGITAL_NUMBER, RGB, SRGB8, Sample
from fieldguide_remote_sensing.cost import read_size_px
from fieldguide_remote_sensing.georeference import captured_at, place_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.windows import Window

DECIMATED = "read_decimated"


@dataclass(frozen=True)
class Raster:
    """An open raster.

    Attributes:
        dataset: of rasterio.
        places: the numbers, from 1, of the bands that are read.
        names: what they are called.
    """

    dataset: Any
    places: tuple[int, ...]
    names: tuple[str, ...]

    def read(self, window: Window | None = None, size_px: tuple[int, int] | None = None) -> Sample:
        """Read the whole raster, or a part of it.

        Args:
            window: of rasterio, in whole pixels inside the raster; None for all of it.
            size_px: (H, W) of the sample, not larger than the window: pixels are averaged, from
                overviews where there are any. By default as large as memory allows.

        Returns:
            A sample of (H, W, C); its metadata are those of the whole raster.
        """
        height, width = self._extent(window)
        size_px = size_px or read_size_px(height, width, len(self.places))
        decimated = size_px != (height, width)
        method = Resampling.average if decimated else Resampling.nearest
        read = self.dataset.read(
            list(self.places), window=window, out_shape=size_px, resampling=method
        )
        array = np.moveaxis(read, 0, -1)
        is_display = array.dtype == np.uint8 and set(RGB) <= set(self.names)
        return Sample(
            array=array,
            bands=self.names,
            units=SRGB8 if is_display else DIGITAL_NUMBER,
            metadata=self.metadata(),
            valid=self._valid(array, window),
            repairs=(DECIMATED,) if decimated else (),
        )

    def metadata(self) -> dict[str, Any]:
        """Return what the file says of itself as a whole: size, place, date, nodata."""
        dataset = self.dataset
        found: dict[str, Any] = {
            "width_px": dataset.width,
            "height_px": dataset.height,
            "driver": dataset.driver,
            "dtype": dataset.dtypes[0],
            "band_names": self.names,
            **place_metadata(dataset),
        }
        if dataset.nodata is not None:
            found["nodata"] = "nan" if math.isnan(dataset.nodata) else float(dataset.nodata)
        if moment := captured_at(dataset):
            found["captured_at"] = moment
        return found

    def _extent(self, window: Window | None) -> tuple[int, int]:
        if window is None:
            return self.dataset.height, self.dataset.width
        return int(window.height), int(window.width)

    def _valid(self, array: NDArray[Any], window: Window | None) -> NDArray[np.bool_] | None:
        """Return (H, W), or None when every pixel holds data."""
        part = {"window": window, "out_shape": array.shape[:2]}
        valid = np.ones(array.shape[:2], dtype=bool)
        colours = list(self.dataset.colorinterp)
        alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
        if alpha is None:
            valid &= self.dataset.dataset_mask(**part) > 0
        else:  # GDAL masks by nodata or by alpha; a file may use both
            nodata = self.dataset.nodatavals[self.places[0] - 1]
            if nodata is not None and not math.isnan(nodata):
                valid &= (array != float(nodata)).any(axis=-1)
            if alpha not in self.places:
                valid &= self.dataset.read(alpha, **part) > 0
        if array.dtype.kind == "f":
            valid &= np.isfinite(array).all(axis=-1)
        return None if valid.all() else valid
