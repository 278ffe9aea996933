"""The slices of a CT volume in which a text was found, best first, as a table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.files import atomic_path
from fieldguide_medical.heat_volume import heat_of_voxels, the_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.localization.result import Regions, Scored

COLUMNS = ("query", "rank", "slice", "score", "z_mm", "x_mm", "y_mm", "x_vox", "y_vox")


def write_slice_list(result: Regions, path: Path) -> None:
    """Write every axial slice that has a score, best first for each text.

    ``slice`` counts from 0 at the feet, whatever the order of the file. The score is the highest
    in the slice, and the other columns say where that is: in millimetres (RAS: to the patient's
    right, anterior, superior are positive) and in voxels of the RAS order.

    Raises:
        UsageError: several volumes were searched, or none.
    """
    source = the_volume(result, path)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as rows:
        writer = csv.DictWriter(rows, COLUMNS)
        writer.writeheader()
        for text in source.queries:
            writer.writerows(slices_of(source, text))


def slices_of(source: Scored, text: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each slice that has a score, best first."""
    heat = heat_of_voxels(source, text)
    flat = np.where(np.isnan(heat), -np.inf, heat).reshape(-1, heat.shape[2])
    best = flat.max(axis=0)
    affine = np.array(source.metadata["affine"], np.float64)
    for rank, z in enumerate(np.argsort(-best, kind="stable"), start=1):
        if best[z] == -np.inf:
            return
        x, y = np.unravel_index(flat[:, z].argmax(), heat.shape[:2])
        x_mm, y_mm, z_mm = (affine @ [x, y, z, 1])[:3]
        yield {
            "query": text, "rank": rank, "slice": int(z), "score": round(float(best[z]), 6),
            "z_mm": round(float(z_mm), 2), "x_mm": round(float(x_mm), 2),
            "y_mm": round(float(y_mm), 2), "x_vox": int(x), "y_vox": int(y),
        }  # fmt: skip
