"""From batches of vectors to predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import expit

from fieldguide.errors import UsageError
from fieldguide.results import Guess, Prediction
from fieldguide.zeroshot.classifier import NONE_OF_THESE, softmax
from fieldguide.zeroshot.findings import FindingClassifier
from fieldguide.zeroshot.priors import Boost, Candidates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.data.pipeline import Batch, Row
    from fieldguide.models.embeddings import Embeddings
    from fieldguide.zeroshot.choose import Classifier
    from fieldguide.zeroshot.guided_crop import LooksAgain
    from fieldguide.zeroshot.priors import PriorSource


USUAL_TOP = 5


class Answerer(Protocol):
    """Says what images show, by their vectors and by what is known of each."""

    def answers(self, embeddings: Embeddings, rows: Sequence[Row]) -> Sequence[tuple[Guess, ...]]:
        """Return the guesses of N images, best first, for (N, D) vectors and their N rows."""
        ...


@dataclass(frozen=True)
class BoostedAnswerer:
    """Answers by a classifier of labels, of which one holds, and by what is known beside them.

    Attributes:
        classifier: by the vectors of images.
        answer: how its numbers become what is said.
        boost: what is known beside the images.
        again: looks at images again, and not only at their vectors; None for no second look.
    """

    classifier: Classifier
    answer: OneHolds
    boost: Boost
    again: LooksAgain | None = None

    def answers(self, embeddings: Embeddings, rows: Sequence[Row]) -> Sequence[tuple[Guess, ...]]:
        """Return the guesses of N images, best first; see :class:`Answerer`."""
        labels = self.classifier.labels
        place = {label: number for number, label in enumerate(labels)}
        if self.again is None:
            logits = self.classifier.logits(embeddings)
        else:
            logits = self.again.logits_of_rows(embeddings, rows)
        beliefs = self.boost.beliefs([row.metadata for row in rows])
        found = softmax(self.boost.add(logits, beliefs))
        return [
            tuple(
                belief.told(replace(guess, without_prior=_plain_of(guess, plain, place)))
                for guess in self.answer.guesses(probabilities, labels)
            )
            for probabilities, plain, belief in zip(found, softmax(logits), beliefs, strict=True)
        ]


def _plain_of(guess: Guess, plain: NDArray[np.floating], place: Mapping[str, int]) -> float | None:
    return None if guess.probability is None else float(plain[place[guess.label]])


@dataclass(frozen=True)
class LabelAnswerer:
    """Answers by a classifier of labels or findings.

    Attributes:
        classifier: by the vectors of images.
        answer: how its numbers become what is said.
        again: looks at images again, and not only at their vectors; None for no second look.
    """

    classifier: Classifier
    answer: OneHolds | EachHolds
    again: LooksAgain | None = None

    def answers(self, embeddings: Embeddings, rows: Sequence[Row]) -> Sequence[tuple[Guess, ...]]:
        """Return the guesses of N images, best first; see :class:`Answerer`."""
        if self.again is None:
            found = self.classifier.probabilities(embeddings)
        else:
            found = softmax(self.again.logits_of_rows(embeddings, rows))
        return [self.answer.guesses(p, self.classifier.labels) for p in found]


def classify_batches(batches: Iterable[Batch], answerer: Answerer | None) -> Iterator[Prediction]:
    """Yield one prediction a row, in the order of the rows.

    Args:
        batches: rows with their vectors.
        answerer: None when no row has a vector.
    """
    for batch in batches:
        guesses: dict[int, tuple[Guess, ...]] = {}
        if batch.embeddings is not None and answerer is not None:
            used = [batch.rows[place] for place in batch.places]
            found = answerer.answers(batch.embeddings, used)
            guesses = dict(zip(batch.places, found, strict=True))
        for place, row in enumerate(batch.rows):
            mine = guesses.get(place, ())
            yield Prediction(
                row.item.name, mine, row.status, row.reason, row.metadata, row.thumbnail
            )


@dataclass(frozen=True)
class OneHolds:
    """What is said of an input of whose labels one holds; see :func:`best_guesses`."""

    top: int
    threshold: float

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return (C,) probabilities of the classifier's (C,) logits."""
        return np.asarray(softmax(logits[None])[0])

    def guesses(
        self, probabilities: NDArray[np.floating], labels: Sequence[str]
    ) -> tuple[Guess, ...]:
        """Return the likeliest of C labels with (C,) probabilities, best first."""
        return best_guesses(probabilities, labels, top=self.top, threshold=self.threshold)


@dataclass(frozen=True)
class EachHolds:
    """What is said of an input that may have any number of findings.

    Attributes:
        top: at most how many findings.
        threshold: findings below it are not given; "none of these" where all are below it.
        thresholds: from which probability a finding counts as present, where that is known.
    """

    top: int
    threshold: float
    thresholds: Mapping[str, float]

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (F,) probabilities of the classifier's (F,) log odds."""
        return np.asarray(expit(logits))

    def guesses(
        self, probabilities: NDArray[np.floating], labels: Sequence[str]
    ) -> tuple[Guess, ...]:
        """Return the likeliest of F findings with (F,) probabilities of their own, best first."""
        order = np.argsort(-probabilities, kind="stable")[: self.top]
        return tuple(
            Guess(labels[place], float(probabilities[place]), self.thresholds.get(labels[place]))
            for place in order
            if probabilities[place] >= self.threshold
        ) or (Guess(NONE_OF_THESE, None),)


def answer_of(classifier: Classifier, top: int | None, threshold: float) -> OneHolds | EachHolds:
    """Return how the numbers of a classifier become what is said.

    Args:
        classifier: of labels, of which one holds, or of findings.
        top: at most how many labels of each row are kept; None for 5 where one label holds, and
            for all findings.
        threshold: where one label holds, below this best probability "none of these" comes first;
            findings below it are left out.
    """
    if isinstance(classifier, FindingClassifier):
        count = len(classifier.labels) if top is None else top
        return EachHolds(count, threshold, classifier.thresholds)
    return OneHolds(USUAL_TOP if top is None else top, threshold)


def label_answerer(
    classifier: Classifier | None,
    top: int | None,
    threshold: float,
    prior: PriorSource | None = None,
) -> LabelAnswerer | BoostedAnswerer | None:
    """Return what answers by a classifier; None where there is none.

    Args:
        classifier: of labels or findings.
        top: see :func:`answer_of`.
        threshold: likewise.
        prior: what is known beside the images; of findings none is.
    """
    if classifier is None:
        return None
    answer = answer_of(classifier, top, threshold)
    if prior is None or not isinstance(answer, OneHolds):
        return LabelAnswerer(classifier, answer)
    boost = Boost.of(prior, Candidates(classifier.labels))
    return BoostedAnswerer(classifier, answer, boost)


def best_guesses(
    probabilities: NDArray[np.floating], labels: Sequence[str], *, top: int, threshold: float
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


def check_range(threshold: float, top: int | None) -> None:
    """Raise UsageError unless the threshold is a probability and top is at least one."""
    if not 0 <= threshold <= 1:
        raise UsageError(f"The threshold {threshold} is not a probability. Give 0 to 1.")
    if top is not None and top < 1:
        raise UsageError(f"top is {top}. Ask for one label or more.")
