"""A thumbnail of a CT volume, as radiologists look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.samples import Sample

SOFT_TISSUE_WINDOW_HU = (-160.0, 240.0)
MAX_SIDE_PX = 1024


def ct_slice(sample: Sample) -> NDArray[np.uint8]:
    """Draw the middle axial slice in a soft-tissue window.

    The patient's right is on the left of the picture and anterior is up. Pixels are square: the
    coarser axis is interpolated.

    Args:
        sample: (X, Y, Z, 1) in RAS order, with ``spacing_mm`` in its metadata.

    Returns:
        (H, W, 3) uint8.
    """
    middle = sample.array[:, :, sample.array.shape[2] // 2, 0].astype(np.float32)  # (X, Y)
    low, high = SOFT_TISSUE_WINDOW_HU
    gray = np.round(np.clip((middle - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(gray[::-1, ::-1].T))  # rows from A, columns from R
    size_px = _square_pixel_size(image.size, sample.metadata["spacing_mm"][:2])
    if size_px != image.size:
        image = image.resize(size_px, Image.Resampling.BILINEAR)
    return np.asarray(image.convert("RGB"))


def _square_pixel_size(
    size_px: tuple[int, int], spacing_mm: tuple[float, float]
) -> tuple[int, int]:
    lengths_mm = [pixels * mm for pixels, mm in zip(size_px, spacing_mm, strict=True)]
    pixel_mm = max(min(spacing_mm), max(lengths_mm) / MAX_SIDE_PX)
    width, height = (max(1, round(length / pixel_mm)) for length in lengths_mm)
    return width, height
