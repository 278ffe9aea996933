"""The factor on cosines that makes the probabilities of a classifier honest.

Temperature scaling of Guo et al. 2017, "On Calibration of Modern Neural Networks"
(arXiv:1706.04599), as a factor: one number that minimises the log loss on held-out images.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MIN_SCALE, MAX_SCALE = 1.0, 200.0
_STEPS = 40  # each shortens the bracket to 0.618 of it


def best_scale(loss: Callable[[float], float]) -> float:
    """Return the scale of the smallest loss, by golden-section search on its logarithm."""
    low, high, ratio = math.log(MIN_SCALE), math.log(MAX_SCALE), (math.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(math.exp(left)) < loss(math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_logit_scale(cosines: Tensor, labels: Tensor) -> float:
    """Return the scale that minimises the log loss.

    Args:
        cosines: (N, C) of images that took no part in training with the vectors of the classes.
        labels: (N,) true class of each image.
    """
    cosines = cosines.double()
    return best_scale(lambda scale: float(F.cross_entropy(cosines * scale, labels)))
