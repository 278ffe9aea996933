"""By which backends and precisions the rows of a store were computed, over all its jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fieldguide.writers.provenance import provenance_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.data.store_job import Filled

KEY = "rows_written_by"
UNKNOWN = "not recorded"


def rows_written_by(target: Path, computing: Mapping[str, Any], filled: Filled) -> dict[str, int]:
    """Return how many rows of a store were written by each way to compute.

    A store grows over many jobs, and not all need have run in one precision. Rows that were
    replaced or deleted since count too.

    Args:
        target: the store; the record of its last job stands beside it.
        computing: how this job computes.
        filled: what this job wrote and kept.
    """
    counts = _earlier(provenance_path(target))
    if filled.kept and not counts:
        counts[UNKNOWN] = filled.kept
    if filled.added:
        way = f"{computing.get('backend', UNKNOWN)} {computing.get('precision', '')}".strip()
        counts[way] = counts.get(way, 0) + filled.added
    return counts


def _earlier(path: Path) -> dict[str, int]:
    """Return the counts of the last job; empty where there are none."""
    try:
        found = json.loads(path.read_text("utf-8"))[KEY]
        return {str(way): int(rows) for way, rows in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
