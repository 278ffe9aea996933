"""The image tower as torch runs it; what every other backend is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fieldguide.errors import UsageError
from fieldguide.models.towers import AllowsBfloat16, EagerTower

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


def build_eager(
    module: nn.Module,
    example: Tensor,
    *,
    dtype: torch.dtype,
    device: torch.device,
    folder: Path | None,
) -> EagerTower:
    """Return the module itself, or its copy in bfloat16."""
    return EagerTower(in_dtype(module, dtype), device)


def in_dtype(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return the module as it is for float32, a copy for bfloat16.

    Raises:
        UsageError: the module cannot be run in that type.
    """
    if dtype == torch.float32:
        return module
    if dtype != torch.bfloat16 or not isinstance(module, AllowsBfloat16):
        raise UsageError(f"This model cannot be run in {dtype}. Name --precision fp32")
    return module.in_bfloat16()
