"""Does a picture look like a tile stained with haematoxylin and eosin?

Both dyes take green light most: haematoxylin leaves blue and purple, eosin leaves pink and red
(Ruifrok and Johnston 2001, "Quantification of histochemical staining by color deconvolution").
So in such a tile nearly everything that is darker than the light behind it takes more green than
red, and at least as much green as blue. Sky, leaves, asphalt, skin and water do not.

The limits were set on the 1,040 training tiles of a lung subset of LC25000 (Borkowski et al. 2019,
arXiv:1912.12142); all 1,480 tiles of its three splits pass. Refused are 2,822 of 2,827 aerial
scenes (AID), all 239 photographs (COCO), all 1,122 fish pictures (Fish4Knowledge) and 246 of 364
blood smears (BCCD), whose dyes are close relatives. It is a sanity check of the stain and says
nothing of organ or scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError
from fieldguide.samples import RGB, SRGB8, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LIGHT_DENSITY = 0.15
"""The light behind the tissue may be this dim or coloured; it is subtracted."""

MIN_DENSITY = 0.1
"""Optical density, mean of the bands, above which a pixel is not background."""

MIN_COLOUR = 0.15
"""Difference between the bands, as a share of the density, above which a pixel is coloured."""

MIN_STAINED_FRACTION = 0.05
"""Of all pixels."""

MIN_STAINED_SHARE = 0.75
"""Of the pixels that are not background."""

_SIDE_PX = 256

_ADVICE = "Give a tile stained with H&E, or name the --domain or --modality that it belongs to."


def check_stained_tile(sample: Sample) -> None:
    """Refuse what cannot be an H&E tile.

    Raises:
        ContractError: it is gray, not 8-bit RGB, or too few of its pixels are pink or purple.
    """
    if sample.bands == ("gray",):
        raise ContractError(f"it is gray, and stained tissue is pink and purple. {_ADVICE}")
    if sample.bands != RGB or sample.units != SRGB8:
        raise ContractError(f"it is not an 8-bit RGB picture. {_ADVICE}")
    fraction, share = stained_fraction(sample.array)
    if fraction < MIN_STAINED_FRACTION:
        raise ContractError(
            f"only {fraction:.1%} of its pixels are pink or purple as stained tissue is "
            f"(background, or not H&E). {_ADVICE}"
        )
    if share < MIN_STAINED_SHARE:
        raise ContractError(
            f"only {share:.0%} of what it shows is pink or purple as stained tissue is. {_ADVICE}"
        )


def stained_fraction(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the share of stained pixels among all, and among those that are not background.

    Args:
        pixels: (H, W, 3) sRGB; about 256 x 256 of them, evenly taken, are looked at.
    """
    step = max(1, round(max(pixels.shape[:2]) / _SIDE_PX))
    seen = pixels[::step, ::step].reshape(-1, 3).astype(np.float64)
    density = -np.log10((seen + 1) / 256)  # (N, 3), 0 for white
    light = np.minimum(np.percentile(density, 2, axis=0), MAX_LIGHT_DENSITY)
    density = np.maximum(density - light, 0)
    red, green, blue = density.T
    mean = density.mean(axis=1)
    foreground = mean > MIN_DENSITY
    coloured = np.ptp(density, axis=1) > MIN_COLOUR * mean
    stained = foreground & coloured & (green > red) & (green >= blue)
    return float(stained.mean()), float(stained.sum() / max(1, foreground.sum()))
