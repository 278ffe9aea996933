"""Text search inside large sources: every window is embedded once, then any text takes seconds."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.windows import open_whole
from fieldguide.errors import InputError, LoadError, UsageError
from fieldguide.localization.encode import WindowEncoder, reader_of, sides
from fieldguide.localization.grid import USUAL_OVERLAP
from fieldguide.localization.queries import make_scorer, query_prompts
from fieldguide.localization.regions import best_places
from fieldguide.localization.result import Region, Regions, Scored
from fieldguide.localization.store import EMBEDDED, EMPTY, FAILED
from fieldguide.localization.stored_windows import (
    Source,
    embed_missing,
    make_grids,
    nothing_embedded,
)
from fieldguide.samples import Overviewed, Window
from fieldguide.tuning.adapter_choice import require_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Reader
    from fieldguide.guides import Guide
    from fieldguide.localization.grid import WindowGrid
    from fieldguide.localization.queries import Scorer
    from fieldguide.samples import Windowed

logger = logging.getLogger(__name__)

NO_THRESHOLD = -2.0
"""Below every cosine."""
OVERVIEW_PX = 2048
"""The longer side of the picture of a source that a result carries."""


@dataclass(frozen=True)
class Search:
    """What is looked for, and in which windows.

    Attributes:
        texts: one or more queries.
        against: what they are told from; none for plain cosines.
        templates: around each text; None for those of the adapter or modality.
        windows: their sides, such as "224" or "600m"; none for what the model takes.
        overlap: of neighbouring windows, as a part of their side.
        top: how many regions for each text.
        threshold: regions with a lower score are left out; None for all.
    """

    texts: Sequence[str]
    against: Sequence[str] = ()
    templates: Sequence[str] | None = None
    windows: Sequence[str | int] = ()
    overlap: float = USUAL_OVERLAP
    top: int = 20
    threshold: float | None = None


def locate(guide: Guide, inputs: Any, search: Search, folder: Path | None) -> Regions:
    """Return the regions of sources that fit texts best.

    Args:
        guide: domain and model.
        inputs: files, folders or globs.
        search: what is looked for.
        folder: where vectors of windows are kept; None for ``SCENE.windows`` in the current one.

    Raises:
        UsageError: a text, window, overlap or threshold that makes no sense.
        InputError: none of the sources can be read.
    """
    require_vectors(guide.adapter)
    if search.threshold is not None and math.isnan(search.threshold):
        raise UsageError("The threshold is not a number. Give one, such as --threshold 0.5")
    items = guide.find(inputs)
    plan = guide.planner.plan(items, thumbnails=False)
    if plan.encoder is None or plan.modality is None:
        raise LoadError(f"{items[0].name}: {guide.refuse_all(items, plan).failed[0].reason}")
    usual = plan.modality.templates
    prompts = [
        query_prompts(texts, search.templates, guide.adapter, usual) if texts else {}
        for texts in (search.texts or [""], search.against)
    ]
    scorer = make_scorer(plan.encoder, *prompts)
    sources: list[Scored] = []
    regions: list[Region] = []
    skipped: list[tuple[str, str, str]] = []
    for item in items:
        try:
            source = Source(guide, plan, item, folder)
            scored, found = _search(source, search, scorer, drawn=len(items) == 1)
        except InputError as error:
            reason = str(error) if guide.private is None else guide.private.scrub(str(error))
            skipped.append((item.name, error.status, reason))
        else:
            sources.append(scored)
            regions += found
    facts = guide.provenance(
        plan, queries=list(scorer.texts), against=list(search.against),
        windows_px=sorted({grid.window_px for source in sources for grid in source.grids}),
        overlap=search.overlap, skipped=skipped,
    )  # fmt: skip
    return Regions(ranked(regions, scorer.texts, search.top), facts, sources, skipped)


def ranked(regions: Sequence[Region], texts: Sequence[str], top: int) -> list[Region]:
    """Return the best regions of each text over all sources, with their ranks."""
    rows: list[Region] = []
    for text in texts:
        own = [region for region in regions if region.query == text]
        own.sort(key=lambda region: -region.score)
        rows += [replace(region, rank=rank) for rank, region in enumerate(own[:top], start=1)]
    return rows


def _search(
    source: Source, search: Search, scorer: Scorer, *, drawn: bool
) -> tuple[Scored, list[Region]]:
    """Embed the windows of a source that are not embedded yet, score all, and take the best.

    Where it may be drawn afterwards, how it looks is kept with the scores.
    """
    reader = reader_of(source.plan, source.item)
    with open_whole(source.item, reader) as opened:
        encoder = WindowEncoder(source.guide, source.plan, source.item, opened)
        grids = make_grids(reader, opened, search.windows, search.overlap)
        _say_if_one(source.item, grids)
        scores: list[NDArray[np.float32]] = []
        states: list[NDArray[np.uint8]] = []
        faults: dict[str, None] = {}
        for grid in grids:
            with source.store(grid) as store:
                embed_missing(encoder, grid, store)
                values = np.concatenate([scorer.scores(part) for part in store.chunks()])
                found = store.states()
                values[found != EMBEDDED] = np.nan
                scores.append(values)
                states.append(found)
                faults |= dict.fromkeys(store.faults())
        together = np.concatenate(states)
        if not (together == EMBEDDED).any():
            raise nothing_embedded(list(faults))
        picture = None
        if drawn and isinstance(opened, Overviewed):
            picture = opened.overview(OVERVIEW_PX)
        scored = Scored(
            source.item.name, reader.open_facts(opened.metadata), scorer.texts, grids,
            tuple(scores),
            int((together == EMPTY).sum()), int((together == FAILED).sum()), tuple(faults),
            picture,
            opened.pixel_size_m,
        )  # fmt: skip
        return scored, _best(scored, opened, search, reader)


def _say_if_one(item: Item, grids: Sequence[WindowGrid]) -> None:
    if sum(map(len, grids)) == 1:
        logger.warning(
            "%s is one window of %s px, so the only region is the whole. Name a smaller --window.",
            item.name, sides(grids[0].sides_px),
        )  # fmt: skip


def _best(scored: Scored, opened: Windowed, search: Search, reader: Reader) -> list[Region]:
    """Return the best regions of each query in one source, without ranks."""
    boxes = np.concatenate([grid.boxes() for grid in scored.grids])
    values = np.concatenate(scored.scores)
    threshold = NO_THRESHOLD if search.threshold is None else search.threshold
    regions = []
    for column, text in enumerate(scored.queries):
        for place in best_places(values[:, column], boxes, search.top, threshold):
            first, behind = np.split(boxes[place], 2)
            window = Window(tuple(first.tolist()), tuple((behind - first).tolist()))
            score = float(values[place, column])
            place_facts = reader.open_facts(opened.place(window))
            regions.append(Region(text, 0, score, scored.path, window, place_facts))
    return regions
