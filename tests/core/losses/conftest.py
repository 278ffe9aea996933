"""Random sides, and the losses written out as whole matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.losses.sides import Loss, Side

COSINES = ((0.9, 0.1), (0.2, 0.8))


@dataclass(frozen=True)
class Lab:
    """What the tests of losses share."""

    @staticmethod
    def units(rows: int, dim: int = 8, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return (rows, dim) random unit vectors that want a gradient."""
        generator = torch.Generator().manual_seed(seed)
        vectors = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
        return F.normalize(vectors, dim=1).to(dtype).requires_grad_()

    @staticmethod
    def alone(vectors: Tensor, attributes: Tensor | None = None) -> Side:
        """Return a side whose row i belongs to row i of the other one."""
        return Side(vectors, torch.arange(len(vectors))[:, None], attributes)

    @staticmethod
    def keyed(vectors: Tensor, keys: list[Any]) -> Side:
        """Return a side with these keys: a number a row, or a list of them."""
        return Side(vectors, torch.tensor(keys).reshape(len(vectors), -1))

    @staticmethod
    def by_hand() -> tuple[Side, Side]:
        """Return two images and two texts, of length 1 each or not, with the known cosines."""
        images = torch.eye(2, dtype=torch.float64, requires_grad=True)
        texts = torch.tensor(COSINES, dtype=torch.float64).T.clone().requires_grad_()
        return Lab.alone(images), Lab.alone(texts)

    @staticmethod
    def scalars(scale: float, bias: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return scale and bias that want a gradient."""
        return tuple(torch.tensor(value, dtype=torch.float64, requires_grad=True)
                     for value in (scale, bias))  # type: ignore[return-value]  # fmt: skip

    @staticmethod
    def shared(images: Side, texts: Side) -> Tensor:
        """Return (N, M) bool by explicit loops: do the sets of keys overlap?"""
        own = [{key for key in row if key >= 0} for row in images.keys.tolist()]
        others = [{key for key in row if key >= 0} for row in texts.keys.tolist()]
        return torch.tensor([[bool(a & b) for b in others] for a in own]).reshape(
            len(own), len(others)
        )

    @staticmethod
    def crossed(logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross-entropy of rows; those whose target is 0 do not count."""
        counted = target.sum(1) > 0
        losses = -(target * F.log_softmax(logits, dim=1)).sum(1)
        return losses[counted].mean() if bool(counted.any()) else logits.sum() * 0

    @staticmethod
    def naive(
        images: Side, texts: Side, scale: Tensor, weights: tuple[float, float] = (0.5, 0.5)
    ) -> Tensor:
        """Return the multi-positive loss from the whole matrix."""
        logits = scale * images.vectors @ texts.vectors.T
        shared = Lab.shared(images, texts).to(logits.dtype)
        rows = shared / shared.sum(1, keepdim=True).clamp(min=1)
        columns = shared / shared.sum(0, keepdim=True).clamp(min=1)
        return weights[0] * Lab.crossed(logits, rows) + weights[1] * Lab.crossed(
            logits.T, columns.T
        )

    @staticmethod
    def value(loss: Loss, images: Side, texts: Side, scale: float, bias: float = 0.0) -> float:
        """Return a loss as a number."""
        return loss(images, texts, *Lab.scalars(scale, bias)).item()


@pytest.fixture(scope="session")
def lab() -> type[Lab]:
    """Random sides and reference losses."""
    return Lab
