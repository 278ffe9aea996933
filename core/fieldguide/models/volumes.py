"""Volumes through a network of pictures: the slices of one volume are its batch.

A volume lies in RAS order (X, Y, Z): to the right, to anterior, to superior. Slices are axial, as
they are displayed: rows from anterior to posterior, columns from the right side to the left, first
the lowest one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = Tensor | tuple[Tensor, ...]


def axial_slices(volume: Tensor) -> Tensor:
    """Return the slices of a volume as pictures.

    Args:
        volume: (C, X, Y, Z) in RAS order.

    Returns:
        (Z, C, H, W) with H = Y from anterior on and W = X from the right on.
    """
    return volume.permute(3, 0, 2, 1).flip(2, 3)


class ToSlices(nn.Module):
    """From a volume to pictures of so many channels; a single one is repeated.

    Args:
        channels: that the network of pictures takes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, volume: Tensor) -> Tensor:
        """Map (C, X, Y, Z) to (Z, channels, H, W)."""
        slices = axial_slices(volume)
        return slices.expand(-1, self.channels, -1, -1) if slices.shape[1] == 1 else slices


class InSteps(nn.Module):
    """Runs a module on some slices after the other, so that memory does not grow with depth.

    Args:
        module: from (Z, ...) tensors to (Z, ...) tensors; each slice on its own.
        step: slices at once; None for all, as a module needs that sees several together.
    """

    def __init__(self, module: nn.Module, step: int | None) -> None:
        super().__init__()
        self.module = module
        self.step = step

    def forward(self, state: State) -> State:
        """Map one or several tensors (Z, ...) to those of the module."""
        given = state if isinstance(state, tuple) else (state,)
        if self.step is None or len(given[0]) <= self.step:
            whole: State = self.module(state)
            return whole
        parts = [torch.split(tensor, self.step) for tensor in given]
        several = isinstance(state, tuple)
        found = [self.module(part if several else part[0]) for part in zip(*parts, strict=True)]
        if isinstance(found[0], tuple):
            return tuple(torch.cat(column) for column in zip(*found, strict=True))
        return torch.cat(found)


class EachVolume(nn.Module):
    """Runs a module on one volume after the other.

    Args:
        module: of one volume, without the first axis.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, state: State) -> State:
        """Map one or several tensors (N, ...) to those of the module, (N, ...)."""
        if isinstance(state, tuple):
            found = [self.module(each) for each in zip(*state, strict=True)]
        else:
            found = [self.module(each) for each in state]
        if isinstance(found[0], tuple):
            return tuple(torch.stack(column) for column in zip(*found, strict=True))
        return torch.stack(found)


class VolumeTower(nn.Module):
    """From volumes to features, by the image side of an encoder of pictures.

    Args:
        pictures: from (Z, channels, H, W) pixels to (Z', F) features, on one volume's slices.
        pooling: from (Z', F) to (F,).
        channels: that ``pictures`` takes.
        step: slices at once, see :class:`InSteps`.
    """

    def __init__(
        self, pictures: nn.Module, pooling: nn.Module, channels: int, step: int | None
    ) -> None:
        super().__init__()
        self.entry = ToSlices(channels)
        self.pictures = InSteps(pictures, step)
        self.pooling = pooling

    def depth_features(self, volume: Tensor) -> Tensor:
        """Return (Z', F) features of one volume (C, X, Y, Z), before they are pooled."""
        features: Tensor = self.pictures(self.entry(volume))
        return features

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (N, C, X, Y, Z) to (N, F)."""
        return torch.stack([self.pooling(self.depth_features(volume)) for volume in volumes])
