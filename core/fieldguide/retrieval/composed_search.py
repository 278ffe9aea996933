"""Search of an index by an image and a text together; an exact scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.retrieval.composing import Term
from fieldguide.retrieval.conditions import In
from fieldguide.retrieval.corpus_file import corpus_moments, matrix_of
from fieldguide.retrieval.match_rows import MATCH_COLUMNS, make_match
from fieldguide.retrieval.where import parse_where

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Embeddings
    from fieldguide.results import Match
    from fieldguide.retrieval.composing import Composer
    from fieldguide.retrieval.conditions import Condition
    from fieldguide.retrieval.lance_index import LanceIndex

IDS_A_READ = 500


def composed_search(
    index: LanceIndex,
    image: Embeddings,
    text: Embeddings,
    composer: Composer,
    *,
    k: int = 10,
    where: str | Condition | None = None,
) -> list[Match]:
    """Return the k rows that fit an image and a text together best, best first.

    Every row that the filter lets through is scored; memory holds a batch of rows and the best k.
    How similarities lie is that of the whole index, also where a filter is given: what is left out
    of an answer does not change the scores of what is in it.

    Args:
        index: vectors of images.
        image: one vector of the index's space.
        text: one vector of the index's space.
        composer: makes one score of the two similarities.
        k: how many; fewer come when fewer fit.
        where: a filter on metadata, applied before the k best are taken.

    Raises:
        SpaceMismatchError: a part of the query is of another space.
        UsageError: a part of the query is not one vector, or k is below one.
        WhereError: the filter cannot be read.
    """
    index.check_query(image, k)
    index.check_query(text, k)
    condition = parse_where(where) if isinstance(where, str) else where
    now = index.snapshot()
    moments = corpus_moments(now)
    queries = np.concatenate([image.vectors, text.vectors]).astype(np.float64)  # (2, D)
    spreads = [moments.spread(query) for query in queries]
    best = _Best(k)
    for batch in now.scan(["id", "vector"], condition):
        cosines = matrix_of(batch, index.space.dim) @ queries.T  # (B, 2)
        parts = [Term(cosines[:, n], *spread) for n, spread in enumerate(spreads)]
        found = composer(*parts)
        columns = {"score": found.scores, "tie": found.ties, **found.terms}
        best.offer(batch.column("id").to_pylist(), columns)
    return _matches(now, best)


class _Best:
    """The k best of the rows that were offered, in order."""

    def __init__(self, k: int) -> None:
        self._k = k
        self.ids: list[str] = []
        self.columns: dict[str, NDArray[np.float64]] = {}

    def offer(self, ids: list[str], columns: Mapping[str, NDArray[np.float64]]) -> None:
        names = [*self.ids, *ids]
        joined = {
            name: np.concatenate([self.columns.get(name, values[:0]), values])
            for name, values in columns.items()
        }
        order = np.lexsort((np.array(names, dtype=object), -joined["tie"], -joined["score"]))
        order = order[: self._k]
        self.ids = [names[place] for place in order]
        self.columns = {name: values[order] for name, values in joined.items()}


def _matches(index: LanceIndex, best: _Best) -> list[Match]:
    rows: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(best.ids), IDS_A_READ):
        wanted = In("id", tuple(best.ids[start : start + IDS_A_READ]))
        for batch in index.scan(MATCH_COLUMNS, wanted):
            rows |= {row["id"]: row for row in batch.to_pylist()}
    terms = {n: v for n, v in best.columns.items() if n not in ("score", "tie")}
    return [
        make_match(
            rows[name], rank, float(best.columns["score"][rank - 1]),
            {term: float(values[rank - 1]) for term, values in terms.items()},
        )
        for rank, name in enumerate(best.ids, start=1)
    ]  # fmt: skip
