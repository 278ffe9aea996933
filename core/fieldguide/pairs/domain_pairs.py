"""Pairs of a domain out of pairs of anything, in four stages.

Zhang et al. 2023, "RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset and A Large
Vision-Language Model for Remote Sensing", arXiv:2306.11300, section III: keywords in the text,
pictures that cannot be used, duplicates, and pictures that a vision-language model and a detector
do not take for pictures of the domain.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path
from fieldguide.pairs.keywords import KeywordStage
from fieldguide.pairs.outliers import OutlierStage
from fieldguide.pairs.pair import TEXT_COLUMNS, pairs_of
from fieldguide.pairs.pictures import DuplicateStage, InvalidStage, Looks
from fieldguide.pairs.stages import PairReport, run_stages
from fieldguide.pairs.words import PairWords, domain_words
from fieldguide.privacy.ids import is_item_id
from fieldguide.writers.provenance import make_provenance

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.pairs.stages import PairRow

MIN_SIDE_PX = 64
THRESHOLD = 0.5


def filter_pairs(
    guide: Guide,
    manifest: Any,
    words: PairWords | None = None,
    *,
    caption_column: str | None = None,
    min_side_px: int = MIN_SIDE_PX,
    threshold: float = THRESHOLD,
) -> PairReport:
    """Return which rows of a manifest are pairs of the guide's domain, and why the others are not.

    Args:
        guide: domain, model and adapter; its model scores the pictures.
        manifest: CSV or JSON Lines with a path and a text in each row.
        words: keywords and texts; by default those of the domain.
        caption_column: with the texts; by default "caption", "captions" or "text".
        min_side_px: the shorter side of a picture that is kept.
        threshold: the probability of the domain's texts from which on a picture is kept.

    Raises:
        UsageError: the manifest cannot be read, or no row has a text.
    """
    used = words or domain_words(guide.domain)
    looks = Looks(guide)
    outliers = OutlierStage(guide, used.inside, used.outside, threshold)
    stages = (
        KeywordStage(used.keywords),
        InvalidStage(looks, min_side_px),
        DuplicateStage(looks),
        outliers,
    )
    texts = TEXT_COLUMNS if caption_column is None else (caption_column,)
    pairs = pairs_of(guide.find(manifest, shown=texts), caption_column)
    facts = make_provenance(
        domain=guide.domain.name,
        words=used.model_dump(),
        min_side_px=min_side_px,
        threshold=threshold,
        pairs=len(pairs),
    )
    report = run_stages(pairs, stages, facts)
    return PairReport(report, report.counts, {**outliers.provenance, **report.provenance})


def write_kept(report: PairReport, path: Path) -> None:
    """Write the pairs that were kept as a manifest in JSON Lines, for ``fieldguide tune``.

    Paths are relative to the manifest; the columns of the rows and the scores are kept.

    Raises:
        StoreError: it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for row in report.kept:
            stream.write(json.dumps(_row(row, path.absolute().parent), default=str) + "\n")


def _row(row: PairRow, folder: Path) -> dict[str, Any]:
    return {**manifest_row(row.pair.item, folder), **row.notes}


def manifest_row(item: Item, folder: Path) -> dict[str, Any]:
    """Return an item as a row of a manifest that lies in a folder."""
    target = "" if item.path is None else os.path.relpath(item.path.absolute(), folder)
    if is_item_id(item.name):  # of a private domain
        return {"image": item.name, **item.metadata}
    own_id = {} if item.path is not None and item.id == item.path.absolute().as_posix() else {
        "id": item.id
    }  # fmt: skip
    return {"image": target, **own_id, **item.metadata}
