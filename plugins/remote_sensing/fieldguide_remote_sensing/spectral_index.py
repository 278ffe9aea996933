"""Spectral indices of reflectance, by name: NDVI, NDWI, NDBI, NBR, NDSI and what spyndex knows.

Montero et al. 2023, "A standardized catalogue of spectral indices to advance the use of remote
sensing in Earth system research" (doi:10.1038/s41597-023-02096-0); formulas by their spyndex.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
import spyndex

from fieldguide.errors import ContractError, UsageError
from fieldguide.samples import REFLECTANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.samples import Sample

BANDS = {
    "A": ("coastal",),
    "B": ("blue",),
    "G": ("green",),
    "Y": ("yellow",),
    "R": ("red",),
    "RE1": ("rededge1",),
    "RE2": ("rededge2",),
    "RE3": ("rededge3",),
    "N": ("nir", "nir08"),
    "N2": ("nir08",),
    "WV": ("nir09",),
    "S1": ("swir16",),
    "S2": ("swir22",),
}
"""spyndex's letters, and the band names that may stand for them, the best first."""


def spectral_index(sample: Sample, name: str) -> NDArray[np.float32]:
    """Return an index of every pixel, NaN where there is no data or the formula has no value.

    Args:
        sample: (H, W, C) in reflectance.
        name: of the index, such as "NDVI".

    Returns:
        (H, W), dimensionless.

    Raises:
        UsageError: there is no such index, or it needs other things than bands.
        ContractError: the sample is not in reflectance, or lacks a band.
    """
    require_reflectance(sample)
    letters = _letters(name)
    values = {letter: band_of(sample, letter, name) for letter in letters}
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(spyndex.computeIndex(name, params=values), dtype=np.float64)
    found[~np.isfinite(found)] = np.nan
    if sample.valid is not None:
        found[~sample.valid] = np.nan
    return found.astype(np.float32)


def missing_bands(sample: Sample, name: str) -> list[str]:
    """Return the bands that an index needs and a sample lacks.

    Raises:
        UsageError: there is no such index, or it needs other things than bands.
    """
    return [BANDS[letter][0] for letter in _letters(name) if not _own(sample, letter)]


def require_reflectance(sample: Sample) -> None:
    """Raise ContractError unless a sample is in reflectance: digital numbers have no meaning yet.

    (N - R) / (N + R) of digital numbers is another number wherever they have an offset, as those
    of Sentinel-2 have since 2022.
    """
    if sample.units != REFLECTANCE:
        advice = "Say which sensor they are of: --set sensor=NAME, or a column 'sensor'"
        if sample.notes:
            advice = f"Its reader says: {'; '.join(sample.notes)}; for captions --set offset=NUMBER"
        raise ContractError(
            f"its numbers are in {sample.units}, not reflectance, and an index of them would be "
            f"wrong. {advice}"
        )


def band_of(sample: Sample, letter: str, name: str) -> NDArray[np.float64]:
    """Return a band (H, W) by spyndex's letter.

    Raises:
        ContractError: the sample lacks it.
    """
    own = _own(sample, letter)
    if not own:
        raise ContractError(
            f"{name} needs the band {BANDS[letter][0]!r}; there are {', '.join(sample.bands)}. "
            "Name the bands of the file: --set bands=red,green,blue,nir"
        )
    return sample.array[:, :, sample.bands.index(own[0])].astype(np.float64)


def _own(sample: Sample, letter: str) -> list[str]:
    return [band for band in BANDS[letter] if band in sample.bands]


def _letters(name: str) -> list[str]:
    """Return the letters of the bands of an index."""
    known: Any = spyndex.indices
    if name not in known:
        near = difflib.get_close_matches(name, list(known), n=3)
        advice = f"Did you mean {', '.join(near)}?" if near else "See the list of spyndex."
        raise UsageError(f"No spectral index is named {name!r}. {advice}")
    letters = [str(letter) for letter in known[name].bands]
    strange = sorted(set(letters) - BANDS.keys())
    if strange:
        raise UsageError(
            f"{name} needs {', '.join(strange)}, which no band gives. Choose another index."
        )
    return letters
