"""Where the taxa of a checklist live, by its distributions: the list of a country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError, UsageError
from fieldguide.results import Rows
from fieldguide.writers.provenance import make_provenance
from fieldguide_biodiversity.checklists.coldp import coldp_places, is_coldp
from fieldguide_biodiversity.checklists.columns import NOWHERE, one_array, places_of
from fieldguide_biodiversity.checklists.container import opened
from fieldguide_biodiversity.checklists.darwin_core import darwin_core_places, is_darwin_core
from fieldguide_biodiversity.checklists.read import build

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.taxonomy.tree import Tree

ABSENT = ("absent", "excluded", "extirpated", "false", "irregular/doubtful")
"""Statuses by which a distribution says that a taxon is not there."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Resident:
    """A taxon of a place.

    Attributes:
        node: in the checklist's tree.
        status: what the source says of its presence there, such as native; or empty.
    """

    node: int
    status: str


class ResidentTable(Rows[Resident]):
    """The taxa of a place, in the order of the tree; ``classify --clade`` takes it as a list."""

    kind = "name_matches"

    def __init__(self, rows: list[Resident], tree: Tree, provenance: dict[str, Any]) -> None:
        super().__init__(rows, provenance)
        self.tree = tree

    def records(self) -> list[dict[str, Any]]:
        """Return scientificName, taxonRank, taxonID and status."""
        return [
            {
                "scientificName": self.tree.name_of(row.node),
                "taxonRank": self.tree.rank_of(row.node),
                "taxonID": self.tree.ids[row.node].as_py(),
                "status": row.status or None,
            }
            for row in self._rows
        ]


def residents(path: Path, country: str) -> ResidentTable:
    """Return the taxa that a checklist has in a country.

    Args:
        path: of a Darwin Core or ColDP archive, or its folder.
        country: its ISO 3166 code, such as ``GB``; parts of it (``GB-ENG``) count.

    Raises:
        UsageError: the source cannot be read, has no distributions, or none in that country.
    """
    code = country.strip().upper()
    try:
        with opened(path) as container:
            if is_darwin_core(container):
                found = darwin_core_places(container)
            elif is_coldp(container):
                found = coldp_places(container)
            else:
                raise LoadError("it is no Darwin Core or ColDP archive, and only they have places.")
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    codes = pc.utf8_upper(pc.coalesce(found.column("country"), found.column("place")))
    codes = pc.replace_substring_regex(codes, r"^ISO[ _-]?(3166(-1)?)?:", "")
    there = found.filter(pc.fill_null(_is_within(codes, code), False))
    if not there.num_rows:
        known = sorted(filter(None, pc.unique(codes).to_pylist()))[:SHOWN]
        raise UsageError(f"{path} has no taxon in {code!r}. It names: {', '.join(known) or 'none'}")
    tree = build(path).tree
    nodes = places_of(there.column("id"), tree.ids)
    status = pc.fill_null(there.column("status"), "").to_pylist()
    rows = {
        int(node): Resident(int(node), told)
        for node, told in zip(nodes, status, strict=True)
        if node != NOWHERE and told.lower() not in ABSENT
    }
    facts = {"taxonomy": tree.info.name, "country": code, "without_taxon": int(np.sum(nodes < 0))}
    provenance = make_provenance(domain="biodiversity", **facts)
    return ResidentTable([rows[node] for node in sorted(rows)], tree, provenance)


def _is_within(codes: pa.ChunkedArray, code: str) -> pa.Array:
    return one_array(pc.or_(pc.equal(codes, code), pc.starts_with(codes, f"{code}-")))
