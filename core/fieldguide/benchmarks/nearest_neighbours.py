"""Nearest neighbours: what the vectors know without any training at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.linear_probe import accuracies, interval_sentence, split_sentence
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.vectors import encode_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.benchmarks.vectors import Part
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import Vectors

TEMPERATURE = 0.07
QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class NearestNeighbours:
    """Weighted vote of the k most similar images (Wu et al. 2018, arXiv:1805.01978, section 3.4).

    As in Caron et al. 2021 (arXiv:2104.14294): k = 20, a vote weighs exp(cosine / 0.07).

    Attributes:
        k: how many neighbours vote.
    """

    k: int = 20
    name: str = "knn"

    def measure(self, guide: Guide, images: LabelledImages) -> Measured:
        """Let the train and val parts vote on the test part.

        Raises:
            UsageError: no image could be used, or a part lacks a class.
        """
        encoded, parts = encode_parts(guide, images)
        bank = parts.train.joined(parts.val)
        answers = vote(bank, parts.test.vectors, self.k)
        return Measured(
            figures=accuracies(answers, parts.test),
            used=len(encoded.rows),
            protocol=(
                split_sentence(images),
                f"The {self.k} most similar images of train and val vote, each by the "
                f"exponential of its cosine over {TEMPERATURE}.",
                interval_sentence(images),
            ),
            provenance=encoded.provenance,
            failed=encoded.failed,
        )


def vote(bank: Part, queries: Vectors, k: int) -> NDArray[np.str_]:
    """Return the label that the k nearest rows of a bank give each query.

    Of equally near rows the earlier ones vote; of labels with equal votes the first in the
    alphabet wins.

    Args:
        bank: N labelled unit vectors.
        queries: (Q, D) unit vectors.
        k: how many vote; all where there are fewer.
    """
    names, places = np.unique(bank.labels, return_inverse=True)
    answers = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        cosines = queries[start : start + QUERIES_AT_ONCE].astype(np.float64) @ bank.vectors.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]  # (Q, k)
        weights = np.exp((np.take_along_axis(cosines, nearest, axis=1) - 1) / TEMPERATURE)
        votes = np.zeros((len(cosines), len(names)))
        for place in range(nearest.shape[1]):
            np.add.at(votes, (np.arange(len(votes)), places[nearest[:, place]]), weights[:, place])
        answers.append(names[votes.argmax(axis=1)])
    return np.concatenate(answers)
