"""What every reader of checklists makes: names with their parents, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.taxonomy.tree import TreeInfo

USAGES = ("id", "parent_id", "accepted_id", "name", "full_name", "authorship", "rank", "status")
"""Columns of a name's use: text, null where it is not known.

- id: unique.
- parent_id: of the taxon above; null of roots.
- accepted_id: of the taxon whose synonym this is.
- name: without authors; full_name: perhaps with them. One of both must be there.
- status: as the source writes it: accepted, synonym, doubtful ...
"""
VERNACULARS = ("id", "name", "language", "preferred")
"""Columns of a common name: whose, itself, its language in any code, whether it is preferred."""

Aliases = dict[str, tuple[str, ...]]

USAGE_ALIASES: Aliases = {
    "id": ("taxonid", "id", "taxon_id", "key", "taxonkey"),
    "parent_id": (
        *("parentnameusageid", "parentid", "parent_id", "parent_key", "parentkey", "parent"),
        *("parenttaxonid", "parent_taxon_id"),
    ),
    "accepted_id": ("acceptednameusageid", "accepted_id", "acceptedid", "acceptedtaxonkey"),
    "name": ("canonicalname", "canonical_name"),
    "full_name": ("scientificname", "scientific_name", "name", "taxon", "taxon_name"),
    "authorship": ("scientificnameauthorship", "authorship", "author"),
    "rank": ("taxonrank", "rank", "taxon_rank"),
    "status": ("taxonomicstatus", "status", "taxonomic_status"),
}
"""How Darwin Core, ChecklistBank and people write these columns, in lower case."""
PLACES = ("id", "country", "place", "status")
"""Columns of a distribution: whose it is, codes of its country and place, what it is there."""
PLACE_ALIASES: Aliases = {
    "id": ("taxonid", "id"),
    "country": ("countrycode",),
    "place": ("locationid", "areaid", "area"),
    "status": ("occurrencestatus", "status", "establishmentmeans"),
}
VERNACULAR_ALIASES: Aliases = {
    "id": ("taxonid", "id"),
    "name": ("vernacularname", "name"),
    "language": ("language", "lexicon"),
    "preferred": ("ispreferredname", "preferred"),
}


@dataclass(frozen=True)
class Checklist:
    """A taxonomy as it was read; :mod:`.assemble` makes a tree of it.

    Attributes:
        info: where it comes from.
        usages: columns ``USAGES``; without parents where ``lineages`` has them.
        vernaculars: columns ``VERNACULARS``.
        lineages: one column a rank, by which each usage has its place; None where parent ids do.
        unread: how many rows could not be read, by what was wrong with them.
    """

    info: TreeInfo
    usages: pa.Table
    vernaculars: pa.Table = field(default_factory=lambda: text_table(VERNACULARS))
    lineages: pa.Table | None = None
    unread: Mapping[str, int] = field(default_factory=dict)


def text_table(
    names: Sequence[str], columns: Mapping[str, pa.ChunkedArray | pa.Array] | None = None
) -> pa.Table:
    """Return a table of text with some columns; those that are not given are null throughout.

    Args:
        names: of all columns.
        columns: some of them, of one length.
    """
    given = columns or {}
    count = max((len(column) for column in given.values()), default=0)
    return pa.table(
        {name: given.get(name, pa.nulls(count, pa.string())) for name in names},
        schema=pa.schema([(name, pa.string()) for name in names]),
    )
