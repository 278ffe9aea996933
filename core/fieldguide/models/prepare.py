"""From a sample to the pixels an encoder takes: planned repairs, then resize and crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError
from fieldguide.models.repairs import REPAIRS
from fieldguide.models.resample import Box, resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.contract import InputContract
    from fieldguide.samples import Sample

MAX_SCALED_PIXELS = 200_000_000
"""Of a whole picture at the scale at which its shorter side fits."""


def prepare(
    sample: Sample, contract: InputContract, allowed: Sequence[str]
) -> tuple[Sample, NDArray[np.uint8]]:
    """Repair and resize one image.

    Returns:
        The repaired sample, whose ``repairs`` say what was done, and (H, W, C) uint8 pixels.

    Raises:
        ContractError: the sample does not fit and may not be repaired.
    """
    for name in contract.plan(sample, allowed):
        sample = REPAIRS[name](sample, contract)
    return sample, resize(np.ascontiguousarray(sample.array), contract)


def resize(pixels: NDArray[np.uint8], contract: InputContract) -> NDArray[np.uint8]:
    """Return (H, W, C) uint8 pixels at the contract's size; antialiased."""
    height, width = contract.size_px
    size, target = (pixels.shape[1], pixels.shape[0]), (width, height)
    if size == target:
        return pixels
    method = contract.interpolation
    if contract.resize == "squash":
        return _resample(pixels, target, (0, 0, width, height), method)
    if contract.resize == "center_crop":
        scaled = _shorter_side_fits(size, target)
        if scaled[0] * scaled[1] > MAX_SCALED_PIXELS:  # a row of pixels would become a huge picture
            raise ContractError(f"{size[0]} x {size[1]} px is too thin. Cut it into tiles.")
        return _resample(pixels, scaled, _middle(scaled, target), method)
    scaled = _longer_side_fits(size, target)
    canvas = np.empty((height, width, pixels.shape[2]), np.uint8)
    canvas[:] = contract.fill or tuple(round(value) for value in contract.mean)
    left, top = (width - scaled[0]) // 2, (height - scaled[1]) // 2
    inside = canvas[top : top + scaled[1], left : left + scaled[0]]
    inside[:] = _resample(pixels, scaled, (0, 0, *scaled), method)
    return canvas


def _resample(
    pixels: NDArray[np.uint8], size_px: tuple[int, int], box: Box, interpolation: str
) -> NDArray[np.uint8]:
    """Resize pixels of any number of bands, each on its own, as Pillow does within a picture.

    More than three at once would not do: Pillow takes a fourth channel for transparency and
    multiplies the others by it.
    """
    if pixels.shape[2] in (1, 3):
        return resample(pixels, size_px, box, interpolation)
    bands = (np.ascontiguousarray(pixels[:, :, [place]]) for place in range(pixels.shape[2]))
    return np.concatenate([resample(band, size_px, box, interpolation) for band in bands], axis=2)


def _shorter_side_fits(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) px of which one side is the target's and the other is not below it.

    Rounded as open_clip does: for a square target as torchvision's Resize, which cuts to whole
    pixels; for another as timm's ResizeKeepRatio, which rounds to the nearest.
    """
    if target[0] == target[1]:
        shorter, longer = min(size), max(size)
        side, other = target[0], int(target[0] * longer / shorter)
        return (side, other) if size[0] <= size[1] else (other, side)
    ratio = min(size[0] / target[0], size[1] / target[1])
    width, height = (
        max(goal, round(length / ratio)) for length, goal in zip(size, target, strict=True)
    )
    return width, height


def _longer_side_fits(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) px inside the target; rounded as timm's ResizeKeepRatio."""
    ratio = max(size[0] / target[0], size[1] / target[1])
    width, height = (
        min(goal, max(1, round(length / ratio))) for length, goal in zip(size, target, strict=True)
    )
    return width, height


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the middle, rounded as torchvision's CenterCrop."""
    left, top = (round((length - goal) / 2) for length, goal in zip(size, target, strict=True))
    return left, top, left + target[0], top + target[1]
