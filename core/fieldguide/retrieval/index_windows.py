"""Windows of large rasters and pictures as rows of an index: each with its place and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fieldguide.data.pipeline import Row
from fieldguide.data.store_job import Filled, fill
from fieldguide.data.windows import EMPTY, WindowItems, open_whole
from fieldguide.errors import InputError
from fieldguide.localization.encode import WindowEncoder, reader_of
from fieldguide.localization.grid import USUAL_OVERLAP
from fieldguide.localization.stored_windows import make_grids
from fieldguide.retrieval.index import Index, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.localization.grid import WindowGrid
    from fieldguide.models.embeddings import Embeddings
    from fieldguide.retrieval.lance_index import LanceIndex


def store_windows(
    guide: Guide, inputs: Any, folder: Path, windows: Sequence[str | int], overlap: float | None
) -> Index:
    """Embed the windows of files into the index of a folder; resumable and incremental.

    Args:
        guide: domain and model.
        inputs: files, folders or globs.
        folder: of the index.
        windows: their sides, such as 224 or "600m"; none for what the model takes.
        overlap: of neighbouring windows, as a part of their side; by default 0.5.

    Raises:
        ScopeError: no model covers any of the inputs.
        UsageError: a window or overlap that makes no sense.
    """
    share = USUAL_OVERLAP if overlap is None else overlap
    items = guide.find(inputs)
    plan, opened_store = open_store(guide, items, folder)
    total = Filled()
    with opened_store as store:
        sink = _Remembering(store, store.known())
        for item in items:
            try:
                reader = reader_of(plan, item)
                with open_whole(item, reader) as opened:
                    encoder = WindowEncoder(guide, plan, item, opened, with_place=True)
                    grids = make_grids(reader, opened, windows, share)
                    _store_file(encoder, grids, sink, total)
            except InputError as error:
                total.failed.append(Row(item, error.status, str(error), dict(item.metadata)))
        if total.added:
            store.compact()
    return Index(store, guide, guide.report(folder, plan, total, len(store)))


@dataclass
class _Remembering:
    """A store whose rows are listed once for all files."""

    store: LanceIndex
    rows: dict[str, str] = field(default_factory=dict)

    def known(self) -> dict[str, str]:
        return self.rows

    def add(self, rows: Sequence[Row], fingerprints: Sequence[str], vectors: Embeddings) -> None:
        self.store.add(rows, fingerprints, vectors)


def _store_file(
    encoder: WindowEncoder, grids: Sequence[WindowGrid], sink: _Remembering, total: Filled
) -> None:
    """Store the windows of one file; those that fail are told of together."""
    failed: list[Row] = []
    for grid in grids:
        windows, encode = WindowItems(encoder.item, grid), partial(encoder.encode, grid)
        filled = fill(sink, windows, encode, encoder.guide.options)
        total.added += filled.added
        total.kept += filled.kept
        failed += [row for row in filled.failed if row.status != EMPTY]
    if failed:
        reason = f"{len(failed)} of its windows are left out: {failed[0].reason}"
        total.failed.append(Row(encoder.item, failed[0].status, reason))
