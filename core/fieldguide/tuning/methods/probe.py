"""Probe: logistic regression on the base's vectors (Alain & Bengio 2016, arXiv:1610.01644)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field
from sklearn.linear_model import LogisticRegression

from fieldguide.errors import TuningError
from fieldguide.models.embeddings import unit_length
from fieldguide.specs import Record
from fieldguide.tuning.adapter import Probe as Classifier
from fieldguide.tuning.splits import VAL
from fieldguide.tuning.training.fits import Learned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.training.context import Training
    from fieldguide.tuning.training.fits import Fit

NAME = "probe"
ROWS_AT_ONCE = 256
MAX_ITERATIONS = 2000


class Probe(Record):
    """Train a linear classifier of the labels; no vector changes.

    Attributes:
        inverse_penalties: tried on the val rows; without those the middle one is taken.
    """

    inverse_penalties: tuple[float, ...] = Field(default=(0.1, 1, 10, 100, 1000), min_length=1)

    def fits(self, encoder: Tunable, seed: int) -> Sequence[Fit]:
        """Return the one fit; see ``training.fits.Tuner``."""
        return (ProbeFit(tuple(sorted(self.inverse_penalties))),)


@dataclass(frozen=True)
class ProbeFit:
    """A fit of the classifier in one go.

    Attributes:
        inverse_penalties: scikit-learn's C, ascending.
    """

    inverse_penalties: tuple[float, ...]
    name: str = NAME

    def names(self) -> frozenset[str]:
        """Return nothing: no parameter of the base changes."""
        return frozenset()

    def steps(self, training: Training) -> int:
        """Return 0: it is no descent by steps."""
        return 0

    def run(self, training: Training, before: Learned) -> Learned:
        """Fit on the train rows, choose the penalty on the val rows; see ``training.fits``."""
        labels = np.array(training.examples.labels)
        train = training.pools[0].rows
        train = train[torch.from_numpy(labels[train.numpy()] != "")]
        if len(set(labels[train.numpy()].tolist())) < 2:
            raise TuningError(
                "A probe tells labels apart, and the train rows have fewer than two. Name the "
                "--label-column, or use --method lora for captions alone."
            )
        views = training.settings.views
        vectors = np.concatenate([_vectors(training, self, train, view) for view in views])
        truth = np.tile(labels[train.numpy()], len(views))
        val = training.examples.rows(VAL)
        val = val[torch.from_numpy(labels[val.numpy()] != "")]
        held_out = _vectors(training, self, val, 0), labels[val.numpy()]
        best = self._best(vectors, truth, *held_out)
        return Learned(before.changes, _classifier(best))

    def _best(
        self,
        vectors: NDArray[np.float32],
        truth: NDArray[np.str_],
        val_vectors: NDArray[np.float32],
        val_truth: NDArray[np.str_],
    ) -> LogisticRegression:
        tried = self.inverse_penalties
        if not len(val_truth):
            tried = (tried[len(tried) // 2],)
        fitted = [
            LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(vectors, truth) for c in tried
        ]
        if len(fitted) == 1:
            return fitted[0]
        scores = [model.score(val_vectors, val_truth) for model in fitted]
        return fitted[int(np.argmax(scores))]  # of equals the one with the stronger penalty


def _vectors(training: Training, fit: ProbeFit, rows: Tensor, view: int) -> NDArray[np.float32]:
    cut = training.cuts(fit).image
    parts = [(part, torch.full_like(part, view)) for part in torch.split(rows, ROWS_AT_ONCE)]
    found = [state[0].float().cpu() for state in training.pictures.stream(cut, parts)]
    dim = training.encoder.space.dim
    return unit_length((torch.cat(found) if found else torch.zeros(0, dim)).numpy())


def _classifier(model: LogisticRegression) -> Classifier:
    """Return the regression as a softmax over all its labels; of two it has one row."""
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Classifier(
        tuple(map(str, model.classes_)),
        torch.from_numpy(weights).float(),
        torch.from_numpy(bias).float(),
    )
