"""An open raster of which the bands have names: reads it, or a window of it, as a Sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from fieldguide.samples import DIGITAL_NUMBER, RGB, SRGB8, Sample
from fieldguide.samples import Window as Part
from fieldguide_remote_sensing.cost import read_size_px
from fieldguide_remote_sensing.georeference import captured_at, cloud_percent, place_metadata
from fieldguide_remote_sensing.probes import probe_windows
from fieldguide_remote_sensing.radiometry import decide
from fieldguide_remote_sensing.selection import Chosen
from fieldguide_remote_sensing.sensors import sensor_metadata
from fieldguide_remote_sensing.validity import find_valid
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from fieldguide_remote_sensing.claims import Claim
    from fieldguide_remote_sensing.radiometry import Conversion
    from fieldguide_remote_sensing.sensors import Sensor

DECIMATED = "read_decimated"
ENLARGED = "read_enlarged"
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
        chosen: which part is read, and how finely.
    """

    dataset: Any
    places: tuple[int, ...]
    names: tuple[str, ...]
    sensor: Sensor | None = None
    claim: Claim | None = None
    notes: tuple[str, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)

    def only(self, wanted: Sequence[str]) -> Raster:
        """Return a raster of which only some bands are read; itself where it has none of them."""
        kept = [place for place, name in enumerate(self.names) if name in wanted]
        if not kept:
            return self
        return replace(
            self,
            places=tuple(self.places[place] for place in kept),
            names=tuple(self.names[place] for place in kept),
            claim=None if self.claim is None else self.claim.of(kept),
        )

    def read(self, window: Window | None = None, size_px: tuple[int, int] | None = None) -> Sample:
        """Read the whole raster, or a part of it.

        Args:
            window: of rasterio, in whole pixels inside the raster; None for all that is chosen.
            size_px: (H, W) of the sample: pixels are averaged, from overviews where there are any.
                By default as large as was chosen and memory allows.

        Returns:
            A sample of (H, W, C), in reflectance where scale and offset are known, not valid
            outside the chosen area; its metadata are those of the whole raster, or without a
            window, of the part that was chosen.

        Raises:
            ContractError: its numbers contradict what is said of them.
        """
        if window is not None and not self.chosen.touches(window):
            return self._nothing(size_px or self._extent(window))
        if window is not None:
            sample = self._convert(self._read(window, size_px), by_itself=False)
            return self.chosen.masked(sample, _cut(Grid.of(self.dataset), window))
        part, grid = self.chosen.window, self.chosen.grid(self.dataset)
        metadata = self.metadata(grid)
        own_m = metadata.get("ground_sample_distance_m")
        wanted = size_px or self.chosen.size_px(grid, len(self.places), own_m)
        sample = self._convert(self._read(part, wanted), by_itself=part is None)
        if size_px is None and wanted is not None and own_m is not None:
            metadata["ground_sample_distance_m"] = own_m * grid.height_px / wanted[0]
        return self.chosen.masked(replace(sample, metadata=metadata), grid)

    def _nothing(self, size_px: tuple[int, int]) -> Sample:
        """Return a sample without a valid pixel; nothing is read for it."""
        array = np.zeros((*size_px, len(self.places)), self.dataset.dtypes[0])
        valid = np.zeros(size_px, dtype=bool)
        return Sample(array, self.names, DIGITAL_NUMBER, self.metadata(), valid)

    def _convert(self, stored: Sample, *, by_itself: bool) -> Sample:
        """Return a sample in reflectance, judged by itself or by parts of the whole raster."""
        if self.claim is None:
            return stored
        conversion = decide(stored, self.claim) if by_itself else self._conversion
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
        method, repairs = _resampling(size_px, (height, width))
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
            repairs=repairs,
            notes=self.notes,
        )

    def metadata(self, grid: Grid | None = None) -> dict[str, Any]:
        """Return what the file says of itself: size, place, date, clouds, nodata.

        Args:
            grid: of a part of it; None for the whole.
        """
        return dict(self._about if grid is None else self._about_part(grid))

    @cached_property
    def _about(self) -> dict[str, Any]:
        """What the windows of a raster share, asked of GDAL once."""
        return self._about_part(Grid.of(self.dataset))

    def _about_part(self, grid: Grid) -> dict[str, Any]:
        dataset = self.dataset
        found: dict[str, Any] = {
            "width_px": grid.width_px,
            "height_px": grid.height_px,
            "driver": dataset.driver,
            "dtype": dataset.dtypes[0],
            "band_names": self.names,
            **place_metadata(grid),
        }
        if dataset.nodata is not None:
            found["nodata"] = "nan" if math.isnan(dataset.nodata) else float(dataset.nodata)
        if moment := captured_at(dataset):
            found["captured_at"] = moment
        if (cloud := cloud_percent(dataset)) is not None:
            found["cloud_cover"] = cloud
        return found | sensor_metadata(self.sensor, self.names)

    def _extent(self, window: Window | None) -> tuple[int, int]:
        if window is None:
            return self.dataset.height, self.dataset.width
        return int(window.height), int(window.width)

    def _valid(self, array: NDArray[Any], window: Window | None) -> NDArray[np.bool_] | None:
        """Return (H, W), or None when every pixel holds data."""
        nodata = None if self.sensor is None else self.sensor.nodata
        valid = find_valid(self.dataset, array, self.places, window, nodata)
        return None if valid.all() else valid


def _resampling(
    size_px: tuple[int, int], own_px: tuple[int, int]
) -> tuple[Resampling, tuple[str, ...]]:
    """Return how pixels of another size are made, and the name of this repair."""
    if size_px == own_px:
        return Resampling.nearest, ()
    if size_px[0] > own_px[0]:
        return Resampling.bilinear, (ENLARGED,)
    return Resampling.average, (DECIMATED,)


def _cut(grid: Grid, window: Window) -> Grid:
    start_px = int(window.row_off), int(window.col_off)
    return grid.cut(Part(start_px, (int(window.height), int(window.width))))


def _mask(sample: Sample) -> NDArray[np.bool_]:
    return np.ones(sample.array.shape[:2], bool) if sample.valid is None else sample.valid
