"""What is said of an image whose labels are taxa of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer about one image.

    Attributes:
        node: the taxon; None where the answer is none.
        label: what is said.
        probability: None of "none of these".
        without_prior: the probability before a prior had its say; None where there is no prior.
        why: why the answer stops there.
    """

    node: int | None
    label: str
    probability: float | None
    without_prior: float | None = None
    why: str = ""


class Chooser(Protocol):
    """An answer that was prepared for the labels of a job."""

    def choose(
        self, probabilities: NDArray[np.floating], plain: NDArray[np.floating] | None
    ) -> list[tuple[Choice, ...]]:
        """Return the choices for N images, best first.

        Args:
            probabilities: (N, C) over the labels.
            plain: (N, C) without the prior; None where there is no prior.
        """
        ...
