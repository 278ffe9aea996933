"""Retrieval among images with several findings: how much of their findings a query and a hit share.

Hamamci et al. 2024 (CT-CLIP, arXiv:2403.17834) search volumes by a volume: a hit counts the Jaccard
index of the two sets of findings, and what they call MAP@k is the mean of it over the first k hits
and then over the queries. Volumes without any finding are not searched among. In the authors'
script a query is also its own first hit; :func:`jaccard_at` leaves it to the caller, who gives the
similarity of a query with itself as minus infinity to leave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def jaccard(queries: NDArray[np.bool_], found: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Jaccard index (Q, G) of sets of findings; NaN where both are empty.

    >>> jaccard(np.array([[True, True, False]]), np.array([[True, False, False]])).item()
    0.5

    Args:
        queries: (Q, F) whether a query has a finding.
        found: (G, F) whether an image of the gallery has it.
    """
    mine, theirs = queries.astype(np.float64), found.astype(np.float64)
    both = mine @ theirs.T
    either = mine.sum(axis=1)[:, None] + theirs.sum(axis=1)[None, :] - both
    return np.asarray(np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0))


def jaccard_at(
    similarity: NDArray[np.floating],
    queries: NDArray[np.bool_],
    gallery: NDArray[np.bool_],
    ks: Sequence[int],
) -> dict[int, NDArray[np.float64]]:
    """Return the mean Jaccard index over the first k hits of each query (Q,), for every k.

    Their mean over the queries is CT-CLIP's MAP@k. Images of the gallery without any finding are
    never hits. Equal similarities are in the order of the gallery.

    Args:
        similarity: (Q, G), higher is better; minus infinity for what is no hit of a query.
        queries: (Q, F) whether a query has a finding.
        gallery: (G, F) whether an image has it.
        ks: how many hits, each one or more.

    Raises:
        ValueError: a query has fewer hits than the largest k.
    """
    some = gallery.any(axis=1)
    scores, shared = similarity[:, some], jaccard(queries, gallery[some])
    hits = np.isfinite(scores).sum(axis=1)
    if not len(hits) or hits.min() < max(ks):
        raise ValueError(f"a query has {min(hits, default=0)} hits, fewer than {max(ks)}")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(shared, order, axis=1)
    return {k: ranked[:, :k].mean(axis=1) for k in ks}
