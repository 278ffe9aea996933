"""The image tower through torch.compile.

Compilation takes from ten seconds to minutes, once for each size of batch, so that only long jobs
are served by it: name it where ``benchmarks/throughput.py`` has shown that it pays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fieldguide.models.backends.eager import in_dtype
from fieldguide.models.towers import EagerTower

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from fieldguide.models.towers import ImageTower


def build_compiled(
    module: nn.Module,
    example: Tensor,
    *,
    dtype: torch.dtype,
    device: torch.device,
    folder: Path | None,
) -> PaddedTower:
    """Return the module, or its copy in bfloat16, compiled at the first batch."""
    own = in_dtype(module, dtype)
    compiled: nn.Module = torch.compile(own, dynamic=False)  # type: ignore[assignment]  # a module
    return PaddedTower(EagerTower(compiled, device), EagerTower(own, device))


class PaddedTower:
    """Gives a tower batches of one size, so that it is compiled once.

    A batch that is more than half as large as the largest one is filled up with zeros. A smaller
    one, such as the end of a job, goes to the plain tower: to compile for it would take longer.

    Args:
        compiled: wants batches of one size.
        plain: takes any.
    """

    def __init__(self, compiled: ImageTower, plain: ImageTower) -> None:
        self.compiled = compiled
        self.plain = plain
        self._size = 0

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return (N, D) features of (N, C, H, W) uint8 pixels."""
        count = len(pixels)
        self._size = max(self._size, count)
        if 2 * count <= self._size:
            return self.plain(pixels)
        missing = self._size - count
        if missing:
            pixels = torch.cat([pixels, pixels.new_zeros((missing, *pixels.shape[1:]))])
        return self.compiled(pixels)[:count]
