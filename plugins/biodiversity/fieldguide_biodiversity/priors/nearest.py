"""Which taxa were recorded most around a place and month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fieldguide_biodiversity.priors.kernel import (
    CellWeights,
    weight_of_distance,
    weight_of_months,
)

if TYPE_CHECKING:
    from fieldguide.data.place_and_date import Place
    from fieldguide_biodiversity.priors.table import OccurrenceTable


def most_recorded(
    table: OccurrenceTable, place: Place | None, month: int | None, top: int
) -> list[dict[str, Any]]:
    """Return the taxa with the most records, each counted by its distance in space and months.

    Args:
        table: of occurrences.
        place: None for everywhere.
        month: None for all the year.
        top: how many taxa.

    Returns:
        Rows with taxon, above, weighted and records, the most first.
    """
    counts = table.counts
    weights = counts.column("records").to_numpy().astype(np.float64)
    if place is not None:
        cells, row_cell = np.unique(counts.column("cell").to_numpy(), return_inverse=True)
        distances = CellWeights.of(cells).distances_km(place)
        weights = weights * weight_of_distance(distances)[row_cell]
    if month is not None:
        weights = weights * weight_of_months(month)[counts.column("month").to_numpy()]
    keys = ["taxon", "above"]
    weighted = counts.select([*keys, "records"]).append_column("weighted", pa.array(weights))
    summed = weighted.group_by(keys).aggregate([("weighted", "sum"), ("records", "sum")])
    order = [("weighted_sum", "descending"), ("taxon", "ascending")]
    best = summed.sort_by(order).slice(0, top).to_pylist()
    return [
        {
            "taxon": row["taxon"],
            "above": row["above"].replace("/", " > "),
            "weighted": round(row["weighted_sum"], 2),
            "records": row["records_sum"],
        }
        for row in best
        if row["weighted_sum"] > 0
    ]
