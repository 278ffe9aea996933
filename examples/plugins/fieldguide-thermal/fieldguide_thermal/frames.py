"""Reads a frame and draws its temperatures as gray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import SRGB8, Sample

if TYPE_CHECKING:
    from pathlib import Path

COLDEST_C = -10.0


class ThermalLoader:
    """Reads (H, W) temperatures in degrees Celsius; NaN is a dead pixel.

    Args:
        hottest_c: the temperature that is drawn white.
    """

    def __init__(self, hottest_c: float = 40.0) -> None:
        self.hottest_c = hottest_c

    def __call__(self, path: Path) -> Sample:
        """Read one frame.

        Raises:
            LoadError: the file is no NumPy array, or holds Python objects.
            ContractError: it is not one frame of numbers.
        """
        try:
            frame = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise LoadError(f"not a NumPy array: {error}. Save it with numpy.save.") from error
        if frame.ndim != 2 or not np.issubdtype(frame.dtype, np.number) or 0 in frame.shape:
            raise ContractError(f"shape {frame.shape} is not one frame. Save each frame alone.")
        valid = np.isfinite(frame)
        scaled = (frame - COLDEST_C) / (self.hottest_c - COLDEST_C)
        gray = np.round(255 * np.clip(np.nan_to_num(scaled), 0, 1)).astype(np.uint8)
        metadata = {
            "coldest_c": float(np.min(frame, where=valid, initial=np.inf)),
            "hottest_c": float(np.max(frame, where=valid, initial=-np.inf)),
        }
        return Sample(gray[:, :, None], ("gray",), SRGB8, metadata, valid=valid)
