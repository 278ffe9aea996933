"""From a sample to the pixels an encoder takes: planned repairs, then resize and crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fieldguide.models.repairs import REPAIRS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.contract import InputContract
    from fieldguide.samples import Sample

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


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
    image = Image.fromarray(pixels)
    height, width = contract.size_px
    if (image.height, image.width) == (height, width):
        return pixels
    method = _FILTERS[contract.interpolation]
    if contract.resize == "squash":
        return np.asarray(image.resize((width, height), method))
    if contract.resize == "center_crop":
        return _center_crop(image, (height, width), method)
    ratio = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    scaled = image.resize(size, method)
    fill = tuple(round(value) for value in contract.mean)
    canvas = Image.new(scaled.mode, (width, height), fill)
    canvas.paste(scaled, ((width - scaled.width) // 2, (height - scaled.height) // 2))
    return np.asarray(canvas)


def _center_crop(
    image: Image.Image, size_px: tuple[int, int], method: Image.Resampling
) -> NDArray[np.uint8]:
    """Fit the shorter side and cut the middle, with torchvision's rounding of both steps."""
    height, width = size_px
    ratio = max(width / image.width, height / image.height)
    # the side that fits is exact; the other one is cut to whole pixels, never below its target
    scaled_width = max(width, int(image.width * ratio))
    scaled_height = max(height, int(image.height * ratio))
    scaled = image.resize((scaled_width, scaled_height), method)
    left, top = round((scaled_width - width) / 2), round((scaled_height - height) / 2)
    return np.asarray(scaled.crop((left, top, left + width, top + height)))
