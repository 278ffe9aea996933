"""Figures of a search by many queries, of which all right answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.intervals import Counts
from fieldguide.benchmarks.report import percent
from fieldguide.benchmarks.top_k import (
    average_precision_at,
    best_average_precision_at,
    ndcg_at,
    reciprocal_rank,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.benchmarks.report import Figure

BEST_ORDER = "best order of what was found"


@dataclass(frozen=True)
class SearchQuery:
    """A text to look for and what its data set says of it.

    Attributes:
        key: what its right answers are listed under.
        groups: the group that it belongs to, by the name of the grouping.
    """

    key: str
    text: str
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """The first answers to a query.

    Attributes:
        query: what was asked.
        scores: (N,) of the answers, higher is better.
        relevant: (N,) whether each is right.
        total: how many right ones there are in all.
    """

    query: SearchQuery
    scores: NDArray[np.floating]
    relevant: NDArray[np.bool_]
    total: int


def query_figures(answers: Sequence[Answered], k: int) -> tuple[Figure, ...]:
    """Return average precision, nDCG and reciprocal rank of the first k, in percent.

    The first figure is the mean average precision; then follow the others, average precision of the
    best order that the answers could have, and average precision by each group of each grouping.
    Intervals resample queries.

    Args:
        answers: one for each query, with right answers each.
        k: how many answers count.
    """
    aps = [average_precision_at(a.scores, a.relevant, a.total, k) for a in answers]
    gains = [ndcg_at(a.scores, a.relevant, a.total, k) for a in answers]
    ranks = [reciprocal_rank(a.scores, a.relevant) for a in answers]
    bounds = [best_average_precision_at(int(a.relevant.sum()), a.total, k) for a in answers]
    found = [
        _mean(f"ap_at_{k}", aps),
        _mean(f"ndcg_at_{k}", gains),
        _mean("mrr", ranks),
        _mean(f"ap_at_{k}", bounds, BEST_ORDER),
    ]
    for grouping in dict.fromkeys(name for a in answers for name in a.query.groups):
        own = [a.query.groups.get(grouping, "") for a in answers]
        for group in sorted(set(own)):
            chosen = [ap for ap, each in zip(aps, own, strict=True) if each == group]
            found.append(_mean(f"ap_at_{k}", chosen, f"{grouping} {group or 'not told'}"))
    return tuple(found)


def _mean(metric: str, values: Sequence[float], part: str = "") -> Figure:
    sums = np.stack([np.array(values, dtype=np.float64), np.ones(len(values))], axis=1)
    counts = Counts(sums, [str(row) for row in range(len(values))], _share)
    return percent(metric, counts.interval(), len(values), part)


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sums[:, 0] / sums[:, 1])
