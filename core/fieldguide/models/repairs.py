"""The named repairs that make a sample fit a contract. Each is recorded where it was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from fieldguide import contract
from fieldguide.contract import InputContract
from fieldguide.samples import SRGB8, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE_REFLECTANCE = 0.3
"""The reflectance that is shown as 255; see :func:`reflectance_to_display`."""

Repair = Callable[[Sample, InputContract], Sample]


def select_bands_by_name(sample: Sample, wanted: InputContract) -> Sample:
    """Take the contract's bands, in its order, by their names; optional ones may be missing."""
    bands = tuple(band for band in wanted.bands if band in sample.bands)
    places = [sample.bands.index(band) for band in bands]
    return sample.repaired(contract.SELECT_BANDS, array=sample.array[..., places], bands=bands)


def grayscale_to_rgb(sample: Sample, wanted: InputContract) -> Sample:
    """Repeat the one channel."""
    array = np.repeat(sample.array, len(wanted.bands), axis=-1)
    return sample.repaired(contract.GRAYSCALE_TO_RGB, array=array, bands=wanted.bands)


def sixteen_bit_to_eight_bit(sample: Sample, wanted: InputContract) -> Sample:
    """Divide by 257, so that 65535 becomes 255."""
    array = ((sample.array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return sample.repaired(contract.SIXTEEN_TO_EIGHT, array=array, units=SRGB8)


def stretch_percentiles_2_98(sample: Sample, wanted: InputContract) -> Sample:
    """Map each band's 2nd to 98th percentile over valid pixels to 0..255 for display.

    A window of something larger is stretched by the percentiles of the whole, which it brings.
    """
    valid, ranges = _valid(sample), sample.display_range or {}
    bands = []
    for place, name in enumerate(sample.bands):
        band = sample.array[..., place]
        low, high = ranges.get(name) or np.percentile(band[valid].astype(np.float64), (2, 98))
        bands.append(_stretch(band, low, high))
    return sample.repaired(contract.STRETCH, array=np.stack(bands, axis=-1), units=SRGB8)


def reflectance_to_display(sample: Sample, wanted: InputContract) -> Sample:
    """Map reflectance 0..0.3 to 0..255, linearly and clipped; the same for every picture.

    Land reflects less than 0.3 in the visible bands, so a fixed range keeps pictures and windows
    comparable where a stretch of each would not. It is the range in which the Earth Engine catalog
    draws true colour of Sentinel-2 and of Landsat surface reflectance (data sets
    COPERNICUS/S2_SR_HARMONIZED and LANDSAT/LC08/C02/T1_L2). Clouds and snow saturate.
    """
    array = _spread(sample.array, 0.0, WHITE_REFLECTANCE)
    return sample.repaired(contract.REFLECTANCE_TO_DISPLAY, array=array, units=SRGB8)


def reflectance_to_ranges(sample: Sample, wanted: InputContract) -> Sample:
    """Map each band's own range of reflectance to 0..255, linearly and clipped; NaN becomes 0."""
    ranges = dict(zip(wanted.bands, wanted.ranges or (), strict=True))
    array = np.empty(sample.array.shape, np.uint8)
    for place, band in enumerate(sample.bands):
        array[..., place] = _spread(sample.array[..., place], *ranges[band])
    return sample.repaired(contract.REFLECTANCE_TO_RANGES, array=array, units=SRGB8)


def fill_missing_bands_with_mean(sample: Sample, wanted: InputContract) -> Sample:
    """Give optional bands that the input lacks their mean, rounded to a whole byte.

    Normalised, that is zero within half a byte: the band says nothing. The names are kept in the
    sample's metadata as ``filled_bands``.
    """
    array = np.empty((*sample.size_px, len(wanted.bands)), np.uint8)
    missing = []
    for place, (band, mean) in enumerate(zip(wanted.bands, wanted.mean, strict=True)):
        if band in sample.bands:
            array[..., place] = sample.array[..., sample.bands.index(band)]
        else:
            array[..., place] = round(mean)
            missing.append(band)
    metadata = {**sample.metadata, "filled_bands": ",".join(missing)}
    return sample.repaired(
        contract.FILL_MISSING, array=array, bands=wanted.bands, metadata=metadata
    )


def fill_nodata_with_mean(sample: Sample, wanted: InputContract) -> Sample:
    """Give invalid pixels the mean of the valid ones, band by band."""
    valid = _valid(sample)
    array = sample.array.copy()
    array[~valid] = np.round(sample.array[valid].mean(axis=0)).astype(array.dtype)
    return sample.repaired(contract.FILL_NODATA, array=array, valid=None)


REPAIRS: Mapping[str, Repair] = {
    contract.SELECT_BANDS: select_bands_by_name,
    contract.GRAYSCALE_TO_RGB: grayscale_to_rgb,
    contract.SIXTEEN_TO_EIGHT: sixteen_bit_to_eight_bit,
    contract.STRETCH: stretch_percentiles_2_98,
    contract.REFLECTANCE_TO_DISPLAY: reflectance_to_display,
    contract.REFLECTANCE_TO_RANGES: reflectance_to_ranges,
    contract.FILL_NODATA: fill_nodata_with_mean,
    contract.FILL_MISSING: fill_missing_bands_with_mean,
}


def _spread(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high to 0..255, linearly and clipped; NaN becomes 0."""
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.asarray(np.nan_to_num(np.clip(scaled, 0, 255)).round(), dtype=np.uint8)


def _valid(sample: Sample) -> NDArray[np.bool_]:
    if sample.valid is None:
        return np.ones(sample.array.shape[:-1], dtype=bool)
    return sample.valid


def _stretch(band: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    span = high - low if high > low else 1.0
    scaled = (band.astype(np.float64) - low) * (255.0 / span)
    return np.asarray(np.nan_to_num(np.clip(scaled, 0, 255)).round(), dtype=np.uint8)
