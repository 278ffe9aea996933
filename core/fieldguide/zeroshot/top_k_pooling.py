"""From the scores of many windows to those of the slide or picture that they are of.

Lu et al. 2023, "Visual Language Pretrained Multiple Instance Zero-Shot Transfer for Histopathology
Images" (MI-Zero, arXiv:2306.07831), section 3.3: of each class on its own the K best windows count,
so that a small tumour is not drowned by much normal tissue. The class is the one with the highest
pooled score. The paper compares K of 1, 5, 10, 50 and 100, and the mean of all windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

USUAL_K = 10


class Pooling(Protocol):
    """Makes one score a class of the scores of windows."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What a record of a result says of it."""
        ...

    def pool(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (C,) of (N, C) with N of at least one."""
        ...


@dataclass(frozen=True)
class TopK:
    """The mean of each class's K highest scores; of all scores where there are fewer.

    Attributes:
        k: how many; 1 is the highest score.

    Raises:
        UsageError: it is below one.

    >>> TopK(2).pool(np.array([[0.1, 0.9], [0.3, 0.2], [0.5, 0.1]])).tolist()
    [0.4, 0.55]
    """

    k: int = USUAL_K

    def __post_init__(self) -> None:
        """Check K."""
        if self.k < 1:
            raise UsageError(f"The mean of the best {self.k} windows is none. Pool 1 or more.")

    @property
    def about(self) -> Mapping[str, Any]:
        """What a record of a result says of it."""
        return {"method": "top_k", "k": self.k}

    def pool(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (C,) of (N, C); the classes may take different windows."""
        count = min(self.k, len(scores))
        best = np.partition(scores, len(scores) - count, axis=0)[len(scores) - count :]
        return np.asarray(best.mean(axis=0))


@dataclass(frozen=True)
class MeanOfAll:
    """The mean of each class's scores over all windows."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What a record of a result says of it."""
        return {"method": "mean"}

    def pool(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (C,) of (N, C)."""
        return np.asarray(scores.mean(axis=0))
