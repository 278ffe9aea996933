"""A page of predictions by taxon: counts for each rank, pictures, reasons, and a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.place_and_date import Circumstances, circumstances_of
from fieldguide.results import NONE_OF_THESE
from fieldguide.writers.html import MAX_PICTURES, render, write_predictions
from fieldguide.writers.point_map import MapPoint, point_map
from fieldguide.writers.taxon_groups import group_by_taxon, several_in_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fieldguide.results import Prediction, Predictions


def write_taxon_report(result: Predictions, path: Path) -> None:
    """Write a page by taxon; answers that are no taxa become a contact sheet.

    It needs no other file and no network. At most MAX_PICTURES pictures are in it; all are counted.

    Raises:
        StoreError: the file cannot be written.
    """
    rows = list(result)
    root = group_by_taxon(rows, MAX_PICTURES)
    refused = [row for row in rows if row.guesses and row.guesses[0].label == NONE_OF_THESE]
    is_by_taxon = root.count or result.provenance.get("taxonomy")
    if not is_by_taxon or root.count + len(refused) < sum(bool(row.guesses) for row in rows):
        write_predictions(result, path)
        return
    unused = [row for row in rows if not row.guesses]
    left = max(0, MAX_PICTURES - root.count)
    render(
        path,
        "taxa.html",
        title="Classification by taxon",
        inputs=len(rows),
        root=root,
        several=several_in_one(rows)[:MAX_PICTURES],
        refused=refused[:left],
        refused_count=len(refused),
        unused=unused[:MAX_PICTURES],
        unused_count=len(unused),
        map=point_map(list(_points(rows))),
        provenance=result.provenance,
    )


def _points(rows: Sequence[Prediction]) -> Iterator[MapPoint]:
    """Yield where named rows were taken, as far as they say."""
    for row in rows:
        best = row.guesses[0] if row.guesses else None
        place = circumstances_of(row.metadata, Circumstances()).place
        if best is not None and best.taxon is not None and place is not None:
            degrees = place.latitude_deg, place.longitude_deg
            yield MapPoint(*degrees, best.label, f"{best.label}: {row.path}")
