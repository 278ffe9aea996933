"""The loader of georeferenced rasters: GeoTIFF, JPEG 2000 and local VRT mosaics, by rasterio."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, Resampling

from fieldguide.data.files import exists, require_file
from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import DIGITAL_NUMBER, RGB, SRGB8, Sample
from fieldguide_remote_sensing.bands import band_names, parse_bands
from fieldguide_remote_sensing.cost import check_cost, read_size_px
from fieldguide_remote_sensing.gdal import open_raster
from fieldguide_remote_sensing.georeference import captured_at, check_grid, place_metadata
from fieldguide_remote_sensing.vrt import check_vrt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DECIMATED = "read_decimated"


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
        if not exists(path):
            raise LoadError("no such file. Check the path.")
        require_file(path)
        if path.suffix.lower() == ".vrt":
            check_vrt(path)
        with open_raster(path) as dataset:
            check_grid(dataset, path.name)
            _check_values(dataset, path.name)
            check_cost(dataset, path)
            colours, descriptions = dataset.colorinterp, dataset.descriptions
            places = self._places(colours, descriptions)
            names = band_names(
                [descriptions[place - 1] for place in places],
                [colours[place - 1].name for place in places],
                self._bands,
            )
            return _read(dataset, places, names)

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


def _read(dataset: Any, places: list[int], names: tuple[str, ...]) -> Sample:
    size_px = read_size_px(dataset.height, dataset.width, len(places))
    decimated = size_px != (dataset.height, dataset.width)
    method = Resampling.average if decimated else Resampling.nearest
    array = np.moveaxis(dataset.read(places, out_shape=size_px, resampling=method), 0, -1)
    is_display = array.dtype == np.uint8 and set(RGB) <= set(names)
    return Sample(
        array=array,
        bands=names,
        units=SRGB8 if is_display else DIGITAL_NUMBER,
        metadata=_metadata(dataset, names),
        valid=_valid(dataset, array, places),
        repairs=(DECIMATED,) if decimated else (),
    )


def _valid(dataset: Any, array: NDArray[Any], places: list[int]) -> NDArray[np.bool_] | None:
    """Return (H, W), or None when every pixel holds data."""
    size_px = array.shape[:2]
    valid = np.ones(size_px, dtype=bool)
    colours = list(dataset.colorinterp)
    alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
    if alpha is None:
        valid &= dataset.dataset_mask(out_shape=size_px) > 0
    else:  # GDAL masks by nodata or by alpha; a file may use both
        nodata = dataset.nodatavals[places[0] - 1]
        if nodata is not None and not math.isnan(nodata):
            valid &= (array != float(nodata)).any(axis=-1)
        if alpha not in places:
            valid &= dataset.read(alpha, out_shape=size_px) > 0
    if array.dtype.kind == "f":
        valid &= np.isfinite(array).all(axis=-1)
    return None if valid.all() else valid


def _metadata(dataset: Any, names: tuple[str, ...]) -> dict[str, Any]:
    nodata = dataset.nodata
    found: dict[str, Any] = {
        "width_px": dataset.width,
        "height_px": dataset.height,
        "driver": dataset.driver,
        "dtype": dataset.dtypes[0],
        "band_names": names,
        **place_metadata(dataset),
    }
    if nodata is not None:
        found["nodata"] = "nan" if math.isnan(nodata) else float(nodata)
    if moment := captured_at(dataset):
        found["captured_at"] = moment
    return found
