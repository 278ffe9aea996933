"""From the vectors of a volume's slices to one vector.

Every slice counts by the direction of its vector: it is brought to unit length first.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MeanPooling(nn.Module):
    """The mean of all slices."""

    identity: ClassVar[str] = "mean"

    def forward(self, features: Tensor) -> Tensor:
        """Map (Z, F) to (F,)."""
        return F.normalize(features, dim=1).mean(dim=0)


class AttentionPooling(nn.Module):
    """A weighted mean: a learned query says how much each slice counts.

    One query and one head of the pooling by attention of Lee et al. 2019, "Set Transformer"
    (arXiv:1810.00825): weights are a softmax over slices of the product with the query, divided by
    the root of the width. The query begins at zero, so that until it is tuned this is the mean.

    Args:
        width: F.
    """

    identity: ClassVar[str] = "attention"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width), requires_grad=False)

    def weights(self, features: Tensor) -> Tensor:
        """Return (Z,) how much each slice of (Z, F) counts; the sum is 1."""
        scale = features.shape[1] ** 0.5  # unit vectors: their product with a query is small
        products: Tensor = F.normalize(features, dim=1) @ self.query
        return torch.softmax(products * scale, dim=0)

    def forward(self, features: Tensor) -> Tensor:
        """Map (Z, F) to (F,)."""
        return self.weights(features) @ F.normalize(features, dim=1)


class TopKPooling(nn.Module):
    """The mean of the slices that excite the tower most: those with the longest features.

    Which they are does not depend on a text, so a volume has one vector. Of equals the lower slice
    is taken.

    Args:
        count: of slices; a volume that has fewer gives all of them.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"{count} slices cannot be pooled; name 1 or more")
        self.count = count

    @property
    def identity(self) -> str:
        """Name and count."""
        return f"top{self.count}"

    def chosen(self, features: Tensor) -> Tensor:
        """Return the numbers of the chosen slices of (Z, F), ascending."""
        order = torch.argsort(features.norm(dim=1), descending=True, stable=True)
        return order[: self.count].sort().values

    def forward(self, features: Tensor) -> Tensor:
        """Map (Z, F) to (F,)."""
        return F.normalize(features[self.chosen(features)], dim=1).mean(dim=0)


SlicePooling = MeanPooling | AttentionPooling | TopKPooling
