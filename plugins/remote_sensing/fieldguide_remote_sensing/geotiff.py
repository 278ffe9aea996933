"""The loader of georeferenced rasters: GeoTIFF, JPEG 2000 and local VRT mosaics, by rasterio."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp

from fieldguide.data.files import exists, require_file
from fieldguide.errors import ContractError, LoadError
from fieldguide_remote_sensing.bands import band_names, parse_bands
from fieldguide_remote_sensing.cost import check_cost
from fieldguide_remote_sensing.gdal import open_raster
from fieldguide_remote_sensing.georeference import check_grid
from fieldguide_remote_sensing.raster import Raster
from fieldguide_remote_sensing.vrt import check_vrt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldguide.samples import Sample


class GeoTiffLoader:
    """Reads one raster with its band names, place, scale and nodata mask.

    Args:
        bands: names of the bands in order, separated by commas; replaces what the file says.

    Raises:
        UsageError: the names cannot be read.
    """

    def __init__(self, bands: str | None = None) -> None:
        self._bands = None if bands is None else parse_bands(bands)

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            A sample of (H, W, C) in "srgb8" for 8-bit red, green and blue, else in
            "digital_number". Its ``valid`` comes from nodata, alpha, masks and NaN.

        Raises:
            LoadError: it is missing, broken or refers to missing files.
            ContractError: its bands are unnamed, its grid is unknown, it holds complex numbers
                or palette entries, or it refers to the network.
        """
        path = Path(path).absolute()
        with self.open(path) as raster:
            check_cost(raster.dataset, path)
            return raster.read()

    @contextmanager
    def open(self, path: Path) -> Iterator[Raster]:
        """Open a file whose parts can be read one by one.

        Raises:
            LoadError: as for the whole file.
            ContractError: as for the whole file.
        """
        path = Path(path).absolute()
        if not exists(path):
            raise LoadError("no such file. Check the path.")
        require_file(path)
        if path.suffix.lower() == ".vrt":
            check_vrt(path)
        with open_raster(path) as dataset:
            check_grid(dataset, path.name)
            _check_values(dataset, path.name)
            colours, descriptions = dataset.colorinterp, dataset.descriptions
            places = self._places(colours, descriptions)
            names = band_names(
                [descriptions[place - 1] for place in places],
                [colours[place - 1].name for place in places],
                self._bands,
            )
            yield Raster(dataset, tuple(places), names)

    def _places(
        self, colours: Sequence[ColorInterp], descriptions: Sequence[str | None]
    ) -> list[int]:
        """Return the numbers of the bands, from 1, without the mask.

        An alpha band is the mask, unless it has a name: GDAL writes any fourth byte as alpha.
        """
        if self._bands is not None and len(self._bands) == len(colours):
            return list(range(1, len(colours) + 1))
        return [
            number
            for number, (colour, name) in enumerate(zip(colours, descriptions, strict=True), 1)
            if colour != ColorInterp.alpha or (name or "alpha").strip().lower() != "alpha"
        ]


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
