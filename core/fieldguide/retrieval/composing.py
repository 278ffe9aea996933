"""What composes a query of an image and a text: from the similarities of each to one score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

DEFAULT_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query as some rows see it, and how it lies over the whole corpus.

    Attributes:
        similarities: (N,) cosines of the rows with this part.
        mean: of the cosines of all rows of the corpus.
        std: their standard deviation; 0 where they do not differ.
    """

    similarities: NDArray[np.float64]
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Composed:
    """The answer of a composer for N rows.

    Attributes:
        scores: (N,) higher is better.
        ties: (N,) higher is better where scores are equal, as where they saturate.
        terms: (N,) each; what the scores were made of, by the name of a column.
    """

    scores: NDArray[np.float64]
    ties: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]


class Composer(Protocol):
    """The target of a method spec of the role "composer", made with the weight of the text."""

    def __call__(self, image: Term, text: Term) -> Composed:
        """Return the scores of N rows for the two parts of a query."""
        ...


def check_weight(weight: float) -> float:
    """Return the share of the text, 0 (only the image counts) to 1 (only the text).

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 <= weight <= 1 or math.isnan(weight):
        raise UsageError(
            f"The weight of the text is {weight}. Give 0 (only the image) to 1 (only the text)."
        )
    return weight
