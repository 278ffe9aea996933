"""From vectors and rows to predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.results import Guess, Prediction
from fieldguide.zeroshot.classifier import NONE_OF_THESE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Row


def best_guesses(
    probabilities: NDArray[np.float32], labels: Sequence[str], *, top: int, threshold: float
) -> tuple[Guess, ...]:
    """Return the likeliest labels of one input, best first.

    Args:
        probabilities: (C,) over the labels.
        labels: C labels.
        top: at most how many labels.
        threshold: when even the best probability is below it, "none of these" comes first.
    """
    order = np.argsort(-probabilities, kind="stable")[:top]
    guesses = tuple(Guess(labels[place], float(probabilities[place])) for place in order)
    if guesses and float(probabilities.max()) < threshold:
        return (Guess(NONE_OF_THESE, None), *guesses)
    return guesses


def prediction_of(row: Row, guesses: tuple[Guess, ...]) -> Prediction:
    """Return what a table says of one item."""
    return Prediction(row.item.name, guesses, row.status, row.reason, row.metadata, row.thumbnail)
