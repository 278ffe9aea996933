"""The image side of an encoder as one module, so that a backend can take it over.

A tower takes bytes and returns features: normalisation is inside, so that every backend does it
and a GPU is sent a quarter of the data.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from fieldguide.models.around import EncoderAround
from fieldguide.models.embeddings import Embeddings, Encoder, unit_length

if TYPE_CHECKING:
    from collections.abc import Sequence


ImageTower = Callable[[Tensor], Tensor]
"""From (N, C, H, W) uint8 pixels on the CPU to (N, D) float32 features on the CPU."""


class NormalisedTower(nn.Module):
    """Normalisation and an image network in one module.

    Args:
        network: from (N, C, H, W) normalised floats to (N, D).
        mean: subtracted from each channel, in 0..255.
        std: divides each channel, in 0..255.
        dtype: in which the network computes; its weights are of this type already.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, D) float32 features of (N, C, H, W) uint8 pixels."""
        # always in float32: bfloat16 has 8 bits, too few for a difference of numbers up to 255
        normalised = (pixels.to(torch.float32) - self.mean) / self.std
        features: Tensor = self.network(normalised.to(self.dtype))
        return features.to(torch.float32)

    def in_bfloat16(self) -> NormalisedTower:
        """Return a copy in eval mode whose network computes in bfloat16, but for normalisation."""
        tower = NormalisedTower(
            copy.deepcopy(self.network).to(torch.bfloat16), [0.0], [1.0], torch.bfloat16
        )
        tower.mean, tower.std = self.mean, self.std
        return tower.eval()


@runtime_checkable
class AllowsBfloat16(Protocol):
    """A module that can be run in bfloat16. One that cannot be does not offer this."""

    def in_bfloat16(self) -> nn.Module:
        """Return a copy that computes in bfloat16 and still returns float32."""
        ...


@runtime_checkable
class HasImageTower(Encoder, Protocol):
    """An encoder whose image side can be run by another backend or in another precision.

    Attributes:
        image_module: from (N, C, H, W) uint8 pixels to (N, D) features, on ``device``.
        image_tower: what ``encode_images`` calls; at first the module itself in float32.
    """

    image_module: nn.Module
    image_tower: ImageTower
    device: torch.device


class EagerTower:
    """A module as torch runs it."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module
        self.device = device

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Return (N, D) float32 features on the CPU of (N, C, H, W) uint8 pixels."""
        features: Tensor = self.module(upload(pixels, self.device))
        return features.float().cpu()


def upload(pixels: Tensor, device: torch.device) -> Tensor:
    """Return the pixels on a device.

    To a CUDA device they go through pinned memory: the copy does not wait for the kernels of the
    batch before, and the driver does not copy them a second time (CUDA C++ Best Practices Guide,
    "Pinned Memory").
    """
    if device.type != "cuda" or pixels.device.type != "cpu":
        return pixels.to(device)
    return pixels.pin_memory().to(device, non_blocking=True)


class TowerEncoder(EncoderAround):
    """An encoder around another one, with an image tower of its own; all else is the other's."""

    __slots__ = ("image_tower",)

    def __init__(self, encoder: Encoder, image_tower: ImageTower) -> None:
        super().__init__(encoder)
        self.image_tower = image_tower

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, C, H, W) prepared images by the tower."""
        return Embeddings(unit_length(self.image_tower(pixels).numpy()), self.encoder.space)
