"""Which taxa of a tree were recorded in a country."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from fieldguide.errors import UsageError
from fieldguide_biodiversity.priors.matching import match_taxa
from fieldguide_biodiversity.priors.table import OccurrenceTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree

COUNTRIES_SHOWN = 20


def taxa_of_region(region: str, tree: Tree, table: OccurrenceTable) -> NDArray[np.int32]:
    """Return the taxa that were recorded in a country, ascending; one record suffices.

    A record of a genus alone does not bring all of its species.

    Args:
        region: an ISO 3166 code, such as ``GB``, as in Darwin Core's countryCode.
        tree: whose taxa are meant.
        table: of occurrences.

    Raises:
        UsageError: the table does not know the country, or none of its taxa is in the tree.
    """
    code = region.strip().upper()
    countries = pc.utf8_upper(table.counts.column("country"))
    there = OccurrenceTable(table.counts.filter(pc.equal(countries, code)))
    if not code or not len(there.counts):
        raise UsageError(_no_country(region, pc.unique(countries).to_pylist()))
    matched = match_taxa(there, tree)
    known = matched.nodes >= 0
    nodes = matched.nodes[known]
    is_leaf = tree.ends[nodes] == nodes + 1
    is_species = np.array([" " in name for name in matched.names], bool)[known]
    found = np.unique(nodes[is_leaf | (is_species & matched.by_name[known])])
    if not len(found):
        raise UsageError(
            f"None of the taxa recorded in {code} is in the tree {tree.info.name!r}. Name another "
            "--taxonomy or another table of occurrences."
        )
    return found


def _no_country(region: str, known: list[str]) -> str:
    codes = sorted(filter(None, known))
    if not codes:
        return (
            f"The occurrences do not say in which country they were made, so that region:{region} "
            "is not known. Build them from a download with a column countryCode."
        )
    more = "" if len(codes) <= COUNTRIES_SHOWN else f" and {len(codes) - COUNTRIES_SHOWN} more"
    return (
        f"The occurrences know no region {region!r}; they have {', '.join(codes[:COUNTRIES_SHOWN])}"
        f"{more}. Choose one of these codes of countries (ISO 3166): --clade region:{codes[0]}"
    )
