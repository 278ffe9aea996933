"""How much memory there is, and how much of it one image needs on its way through a tower."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fieldguide.machine import memory_limit_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIVE = 4
"""How many of the largest intermediate results live at once: input, output, residual, scratch."""


def available_bytes(device: torch.device) -> int | None:
    """Return the memory that is free on a device; None where the system does not tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return None if device.type != "cpu" else free_main_memory()


def free_main_memory(
    meminfo: Path = Path("/proc/meminfo"), status: Path = Path("/proc/self/status")
) -> int | None:
    """Return the bytes that this process can still take; None where the system does not tell.

    Args:
        meminfo: what the machine has available.
        status: what this process has taken.
    """
    limit = memory_limit_bytes()
    available = _kilobytes(read_text(meminfo)).get("MemAvailable")
    taken = _kilobytes(read_text(status)).get("VmRSS", 0)
    found = [] if available is None else [available]
    found += [] if limit is None else [limit - taken]
    return max(0, min(found)) if found else None


def _kilobytes(text: str) -> Mapping[str, int]:
    """Return the fields of a file of /proc that are given in kB, in bytes."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}


@torch.inference_mode()
def bytes_per_image(module: nn.Module, pixels: Tensor) -> int:
    """Return an estimate of what one image takes while a module computes.

    On a CUDA device it is what the allocator reports. Elsewhere it is ``ALIVE`` times the largest
    result of any layer, which a run of one image tells.

    Args:
        module: on its device.
        pixels: (1, C, H, W), on the same device.
    """
    if pixels.device.type == "cuda":
        module(pixels)  # libraries make their workspaces at the first call
        torch.cuda.reset_peak_memory_stats(pixels.device)
        before = torch.cuda.memory_allocated(pixels.device)
        module(pixels)
        return max(1, torch.cuda.max_memory_allocated(pixels.device) - before)
    largest = pixels.numel() * 4

    def note(_layer: nn.Module, _given: Any, result: Any) -> None:
        nonlocal largest
        if isinstance(result, Tensor):
            largest = max(largest, result.numel() * result.element_size())

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    try:
        module(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return ALIVE * largest


def images_that_fit(free_bytes: int, image_bytes: int, share: float) -> int:
    """Return how many images fit into a share of the free memory; at least one.

    >>> images_that_fit(8_000_000, 100_000, share=0.25)
    20
    """
    return max(1, math.floor(free_bytes * share / image_bytes))
