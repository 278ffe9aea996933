"""From a row of an index's table to a match."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fieldguide.results import Match

if TYPE_CHECKING:
    from collections.abc import Mapping

MATCH_COLUMNS = ("id", "path", "metadata", "thumbnail")


def make_match(
    row: Mapping[str, Any], rank: int, similarity: float, terms: Mapping[str, float] | None = None
) -> Match:
    """Return the match of a row that has at least the columns of ``MATCH_COLUMNS``."""
    return Match(
        rank=rank,
        path=row["path"],
        id=row["id"],
        similarity=similarity,
        metadata=dict(json.loads(row["metadata"])),
        thumbnail=row["thumbnail"],
        terms=terms or {},
    )
