"""Are these numbers Hounsfield units? And are they an image at all, or a map of labels?

Water is 0 HU and air -1000 HU by definition of the scale, so a CT of a patient has air (around the
body, in lung or bowel) far below water, and soft tissue around it. What has not was stored in
other units (raw or 8-bit values), was rescaled twice, or is not CT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

AIR_HU = -1000
AIR_BELOW_HU = -200
SOFT_TISSUE_HU = (-200, 200)
MIN_FRACTION = 0.01
"""Of all voxels: this much air, and this much soft tissue, is expected in any CT."""

DARKER_THAN_AIR_HU = -1500
"""Only streaks of metal and the one value of padding lie below it; noise of air stays above."""

MAX_DARK_FRACTION = 0.05
"""Of all voxels, without those of the smallest value. Five CTs of the trunk and one of
a head have 0.000; rescaled twice (1,024 less) they have 0.34 to 0.44."""

MAX_LABELS = 128
"""TotalSegmentator has 117 structures and background; no 8-bit CT has so few values."""

_ADVICE = "If they are, add --assume-hu; else convert the volume to Hounsfield units."


def fraction_of_air(values: NDArray[Any]) -> float:
    """Return the share of voxels below -200."""
    return float((values < AIR_BELOW_HU).mean())


def implausible(values: NDArray[Any]) -> str | None:
    """Return why voxels cannot be Hounsfield units, or None when they can.

    Args:
        values: (X, Y, Z) of any real type.
    """
    air = fraction_of_air(values)
    if air < MIN_FRACTION:
        return (
            f"only {air:.1%} of its voxels are below {AIR_BELOW_HU}, so they are not in Hounsfield "
            f"units, or it is not CT. {_ADVICE}"
        )
    low, high = SOFT_TISSUE_HU
    tissue = float(((values >= low) & (values <= high)).mean())
    if tissue < MIN_FRACTION:
        return (
            f"only {tissue:.1%} of its voxels are between {low} and {high}, where soft tissue is, "
            f"so they are not in Hounsfield units (rescaled twice?), or it is not CT. {_ADVICE}"
        )
    if _share_darker_than_air(values) > MAX_DARK_FRACTION:
        return (
            f"many of its voxels are below {DARKER_THAN_AIR_HU}, where nothing is on the "
            f"Hounsfield scale (rescaled twice?). {_ADVICE}"
        )
    return None


def _share_darker_than_air(values: NDArray[Any]) -> float:
    """Return the share of voxels far below air, without the smallest value: it may be padding."""
    dark = (values < DARKER_THAN_AIR_HU) & (values > values.min())
    return float(dark.mean())


def refuse_label_map(values: NDArray[Any], *, has_label_names: bool) -> None:
    """Refuse a segmentation: few non-negative integers, or any with names in the header.

    Raises:
        ContractError: it is one; no option makes it an image.
    """
    if float(values.min()) < 0 or not _are_integers(values):
        return
    if has_label_names or len(np.unique(values)) <= MAX_LABELS:
        raise ContractError(
            "it is a label map (a segmentation), not an image: its voxels are a small set of "
            "non-negative integers. Name the CT volume that it belongs to."
        )


def _are_integers(values: NDArray[Any]) -> bool:
    if np.issubdtype(values.dtype, np.integer):
        return True
    return bool((values == np.round(values)).all())
