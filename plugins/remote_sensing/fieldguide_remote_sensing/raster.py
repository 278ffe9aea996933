"""An open raster of which the bands have names: reads it, or a window of it, as a Sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, Resampling

from fieldguide.samples import DIGITAL_NUMBER, RGB, SRGB8, Sample
from fieldguide_remote_sensing.cost import read_size_px
from fieldguide_remote_sensing.georeference import captured_at, place_metadata
from fieldguide_remote_sensing.probes import probe_windows
from fieldguide_remote_sensing.radiometry import decide
from fieldguide_remote_sensing.sensors import sensor_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from fieldguide_remote_sensing.claims import Claim
    from fieldguide_remote_sensing.radiometry import Conversion
    from fieldguide_remote_sensing.sensors import Sensor

DECIMATED = "read_decimated"
PROBES_PER_SIDE = 4
"""Windows by which the numbers of a raster are judged that is not read as a whole."""


@dataclass(frozen=True)
class Raster:
    """An open raster.

    Attributes:
        dataset: of rasterio.
        places: the numbers, from 1, of the bands that are read.
        names: what they are called.
        sensor: whose bands they are, where that is known.
        claim: how their numbers are said to become reflectance, or None.
        notes: what contradicts in their names.
    """

    dataset: Any
    places: tuple[int, ...]
    names: tuple[str, ...]
    sensor: Sensor | None = None
    claim: Claim | None = None
    notes: tuple[str, ...] = ()

    def read(self, window: Window | None = None, size_px: tuple[int, int] | None = None) -> Sample:
        """Read the whole raster, or a part of it.

        Args:
            window: of rasterio, in whole pixels inside the raster; None for all of it.
            size_px: (H, W) of the sample, not larger than the window: pixels are averaged, from
                overviews where there are any. By default as large as memory allows.

        Returns:
            A sample of (H, W, C), in reflectance where scale and offset are known; its metadata
            are those of the whole raster.

        Raises:
            ContractError: its numbers contradict what is said of them.
        """
        stored = self._read(window, size_px)
        if self.claim is None:
            return stored
        conversion = decide(stored, self.claim) if window is None else self._conversion
        return conversion.apply(stored)

    @cached_property
    def _conversion(self) -> Conversion:
        """What becomes of the numbers in every window, decided by some that are spread evenly."""
        height, width = self._extent(None)
        probes = probe_windows(height, width, PROBES_PER_SIDE)
        samples = [self._read(probe, None) for probe in probes]
        bands = len(self.places)
        array = np.concatenate([sample.array.reshape(-1, 1, bands) for sample in samples])
        valid = np.concatenate([_mask(sample).reshape(-1, 1) for sample in samples])
        return decide(replace(samples[0], array=array, valid=valid), self.claim)

    def _read(self, window: Window | None, size_px: tuple[int, int] | None) -> Sample:
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
            notes=self.notes,
        )

    def metadata(self) -> dict[str, Any]:
        """Return what the file says of itself as a whole: size, place, date, nodata."""
        return dict(self._about)

    @cached_property
    def _about(self) -> dict[str, Any]:
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
        return found | sensor_metadata(self.sensor, self.names)

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
        nodata = self.dataset.nodatavals[self.places[0] - 1]
        if alpha is None:
            valid &= self.dataset.dataset_mask(**part) > 0
        else:  # GDAL masks by nodata or by alpha; a file may use both
            if nodata is not None and not math.isnan(nodata):
                valid &= (array != float(nodata)).any(axis=-1)
            if alpha not in self.places:
                valid &= self.dataset.read(alpha, **part) > 0
        if nodata is None and self.sensor is not None and self.sensor.nodata is not None:
            valid &= (array != self.sensor.nodata).any(axis=-1)
        if array.dtype.kind == "f":
            valid &= np.isfinite(array).all(axis=-1)
        return None if valid.all() else valid


def _mask(sample: Sample) -> NDArray[np.bool_]:
    return np.ones(sample.array.shape[:2], bool) if sample.valid is None else sample.valid
