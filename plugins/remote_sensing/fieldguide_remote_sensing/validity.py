"""Which pixels of a raster hold data: by nodata, alpha, masks, NaN and the sensor's own value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp

from fieldguide_remote_sensing.scene_vrt import VALID_WHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window


def find_valid(
    dataset: Any,
    array: NDArray[Any],
    places: Sequence[int],
    window: Window | None,
    sensor_nodata: float | None,
) -> NDArray[np.bool_]:
    """Return (H, W), True where there is data.

    Args:
        dataset: of rasterio.
        array: (H, W, C), what was read of it.
        places: the numbers of the bands, from 1.
        window: what was read; None for all.
        sensor_nodata: the sensor's own value for nothing, where the file need not say so.
    """
    if VALID_WHERE in dataset.tags():
        valid = _where_all_bands_hold_data(dataset, array, places)
    else:
        valid = _where_any_band_holds_data(dataset, array, places, window)
    if dataset.nodatavals[places[0] - 1] is None and sensor_nodata is not None:
        valid &= (array != sensor_nodata).any(axis=-1)
    if array.dtype.kind == "f":
        valid &= np.isfinite(array).all(axis=-1)
    return valid


def _where_any_band_holds_data(
    dataset: Any, array: NDArray[Any], places: Sequence[int], window: Window | None
) -> NDArray[np.bool_]:
    part = {"window": window, "out_shape": array.shape[:2]}
    colours = list(dataset.colorinterp)
    alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
    if alpha is None:
        mask: NDArray[np.bool_] = dataset.dataset_mask(**part) > 0
        return mask
    valid = np.ones(array.shape[:2], dtype=bool)
    nodata = dataset.nodatavals[places[0] - 1]  # GDAL masks by nodata or alpha; a file may use both
    if nodata is not None and not math.isnan(nodata):
        valid &= (array != float(nodata)).any(axis=-1)
    if alpha not in places:
        valid &= dataset.read(alpha, **part) > 0
    return valid


def _where_all_bands_hold_data(
    dataset: Any, array: NDArray[Any], places: Sequence[int]
) -> NDArray[np.bool_]:
    """Return where every band of a scene holds data.

    Each band of a scene is a file with edges of its own. It is judged by what was read already:
    GDAL's masks would read every file again.
    """
    valid = np.ones(array.shape[:2], dtype=bool)
    for number, place in enumerate(places):
        nodata = dataset.nodatavals[place - 1]
        if nodata is not None:
            valid &= array[..., number] != nodata
    return valid
