"""From batches of vectors to predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.results import Guess, Prediction
from fieldguide.zeroshot.classifier import NONE_OF_THESE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Batch
    from fieldguide.zeroshot.choose import Classifier


def classify_batches(
    batches: Iterable[Batch],
    classifier: Classifier | None,
    *,
    top: int,
    threshold: float,
) -> Iterator[Prediction]:
    """Yield one prediction a row, in the order of the rows.

    Args:
        batches: rows with their vectors.
        classifier: None when no row has a vector.
        top: at most how many labels of each row are kept.
        threshold: below this best probability "none of these" comes first.
    """
    for batch in batches:
        guesses: dict[int, tuple[Guess, ...]] = {}
        if batch.embeddings is not None and classifier is not None:
            found = classifier.probabilities(batch.embeddings)
            guesses = {
                place: best_guesses(p, classifier.labels, top=top, threshold=threshold)
                for place, p in zip(batch.places, found, strict=True)
            }
        for place, row in enumerate(batch.rows):
            answer = guesses.get(place, ())
            yield Prediction(
                row.item.name, answer, row.status, row.reason, row.metadata, row.thumbnail
            )


def best_guesses(
    probabilities: NDArray[np.float32], labels: Sequence[str], *, top: int, threshold: float
) -> tuple[Guess, ...]:
    """Return the likeliest labels of one input, best first.

    Args:
        probabilities: (C,) over the labels.
        labels: C labels.
        top: at most how many labels; "none of these" is not one of them.
        threshold: when even the best probability is below it, "none of these" comes first.
    """
    order = np.argsort(-probabilities, kind="stable")[:top]
    guesses = tuple(Guess(labels[place], float(probabilities[place])) for place in order)
    if guesses and float(probabilities.max()) < threshold:
        return (Guess(NONE_OF_THESE, None), *guesses)
    return guesses


def check_range(threshold: float, top: int) -> None:
    """Raise UsageError unless the threshold is a probability and top is at least one."""
    if not 0 <= threshold <= 1:
        raise UsageError(f"The threshold {threshold} is not a probability. Give 0 to 1.")
    if top < 1:
        raise UsageError(f"top is {top}. Ask for one label or more.")
