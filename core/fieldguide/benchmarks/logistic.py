"""Logistic regression on frozen vectors, its penalty chosen on held-out rows.

As in Radford et al. 2021 (arXiv:2103.00020), appendix A.3: scikit-learn's L-BFGS with at most 1,000
iterations; the inverse penalty is searched on a logarithmic grid, which is refined around its best
value until there are 8 steps a decade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from fieldguide.data.quiet import quiet_library

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldguide.benchmarks.vectors import Part

MAX_ITERATIONS = 1000
COARSE_DECADES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
FINEST_DECADES = 1 / 8


def fit(part: Part, inverse_penalty: float) -> LogisticRegression:
    """Return the regression of a part's labels; the vectors are used as they are."""
    model = LogisticRegression(C=inverse_penalty, max_iter=MAX_ITERATIONS)
    with quiet_library(category=ConvergenceWarning):  # the limit is part of the protocol
        return model.fit(part.vectors, part.labels)


def accuracy(model: LogisticRegression, part: Part) -> float:
    """Return the share of a part's rows that the regression names right."""
    return float(np.mean(model.predict(part.vectors) == part.labels))


def choose_penalty(
    train: Part, val: Part, decades: Sequence[float] = COARSE_DECADES, *, refine: bool = True
) -> float:
    """Return the inverse penalty with the best accuracy on held-out rows.

    Args:
        train: to fit on.
        val: to choose by.
        decades: logarithms to base 10 that are tried first, evenly spaced.
        refine: halve the step around the best value until it is an eighth of a decade.
    """

    def score(decade: float) -> float:
        return accuracy(fit(train, 10.0**decade), val)

    step = decades[1] - decades[0] if refine else 0.0
    return float(10.0 ** peak(score, decades, step))


def peak(score: Callable[[float], float], points: Sequence[float], step: float) -> float:
    """Return the point with the highest score: of those given, then of ever nearer neighbours.

    Of equal scores the lowest point wins, which is the stronger penalty.

    Args:
        score: of a point; each is asked once.
        points: tried first.
        step: between them; it is halved until it is an eighth. 0 for no refinement.
    """
    known = {point: score(point) for point in points}
    while step > FINEST_DECADES:
        step /= 2
        best = _best(known)
        for point in (best - step, best + step):
            if point not in known:
                known[point] = score(point)
    return _best(known)


def _best(known: dict[float, float]) -> float:
    return min(known, key=lambda point: (-known[point], point))
