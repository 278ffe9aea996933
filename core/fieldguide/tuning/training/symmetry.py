"""The eight symmetries of the square."""

from __future__ import annotations

import torch
from torch import Tensor


def symmetry(pixels: Tensor, view: int) -> Tensor:
    """Return (..., H, W) pixels as one of the symmetries: quarter turns, after a mirror from 4 on.

    Args:
        pixels: square where the view is an odd one.
        view: 0 (as it is) to 7.
    """
    mirrored = pixels.flip(-1) if view >= 4 else pixels
    return torch.rot90(mirrored, view % 4, (-2, -1))


def views_of(pixels: Tensor, views: Tensor) -> Tensor:
    """Return (N, C, H, W) pixels, each in the symmetry of its number (N,)."""
    seen = pixels.clone()
    for view in torch.unique(views).tolist():
        chosen = views == view
        if view:
            seen[chosen] = symmetry(pixels[chosen], view)
    return seen
