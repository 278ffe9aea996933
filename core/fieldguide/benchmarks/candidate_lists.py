"""Fixed lists of candidates, one a query, that a model puts in order: re-ranking alone.

The lists are given, so that figures of judges compare and say nothing of the search that made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.query_figures import Answered, query_figures
from fieldguide.errors import UsageError
from fieldguide.retrieval.second_model import SecondModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fieldguide.benchmarks.query_figures import SearchQuery
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.retrieval.reranking import Reranker


@dataclass(frozen=True)
class Candidates:
    """Some candidates of one query; a query may come in several of these.

    Attributes:
        query: what was asked.
        items: N images.
        relevant: (N,) whether each answers the query.
    """

    query: SearchQuery
    items: Sequence[Item]
    relevant: Sequence[bool]


@dataclass(frozen=True)
class CandidateLists:
    """Lists of candidates.

    Attributes:
        candidates: read as they are looked at, in bounded memory.
        whole: how many candidates the whole set has.
    """

    candidates: Iterator[Candidates]
    whole: int


class CandidateSet(Protocol):
    """A data set of lists."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    def find(self, root: Path, *, whole: bool) -> CandidateLists:
        """Return what is there.

        Raises:
            UsageError: nothing is, or not all of it where the whole is wanted.
        """
        ...


@dataclass(frozen=True)
class ListReranking:
    """Mean average precision at k of given lists in a new order; see ``report.SubsetBenchmark``.

    Attributes:
        data: the lists.
        name: of its BenchmarkSpec.
        k: how many answers count.
        judge: makes what puts them in order; by default the guide's model by its cosines.
        traps: what misleads about the set, in whole sentences.
    """

    data: CandidateSet
    name: str
    k: int = 50
    judge: Callable[[Guide], Reranker] = SecondModel
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on all lists."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the lists that are there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, lists: CandidateLists) -> BenchmarkReport:
        plan = guide.planner.text_plan()
        answers, failed, used = self._judge_all(guide, lists)
        measured = Measured(
            figures=query_figures(answers, self.k),
            used=used,
            protocol=(
                f"{len(answers)} queries with a given list of candidates each, {used} in all, put "
                "in a new order; a query whose list has no right image is left out.",
                f"Average precision at {self.k}: mean precision at the hits among the first "
                f"{self.k}, times their number over min({self.k}, right images of the list). The "
                "mean reciprocal rank looks at the whole list.",
                "Intervals: 95 %, 1,000 bootstrap samples of queries.",
            ),
            provenance=guide.provenance(plan),
            failed=tuple(failed),
        )
        return make_report(
            guide, self.name, self.data.name, measured, whole=lists.whole, traps=self.traps
        )

    def _judge_all(
        self, guide: Guide, lists: CandidateLists
    ) -> tuple[list[Answered], list[Mapping[str, str]], int]:
        judge = self.judge(guide)
        queries: dict[str, SearchQuery] = {}
        scores: dict[str, list[float]] = {}
        hits: dict[str, list[bool]] = {}
        failed: list[Mapping[str, str]] = []
        for some in lists.candidates:
            key = some.query.key
            queries.setdefault(key, some.query)
            judged = np.asarray(judge(some.query.text, some.items).scores, dtype=np.float64)
            failed += [
                {"path": item.name, "status": "skipped", "reason": item.fault or "not judged"}
                for item, score in zip(some.items, judged, strict=True)
                if np.isnan(score)
            ]
            scores.setdefault(key, []).extend(np.nan_to_num(judged, nan=-np.inf).tolist())
            hits.setdefault(key, []).extend(some.relevant)
        answers = [
            Answered(query, np.array(scores[key]), np.array(hits[key], dtype=bool), sum(hits[key]))
            for key, query in queries.items()
            if any(hits[key])
        ]
        if not answers:
            raise UsageError("None of the lists has a right image, so nothing is measured.")
        return answers, failed, sum(map(len, scores.values())) - len(failed)
