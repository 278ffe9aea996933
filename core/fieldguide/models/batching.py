"""How many images a step of the model takes, and what happens when they do not fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fieldguide.errors import OutOfMemoryError
from fieldguide.models.memory import available_bytes, bytes_per_image, images_that_fit
from fieldguide.models.towers import upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.models.towers import ImageTower

logger = logging.getLogger(__name__)

MOST_ON_CPU = 16
"""From 16 images on a step of ViT-B-32 is no faster on a CPU; it only takes more memory."""

MOST_ON_GPU = 256
SHARE_OF_MEMORY = 0.25
"""The rest is for other processes, for decoding, and for what the estimate does not see."""

WAITING = 4
"""Prepared images per image of a step: two steps wait, one is stacked, one is computed."""

_SIGNS = ("out of memory", "allocate memory", "not enough memory", "bad alloc", "bad_alloc")


def choose_batch_size(device: torch.device, count: int, needed_bytes: Callable[[], int]) -> int:
    """Return how many images a step should take.

    Args:
        device: where the model computes.
        count: how many images the job has; for a small one nothing is measured.
        needed_bytes: measures what one image takes.
    """
    most = MOST_ON_GPU if device.type == "cuda" else MOST_ON_CPU
    free = available_bytes(device)
    if free is None or count <= MOST_ON_CPU // 4:
        return most
    return min(most, images_that_fit(free, needed_bytes(), SHARE_OF_MEMORY))


def step_bytes(module: nn.Module, image: Tensor, device: torch.device) -> int:
    """Return what one image more in a step takes of a device's memory.

    Args:
        module: the image side, on ``device``.
        image: (1, C, H, W) uint8, as the module takes it.
        device: where it computes.
    """
    needed = bytes_per_image(module, upload(image, device))
    return needed if device.type == "cuda" else needed + WAITING * image.numel()


class SplittingTower:
    """A tower that takes a batch in smaller steps when memory does not suffice.

    The order is kept and nothing is lost. The step that fitted is kept for later batches.

    Attributes:
        step: how many images at once; None while every batch has fitted.
    """

    def __init__(self, tower: ImageTower) -> None:
        self.tower = tower
        self.step: int | None = None

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return (N, D) features of (N, C, H, W) pixels.

        Raises:
            OutOfMemoryError: not even one image fits.
        """
        parts: list[Tensor] = []
        start = 0
        while start < len(pixels) or not parts:
            step = min(self.step or len(pixels), len(pixels) - start)
            part = self._attempt(pixels[start : start + step])
            if part is None:
                self._halve(step)
                continue
            parts.append(part)
            start += step
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attempt(self, pixels: Tensor) -> Tensor | None:
        """Return the features, or None when memory did not suffice."""
        try:
            return self.tower(pixels)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if len(pixels) <= 1:
                raise OutOfMemoryError(
                    "The model does not fit into memory even with one image at a time: "
                    f"{str(error).splitlines()[0] if str(error) else type(error).__name__} Close "
                    "other programs, name a smaller --model, or compute elsewhere: --device cpu"
                ) from error
        return None  # outside the handler, whose traceback would keep the tensors alive

    def _halve(self, step: int) -> None:
        self.step = max(1, step // 2)
        torch.cuda.empty_cache()  # does nothing where CUDA was not used
        logger.warning("memory does not suffice for %d images a step; now %d", step, self.step)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory was short, of torch or of another backend."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
