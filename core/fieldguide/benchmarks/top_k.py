"""Figures of the first k answers to a query that has many right ones, as INQUIRE defines them.

Vendrow et al. 2024, "INQUIRE: A Natural World Text-to-Image Retrieval Benchmark"
(arXiv:2411.02537), with the code that the authors published. A query has P relevant images in the
whole archive, and only the first k answers are looked at.

**Average precision at k** is the mean precision at the places of the hits among the first k, times
their number over min(k, P): what was missed lowers it, and a query with more relevant images than
places can still reach 1. It is not scikit-learn's average precision of the same list, which divides
by the hits alone and calls a list with one hit in front perfect.

Answers of one score stand in no order: all of them share the precision at the last of them, and the
mean discount of their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def average_precision_at(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], total: int, k: int
) -> float:
    """Return average precision at k, 0 to 1.

    Args:
        scores: (N,) of the answers, higher is better; the best N of all.
        relevant: (N,) whether an answer is right.
        total: P, how many right ones the archive has; one or more.
        k: how many answers count.

    Raises:
        ValueError: the shapes differ, or more answers are right than there are right ones.

    >>> scores, relevant = np.array([5.0, 4, 3, 2, 1]), np.array([1, 0, 1, 0, 0]) > 0
    >>> round(average_precision_at(scores, relevant, 4, 5), 4)
    0.4167
    """
    scores, relevant = _first(scores, relevant, total, k)
    hits = np.cumsum(relevant)
    last_of_equals = np.append(scores[1:] != scores[:-1], True)
    at_end = np.flatnonzero(last_of_equals)
    gained = np.diff(hits[at_end], prepend=0)
    precisions = hits[at_end] / (at_end + 1)
    return float((gained * precisions).sum() / min(k, total))


def ndcg_at(scores: NDArray[np.floating], relevant: NDArray[np.bool_], total: int, k: int) -> float:
    """Return the normalised discounted cumulative gain at k, 0 to 1.

    The right ones that are not among the answers stand behind all of them, so that they raise the
    best gain that was possible and add nothing (Jarvelin and Kekalainen 2002, with gains of 0 and
    1; McSherry and Najork 2008 for answers of one score).

    Args: as of :func:`average_precision_at`.

    Raises:
        ValueError: as there.
    """
    scores, relevant = _ordered(scores, relevant, total)
    discounts = 1 / np.log2(np.arange(len(scores)) + 2)
    discounts[k:] = 0
    groups = np.cumsum(np.append(False, scores[1:] != scores[:-1])) if len(scores) else scores[:0]
    counts = np.bincount(groups.astype(np.int64), minlength=1)
    shares = np.bincount(groups.astype(np.int64), weights=discounts, minlength=1)
    gains = np.bincount(groups.astype(np.int64), weights=relevant, minlength=1)
    gain = float((gains * shares / np.maximum(counts, 1)).sum())
    best = float((1 / np.log2(np.arange(min(k, total)) + 2)).sum())
    return gain / best


def reciprocal_rank(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Return 1 / the place of the first right answer, 0 where none is right.

    An answer that is wrong and exactly as good comes first.

    Args: as of :func:`average_precision_at`.
    """
    if not relevant.any():
        return 0.0
    best = scores[relevant].max()
    return 1.0 / (int((scores[~relevant] >= best).sum()) + 1)


def best_average_precision_at(hits: int, total: int, k: int) -> float:
    """Return the average precision at k of a list in the best order: no re-ranking exceeds it.

    Args:
        hits: right ones in the list.
        total: P, right ones in the archive.
        k: how many answers count.

    >>> best_average_precision_at(10, 40, 50)
    0.25
    """
    return min(hits, k) / min(total, k)


def _first(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], total: int, k: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return the first k, best first; of equals at the edge those that are wrong come first."""
    scores, relevant = _ordered(scores, relevant, total)
    return scores[:k], relevant[:k]


def _ordered(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], total: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    if scores.shape != relevant.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} are not (N,) each")
    if total < 1 or int(relevant.sum()) > total:
        raise ValueError(f"{int(relevant.sum())} of {total} right ones were found")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    order = np.lexsort((relevant, -scores))
    return scores[order], relevant[order]
