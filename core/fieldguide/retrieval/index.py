"""An index with its model: text and image queries, adding, deleting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.store_job import fill
from fieldguide.errors import ScopeError, UsageError
from fieldguide.results import Matches, StoreReport
from fieldguide.retrieval.lance_index import LanceIndex
from fieldguide.writers.provenance import make_provenance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fieldguide.guides import Guide


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

    def search(
        self,
        text: str | None = None,
        *,
        image: Any = None,
        k: int = 10,
        where: str | None = None,
    ) -> Matches:
        """Return the rows nearest to a text or to an image, best first.

        Args:
            text: what to look for, in words.
            image: in place of text, a path, Pillow image or array.
            k: how many rows.
            where: a filter on metadata, such as ``cloud_cover < 10 and sensor == "NAIP"``.

        Raises:
            UsageError: neither or both of text and image are given.
            SpaceMismatchError: the index was made with another model.
            WhereError: the filter cannot be read.
        """
        if (text is None) == (image is None):
            raise UsageError("Search with a text or with an image: give one of them.")
        if text is not None and not text.strip():
            raise UsageError("The query is empty. Say in words what to look for.")
        encode = self.guide.encode_image if text is None else self.guide.encode_text
        query = encode(image if text is None else text)
        shown = text if text is not None else f"image {image}"
        facts = make_provenance(
            index=str(self.store.folder), domain=self.guide.domain.name, query=shown, k=k,
            where=where, device=str(self.guide.device),
            model={"name": query.space.model}, space=query.space.model_dump(),
            space_digest=query.space.digest,
        )  # fmt: skip
        return Matches(shown, self.store.search(query, k, where), facts)

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


def store_in_index(guide: Guide, inputs: Any, folder: Path) -> Index:
    """Embed images into the index of a folder, making it when there is none.

    Raises:
        ScopeError: no model covers any of the inputs, so there is no space for an index.
    """
    items = guide.find(inputs)
    plan = guide.planner.plan(items, thumbnails=True)
    if plan.encoder is None:
        failed = guide.refuse_all(items, plan).failed
        raise ScopeError(f"None of {len(items)} inputs can be indexed: {failed[0].reason}")
    store = LanceIndex.create(folder, plan.encoder.space, guide.about(plan))
    with store:
        filled = fill(store, items, lambda todo: guide.encode(todo, plan))
        if filled.added:
            store.compact()
    return Index(store, guide, guide.report(folder, plan, filled, len(store)))
