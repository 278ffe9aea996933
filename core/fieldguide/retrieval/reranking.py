"""Retrieval in two stages: a fast model finds candidates, a slower judge puts them in order.

The first stage looks at every row of an index, the second at the first ``top`` of them alone, so a
judge that takes a second an image costs minutes and not weeks (the two-stage runs of Vendrow et al.
2024, "INQUIRE: A Natural World Text-to-Image Retrieval Benchmark", arXiv:2411.02537). What the
first stage missed, no judge brings back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fieldguide.data.inputs import Item
from fieldguide.data.manifest_windows import window_of
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.results import Match

DEFAULT_TOP = 100


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge says of N candidates.

    Attributes:
        scores: (N,) higher is better; NaN where a candidate cannot be judged.
        about: what the judge is and did, for the record of the search.
    """

    scores: NDArray[np.float64] | Sequence[float]
    about: Mapping[str, Any] = field(default_factory=dict)


class Reranker(Protocol):
    """Judges candidates; what the target of a method spec of the role "reranker" makes.

    Such a target is called with the guide of the second model.
    """

    def __call__(self, text: str, candidates: Sequence[Item]) -> Judged:
        """Return how well each of N candidates answers a text."""
        ...


@dataclass(frozen=True)
class Rerank:
    """The second stage of a search.

    Args:
        by: the judge.
        top: how many candidates it is given.

    Raises:
        UsageError: it is given none.
    """

    by: Reranker
    top: int = DEFAULT_TOP

    def __post_init__(self) -> None:
        """Check the number of candidates."""
        if self.top < 1:
            raise UsageError(f"{self.top} candidates cannot be ordered. Give 1 or more.")

    def check(self, k: int) -> None:
        """Raise UsageError where more answers are wanted than candidates are judged."""
        if k > self.top:
            raise UsageError(
                f"{k} answers are wanted and only {self.top} candidates are judged. Judge more: "
                f"--rerank-top {k}"
            )

    def order(
        self, text: str, found: Sequence[Match], k: int
    ) -> tuple[list[Match], dict[str, Any]]:
        """Return the k best candidates by the judge, and what the second stage did.

        Each keeps rank and similarity of the first stage among its terms. Candidates that cannot be
        judged come last, in the order of the first stage, with NaN for a similarity; so do equals
        among themselves.
        """
        start = time.perf_counter()
        judged = self.by(text, [candidate_item(match) for match in found])
        scores = np.asarray(judged.scores, dtype=np.float64)
        if scores.shape != (len(found),):
            raise UsageError(
                f"The reranker gave {scores.shape} scores for {len(found)} candidates. It must "
                "give one for each."
            )
        order = np.lexsort((np.arange(len(found)), np.nan_to_num(-scores, nan=np.inf)))
        rows = [_moved(found[place], rank, float(scores[place]))
                for rank, place in enumerate(order[:k], start=1)]  # fmt: skip
        facts = {
            "candidates": len(found),
            "judged": int(np.isfinite(scores).sum()),
            "seconds": round(time.perf_counter() - start, 3),
            **judged.about,
        }
        return rows, facts


def candidate_item(match: Match) -> Item:
    """Return a row of an index as an input again: its file, and the window that it is of."""
    try:
        window = window_of(match.metadata)
    except ValueError:
        window = None
    named = Path(match.id)
    path = named if named.is_absolute() else Path(match.path)  # ids of files are absolute paths
    if window is not None:
        path = Path(match.path)
    return Item(match.id, match.path, path, metadata=match.metadata, window=window)


def _moved(match: Match, rank: int, score: float) -> Match:
    terms = {"first_rank": match.rank, "first_similarity": match.similarity, **match.terms}
    return replace(match, rank=rank, similarity=score, terms=terms)
