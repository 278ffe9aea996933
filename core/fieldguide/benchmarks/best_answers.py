"""The best rows for many queries out of an archive of any size, which passes by in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings, Vectors

ROWS_AT_ONCE = 8192


class BestAnswers:
    """The k best rows for each of Q queries; memory holds these and one block of rows.

    Args:
        queries: Q vectors.
        k: how many rows are kept for each.

    Attributes:
        seen: how many rows have passed by.
    """

    def __init__(self, queries: Embeddings, k: int) -> None:
        self.seen = 0
        self._queries = queries
        self._k = k
        self._scores: Vectors = np.full((len(queries), 0), -np.inf, dtype=np.float32)
        self._names: NDArray[np.object_] = np.empty((len(queries), 0), dtype=object)

    def offer(self, names: Sequence[str], rows: Vectors) -> None:
        """Look at some rows.

        Args:
            names: (B,) what the rows are called in the answers.
            rows: (B, D) unit length.
        """
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            self._look(np.array(names[part], dtype=object), rows[part])
        self.seen += len(rows)

    def answers(self, query: int) -> tuple[list[str], Vectors]:
        """Return the names and scores of a query's best rows, best first; equals by name."""
        names, scores = self._names[query], self._scores[query]
        order = np.lexsort((names.astype(str), -scores))
        return [str(names[place]) for place in order], scores[order]

    def _look(self, names: NDArray[np.object_], rows: Vectors) -> None:
        fresh = self._queries.vectors @ rows.T  # (Q, B)
        scores = np.concatenate([self._scores, fresh], axis=1)
        kept = min(self._k, scores.shape[1])
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        before = self._scores.shape[1]
        old = (
            np.take_along_axis(self._names, np.minimum(best, max(before - 1, 0)), axis=1)
            if before
            else np.empty(best.shape, dtype=object)
        )
        new = names[np.maximum(best - before, 0)]
        self._names = np.where(best < before, old, new)
        self._scores = np.take_along_axis(scores, best, axis=1)
