"""How alike two sets of features of the same items are.

Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited"
(arXiv:1905.00414), linear kernel. Biased upwards where items are few and features many: use it to
rank features, not as a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Return the linear centred kernel alignment of two feature sets.

    Args:
        x: (N, P) features of N items.
        y: (N, Q) other features of the same items.

    Returns:
        0 to 1, invariant to rotation and isotropic scale; 0 if either set is constant.

    Raises:
        ValueError: the item counts differ.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"x has {x.shape[0]} items, y has {y.shape[0]}")
    x, y = (z.double() - z.double().mean(dim=0) for z in (x, y))
    cross = float((x.T @ y).square().sum())
    norm = float((x.T @ x).norm() * (y.T @ y).norm())
    return cross / norm if norm > 0 else 0.0
