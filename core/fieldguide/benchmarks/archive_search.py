"""Text to image over a whole archive, in one stage or two, in bounded memory.

One stage ranks all images by the model's cosines. Two stages give the first ``from_k`` of them to a
judge, which may be a slower model, and what it puts first counts (Vendrow et al. 2024, "INQUIRE",
arXiv:2411.02537, whose protocol this is).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldguide.benchmarks.best_answers import BestAnswers
from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.query_figures import Answered, query_figures
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fieldguide.benchmarks.query_figures import SearchQuery
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import SpaceId, Vectors
    from fieldguide.retrieval.reranking import Reranker

FAILURES_TOLD = 1000


@dataclass
class Passing:
    """The images of an archive as they pass by.

    Attributes:
        blocks: names and vectors (B, D) of some images.
        failed: path, status and reason of images that could not be used; it grows.
    """

    blocks: Iterator[tuple[Sequence[str], Vectors]]
    failed: list[Mapping[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Archive:
    """Queries, their right answers, and the images that are searched.

    Attributes:
        queries: what is asked.
        relevant: the keys of the right images of each query, by its key.
        whole: how many images the whole archive has.
        found: how many of them are there.
        source: where their vectors come from, in words.
        embed: makes the images pass by, as vectors of a guide's model in a space.
        key_of: the key of an image by its name.
        path_of: where an image of a name lies.
    """

    queries: tuple[SearchQuery, ...]
    relevant: Mapping[str, frozenset[str]]
    whole: int
    found: int
    source: str
    embed: Callable[[Guide, SpaceId], Passing]
    key_of: Callable[[str], str]
    path_of: Callable[[str], Path] = Path


class ArchiveSet(Protocol):
    """A data set of queries over an archive."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    def find(self, root: Path, *, whole: bool) -> Archive:
        """Return what is there.

        Raises:
            UsageError: nothing is, or not all of it where the whole is wanted.
        """
        ...


@dataclass(frozen=True)
class ArchiveSearch:
    """Mean average precision at k of a set of queries; see ``report.SubsetBenchmark``.

    Attributes:
        data: queries and archive.
        name: of its BenchmarkSpec.
        k: how many answers count.
        from_k: how many answers a judge is given.
        judge: makes the judge of a second stage from the guide; None for one stage.
        traps: what misleads about the set, in whole sentences.
    """

    data: ArchiveSet
    name: str
    k: int = 50
    from_k: int = 100
    judge: Callable[[Guide], Reranker] | None = None
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole archive."""
        return self._report(guide, self.data.find(root, whole=True))

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the images that are there, by the queries that have a right one there."""
        return self._report(guide, self.data.find(root, whole=False))

    def _report(self, guide: Guide, archive: Archive) -> BenchmarkReport:
        plan = guide.planner.text_plan()
        if plan.encoder is None:
            raise RuntimeError("a model for texts was found and not built")
        asked = archive.queries
        best = BestAnswers(
            plan.encoder.encode_texts([query.text for query in asked]), max(self.k, self.from_k)
        )
        passing = archive.embed(guide, plan.encoder.space)
        there: set[str] = set()
        wanted = frozenset().union(*archive.relevant.values())
        for names, vectors in passing.blocks:
            best.offer(names, vectors)
            there |= wanted.intersection(map(archive.key_of, names))
        if not best.seen:
            raise UsageError("None of the images could be used, so nothing is measured.")
        answers = self._answers(guide, archive, best, there)
        measured = Measured(
            figures=query_figures(answers, self.k),
            used=best.seen,
            protocol=self._protocol(archive, answers, best.seen),
            provenance=guide.provenance(plan),
            failed=tuple(passing.failed[:FAILURES_TOLD]),
        )
        return make_report(
            guide, self.name, self.data.name, measured, whole=archive.whole, traps=self.traps
        )

    def _answers(
        self, guide: Guide, archive: Archive, best: BestAnswers, there: set[str]
    ) -> list[Answered]:
        judge = None if self.judge is None else self.judge(guide)
        answers = []
        for place, query in enumerate(archive.queries):
            right = archive.relevant.get(query.key, frozenset()) & there
            if not right:
                continue  # of a part of the archive
            names, scores = best.answers(place)
            hits = np.array([archive.key_of(name) in right for name in names], dtype=bool)
            if judge is not None:
                items = [_item(archive, name) for name in names[: self.from_k]]
                judged = judge(query.text, items).scores
                scores = np.nan_to_num(np.asarray(judged, np.float64), nan=-np.inf)
                hits = hits[: self.from_k]
            answers.append(Answered(query, scores, hits, len(right)))
        if not answers:
            raise UsageError(
                "None of the queries has a right answer among the images that are there, so "
                "nothing is measured. Bring images of the annotations."
            )
        return answers

    def _protocol(
        self, archive: Archive, answers: Sequence[Answered], seen: int
    ) -> tuple[str, ...]:
        second = (
            ""
            if self.judge is None
            else f" The first {self.from_k} are put in order by a second judge."
        )
        return (
            f"{len(answers)} queries over {seen} images ({archive.source}); all images are ranked "
            f"by the cosine with the query.{second}",
            f"Average precision at {self.k}: mean precision at the hits among the first {self.k}, "
            f"times their number over min({self.k}, right images in the archive). nDCG counts "
            "missed right images in its best case; the mean reciprocal rank looks at the first "
            f"{max(self.k, self.from_k)}.",
            f"'best order' is the average precision that the best order of the first "
            f"{max(self.k, self.from_k)} would have.",
            "Intervals: 95 %, 1,000 bootstrap samples of queries.",
        )


def _item(archive: Archive, name: str) -> Item:
    path = archive.path_of(name)
    return Item(path.absolute().as_posix(), path.as_posix(), path)
