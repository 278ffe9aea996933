"""An index with its model: text and image queries, adding, deleting."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.data.store_job import fill
from fieldguide.domain_guide import Guide
from fieldguide.errors import ScopeError, UsageError
from fieldguide.privacy.domains import PATHS, require_same_names
from fieldguide.privacy.names import names_kept_out
from fieldguide.results import Matches, StoreReport
from fieldguide.retrieval.composed_search import composed_search
from fieldguide.retrieval.composing import DEFAULT_WEIGHT
from fieldguide.retrieval.in_clade import InClade
from fieldguide.retrieval.job import read_job
from fieldguide.retrieval.lance_index import LanceIndex
from fieldguide.retrieval.query_batch import Query, QueryMatches
from fieldguide.retrieval.reranking import DEFAULT_TOP, Rerank
from fieldguide.retrieval.row_filters import narrowed
from fieldguide.writers.provenance import make_provenance
from fieldguide.zeroshot.choose_taxa import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.models.embeddings import SpaceId
    from fieldguide.planning import Plan
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.retrieval.composing import Composer
    from fieldguide.retrieval.conditions import Condition
    from fieldguide.retrieval.row_filters import RowFilter
    from fieldguide.specs import MethodSpec
    from fieldguide.taxonomy.tree import Tree

COMPOSER = "weicom"
RERANKER = "second_model"


@dataclass(frozen=True)
class Narrowed:
    """Which rows of an index a search looks at.

    Attributes:
        condition: on a row; None for all.
        facts: what was asked, for the record of the search.
    """

    condition: Condition | None
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, index: Index, where: str | None, filters: Sequence[RowFilter]) -> Narrowed:
        """Return what an expression and filters ask of the rows of an index.

        Raises:
            WhereError: the expression cannot be read.
            UsageError: the index cannot be asked one of the filters.
        """
        condition, notes = narrowed(index.store, index.guide.domain, where, filters)
        facts: dict[str, Any] = {"where": where}
        if filters:
            facts |= {"filters": [each.about() for each in filters], "filter_notes": list(notes)}
        return cls(condition, facts)


class Index:
    """Vectors on disk and the guide that embeds queries for them.

    Attributes:
        store: the table of vectors.
        guide: the domain, modality and model it was made with.
        report: what the job that made or extended it did; None for one that was only opened.
    """

    def __init__(self, store: LanceIndex, guide: Guide, report: StoreReport | None = None) -> None:
        self.store = store
        self.guide = guide
        self.report = report

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.store)

    @property
    def private(self) -> PrivateNames | None:
        """The ids of the guide; None where files are named."""
        return self.guide.private

    @names_kept_out
    def search(  # noqa: PLR0913 - the front door: each is one thing a user may say
        self,
        text: str | None = None,
        *,
        image: Any = None,
        k: int = 10,
        where: str | None = None,
        filters: Sequence[RowFilter] = (),
        composer: str | None = None,
        weight: float | None = None,
        rerank: Rerank | None = None,
    ) -> Matches:
        """Return the rows nearest to a text, to an image, or to both together, best first.

        Args:
            text: what to look for, in words.
            image: a path, Pillow image or array; with a text, it is what the text changes.
            k: how many rows.
            where: a filter on metadata, such as ``cloud_cover < 10 and sensor == "NAIP"``.
            filters: others, such as ``NearPlace("51.5,-0.1", 50)``; all apply, before the k best
                are taken.
            composer: how an image and a text make one score: "weicom", "raw_average", or that of a
                plugin.
            weight: of the text beside an image, 0 to 1; by default 0.5.
            rerank: a second stage for a text: a judge that orders the first rows again.

        Returns:
            Matches; each carries what its score was made of, where it was made of several.

        Raises:
            UsageError: neither text nor image is given, or a composer or weight without both, or a
                second stage with an image.
            UnknownNameError: no such composer.
            SpaceMismatchError: the index was made with another model.
            WhereError: the filter cannot be read.
        """
        if text is None and image is None:
            raise UsageError("Search with a text, with an image, or with both.")
        if text is not None and not text.strip():
            raise UsageError("The query is empty. Say in words what to look for.")
        both = text is not None and image is not None
        if not both and (composer is not None or weight is not None):
            raise UsageError(
                "A composer and a weight are for a query of an image and a text: give both."
            )
        if rerank is not None and (text is None or image is not None):
            raise UsageError("A second stage judges candidates by a text: give a text alone.")
        rows = Narrowed.of(self, where, filters)
        if rerank is not None and text is not None:
            return self._in_two_stages(text, rerank, k=k, rows=rows)
        if text is not None and image is not None:
            return self._composed(text, image, composer, weight, k=k, rows=rows)
        if text is not None:
            return self._of_text(text, k=k, rows=rows)
        query = self.guide.encode_image(image)
        shown = f"image {self._shown(image)}"
        facts = self._facts(query.space, query=shown, k=k, **rows.facts)
        return Matches(shown, self.store.search(query, k, rows.condition), facts)

    @names_kept_out
    def search_all(
        self,
        queries: Sequence[str | Query],
        *,
        k: int = 10,
        where: str | None = None,
        filters: Sequence[RowFilter] = (),
        rerank: Rerank | None = None,
    ) -> QueryMatches:
        """Return the rows nearest to each of several texts, in the order of the texts.

        Args: as of :meth:`search`; a query may carry what its table says of it.

        Raises: as :meth:`search`.
        """
        asked = [Query(each) if isinstance(each, str) else each for each in queries]
        if not asked or not all(query.text.strip() for query in asked):
            raise UsageError("A query is empty, or there is none. Say in words what to look for.")
        rows = Narrowed.of(self, where, filters)
        encoder = self.guide.planner.text_plan().encoder
        if encoder is not None:  # embeds all texts in batches; they are held for what follows
            encoder.encode_texts([query.text for query in asked])
        answers = [
            (query, self._of_text(query.text, k=k, rows=rows) if rerank is None
             else self._in_two_stages(query.text, rerank, k=k, rows=rows))
            for query in asked
        ]  # fmt: skip
        facts = {**answers[-1][1].provenance, "query": [query.text for query in asked]}
        if rerank is not None:
            facts["stages"] = [found.provenance["stages"] for _, found in answers]
        return QueryMatches(answers, facts)

    def _of_text(self, text: str, *, k: int, rows: Narrowed) -> Matches:
        query = self.guide.encode_text(text)
        facts = self._facts(query.space, query=text, k=k, **rows.facts)
        return Matches(text, self.store.search(query, k, rows.condition), facts)

    def _in_two_stages(self, text: str, rerank: Rerank, *, k: int, rows: Narrowed) -> Matches:
        if self.guide.private is not None:
            raise UsageError(
                "A second stage reads the files again, and this index calls them by ids. Index "
                "them with --show-paths where their names may be seen."
            )
        rerank.check(k)
        query = self.guide.encode_text(text)
        start = time.perf_counter()
        found = self.store.search(query, rerank.top, rows.condition)
        first = {"model": query.space.model, "seconds": round(time.perf_counter() - start, 3)}
        best, second = rerank.order(text, found, k)
        stages = [{"stage": 1, **first, "found": len(found)}, {"stage": 2, **second}]
        facts = self._facts(query.space, query=text, k=k, stages=stages, **rows.facts)
        return Matches(text, best, facts)

    def _composed(
        self,
        text: str,
        image: Any,
        composer: str | None,
        weight: float | None,
        *,
        k: int,
        rows: Narrowed,
    ) -> Matches:
        name, share = composer or COMPOSER, DEFAULT_WEIGHT if weight is None else weight
        compose = self._composer(name, share)
        of_image, of_text = self.guide.encode_image(image), self.guide.encode_text(text)
        found = composed_search(self.store, of_image, of_text, compose, k=k, where=rows.condition)
        shown = f"image {self._shown(image)} and {text}"
        facts = self._facts(
            of_text.space, query=shown, k=k, composer=name, text_weight=share, **rows.facts
        )
        return Matches(shown, found, facts)

    def clade(
        self, *names: str, taxonomy: Tree | str | Path | None = None, column: str | None = None
    ) -> InClade:
        """Return a filter for :meth:`search`: only rows whose names belong to some taxa.

        Args:
            names: of taxa, or files of names.
            taxonomy: a tree or its file; by default the domain's own.
            column: the metadata key that holds the rows' names; by default those of the domain.

        Raises:
            UsageError: the domain has no tree, or a name means no taxon or several.
        """
        return InClade(tree_of(self.guide.domain, taxonomy), names, column)

    def second_stage(self, model: str, top: int = DEFAULT_TOP, method: str | None = None) -> Rerank:
        """Return a second stage for :meth:`search`: another model on the first answers alone.

        Args:
            model: as of ``guide``.
            top: how many first answers it judges.
            method: a method of the role "reranker"; by default "second_model".

        Raises:
            UnknownNameError: no such method or model.
            UsageError: the method is of another role.
        """
        about = read_job(self.store.about, self.store.folder)
        second = Guide(
            about.domain, modality=about.modality, model=model, options=about.options,
            out_of_scope=about.out_of_scope, runtime=self.guide.runtime,
            show_paths=about.names == PATHS, catalog=self.guide.catalog,
        )  # fmt: skip
        return Rerank(self._method(method or RERANKER, "reranker").load()(second), top)

    def _method(self, name: str, role: str) -> MethodSpec:
        spec = self.guide.catalog.methods[name]
        if spec.role != role:
            offered = self.guide.catalog.methods.usable()
            names = ", ".join(each.name for each in offered if each.role == role)
            raise UsageError(f"{name!r} is a {spec.role}, no {role}. Name one: {names}")
        return spec

    def _shown(self, image: Any) -> Any:
        """Return what a query image is called in results."""
        private = self.guide.private
        is_path = isinstance(image, str | os.PathLike)
        return image if private is None or not is_path else private.name_of(image)

    def _composer(self, name: str, weight: float) -> Composer:
        composer: Composer = self._method(name, "composer").load()(weight)
        return composer

    def _facts(self, space: SpaceId, **facts: Any) -> dict[str, Any]:
        if self.guide.private is not None:
            facts = self.guide.private.scrubbed(facts)
        return make_provenance(
            index=str(self.store.folder),
            domain=self.guide.domain.name,
            device=str(self.guide.device),
            model={"name": space.model},
            space=space.model_dump(),
            space_digest=space.digest,
            **facts,
        )

    def add(self, inputs: Any) -> StoreReport:
        """Embed and add images; those that are there and unchanged are kept as they are."""
        self.report = store_in_index(self.guide, inputs, self.store.folder).report
        if self.report is None:
            raise RuntimeError("a job that stored gave no report")
        return self.report

    def delete(self, ids: Iterable[str] = (), *, where: str | None = None) -> int:
        """Remove rows by their ids or by a where expression; return how many went."""
        with self.store as store:
            return store.delete(ids, where=where)


def open_store(guide: Guide, items: Sequence[Item], folder: Path) -> tuple[Plan, LanceIndex]:
    """Plan the embedding of items, and open or make the index that takes it.

    Raises:
        ScopeError: no model covers any of the items, so there is no space for an index.
        SpaceMismatchError: the index was made with another model.
        StoreError: it cannot be written, or calls its rows by other names.
    """
    plan = guide.planner.plan(items, thumbnails=True)
    if plan.encoder is None:
        failed = guide.refuse_all(items, plan).failed
        raise ScopeError(f"None of {len(items)} inputs can be indexed: {failed[0].reason}")
    store = LanceIndex.create(folder, plan.encoder.space, guide.about(plan))
    require_same_names(store.about, guide.domain, guide.private, folder)
    return plan, store


def store_in_index(guide: Guide, inputs: Any, folder: Path) -> Index:
    """Embed images into the index of a folder, making it when there is none.

    Raises:
        ScopeError: no model covers any of the inputs, so there is no space for an index.
    """
    items = guide.find(inputs)
    plan, store = open_store(guide, items, folder)
    with store:
        filled = fill(store, items, lambda todo: guide.encode(todo, plan), guide.options)
        if filled.added:
            store.compact()
    return Index(store, guide, guide.report(folder, plan, filled, len(store)))
