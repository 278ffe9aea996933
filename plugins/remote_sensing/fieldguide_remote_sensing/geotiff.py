"""The loader of georeferenced rasters: GeoTIFF, JPEG 2000 and local VRT mosaics, by rasterio."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp

from fieldguide.errors import ContractError
from fieldguide_remote_sensing.claims import Claimant, stated_baseline
from fieldguide_remote_sensing.cost import check_cost
from fieldguide_remote_sensing.georeference import check_grid
from fieldguide_remote_sensing.raster import Raster
from fieldguide_remote_sensing.scene_files import open_scene
from fieldguide_remote_sensing.selection import Selection
from fieldguide_remote_sensing.sensor_bands import naming
from fieldguide_remote_sensing.sensors import find_sensor, shipped_sensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fieldguide.samples import Sample
    from fieldguide_remote_sensing.sensors import Sensor


SENSOR_TAG = "SENSOR"
"""A tag of a dataset that names a sensor of the catalogue, exactly as the catalogue does."""


def make_raster_loader(
    *, aoi: str | None = None, after: str | None = None, before: str | None = None,
    gsd: float | None = None, **options: Any,
) -> GeoTiffLoader:  # fmt: skip
    """Return the loader that the options of the domain describe.

    Raises:
        UsageError: one of them cannot be read.
    """
    return GeoTiffLoader(**options, selection=Selection.of(aoi, after, before, gsd))


class GeoTiffLoader:
    """Reads one raster with its band names, place, scale and nodata mask.

    Args:
        bands: names of the bands in order, separated by commas; replaces what the file says.
        sensor: a name of the catalogue, or a file of the user's own; see ``docs/sensors.md``.
        offset: added to a digital number before it is scaled, where the sensor's depends on the
            processing baseline.
        selection: which scenes, which part of them and how finely; by default all as they are.

    Raises:
        UsageError: the names cannot be read, there is no such sensor, or it takes no offset.
    """

    def __init__(
        self,
        bands: str | None = None,
        sensor: str | None = None,
        offset: float | None = None,
        selection: Selection | None = None,
    ) -> None:
        self._selection = selection or Selection()
        self._sensor = None if sensor is None else find_sensor(sensor)
        self._bands, self._offset_dn = bands, offset
        naming(bands, self._sensor)  # both raise for options that make no sense
        Claimant(self._sensor, offset)

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            A sample of (H, W, C) in "srgb8" for 8-bit red, green and blue; in "reflectance" where
            scale and offset are known; else in "digital_number". Its ``valid`` comes from nodata,
            alpha, masks and NaN.

        Raises:
            LoadError: it is missing, broken or refers to missing files.
            ContractError: its bands are unnamed, its grid is unknown, it holds complex numbers
                or palette entries, it refers to the network, or its numbers contradict the sensor.
        """
        path = Path(path).absolute()
        with self.open(path) as raster:
            check_cost(raster.dataset, path, raster.chosen.grid(raster.dataset))
            return raster.read()

    @contextmanager
    def open(self, path: Path) -> Iterator[Raster]:
        """Open a file whose parts can be read one by one.

        Raises:
            LoadError: as for the whole file.
            ContractError: as for the whole file.
        """
        path = Path(path).absolute()
        with open_scene(path) as dataset:
            check_grid(dataset, path.name)
            _check_values(dataset, path.name)
            yield replace(self._named(dataset, path), chosen=self._selection.on(dataset))

    def _named(self, dataset: Any, path: Path) -> Raster:
        """Return the raster with its bands named, and what is said of its numbers."""
        sensor = self._sensor_of(dataset.tags())
        colours = [colour.name for colour in dataset.colorinterp]
        bands = naming(self._bands, sensor).name(dataset.descriptions, colours)
        own = (
            [dataset.scales[place - 1] for place in bands.places],
            [dataset.offsets[place - 1] for place in bands.places],
        )
        claim = Claimant(sensor, self._offset_dn).claim(
            bands.names, own, stated_baseline(path, dataset.tags())
        )
        return Raster(dataset, bands.places, bands.names, sensor, claim, bands.notes)

    def _sensor_of(self, tags: Mapping[str, str]) -> Sensor | None:
        """Return the sensor that was named, or that a scene is tagged with."""
        stated = shipped_sensors().get(tags.get(SENSOR_TAG, ""))
        if stated is None or self._sensor is None or self._sensor.name == stated.name:
            return self._sensor or stated
        raise ContractError(
            f"it says that it is of {stated.name}, and --sensor says {self._sensor.name}. Leave "
            "--sensor out."
        )


def _check_values(dataset: Any, name: str) -> None:
    name = shlex.quote(name)
    if any(np.dtype(kind).kind == "c" for kind in dataset.dtypes):
        raise ContractError(
            "it holds complex numbers, as of a radar. Take their size first: "
            f"gdal_calc.py -A {name} --calc='abs(A)' --type=Float32 --outfile=amplitude.tif"
        )
    if ColorInterp.palette in dataset.colorinterp:
        raise ContractError(
            "its values are entries of a palette. Write the colours out: "
            f"gdal_translate -expand rgb {name} rgb.tif"
        )
