"""Which taxa of a tree the names of an occurrence table mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.taxonomy.lookup import meanings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree
    from fieldguide_biodiversity.priors.table import OccurrenceTable

UNKNOWN = -1
KINGDOMS = frozenset(
    ("Animalia", "Plantae", "Fungi", "Chromista", "Protozoa", "Bacteria", "Archaea", "Viruses")
)
"""Names of one spelling in all checklists; a bird is no herb of the same name."""
_CERTAIN = frozenset((None, "name", "synonym"))


@dataclass(frozen=True, eq=False)
class Matched:
    """The taxa of a table in a tree.

    Attributes:
        nodes: (T,) int32 of the taxa of ``OccurrenceTable.taxa``, in their order; -1 where
            neither the name nor one above it is in the tree.
        names: (T,) of the table.
        by_name: (T,) whether the name itself is in the tree and means one taxon of it. The records
            of others count for the nearest taxon above them that is.
    """

    nodes: NDArray[np.int32]
    names: tuple[str, ...]
    by_name: NDArray[np.bool_]

    def missing(self, tree: Tree, labels: NDArray[np.int32]) -> tuple[str, ...]:
        """Return names that should have been found: those of the clade that some labels make up."""
        first, last = int(labels.min()), int(labels.max())
        whole = [node for node in tree.lineage(first) if tree.ends[node] > last]
        if not whole:
            return ()
        within = (self.nodes >= whole[-1]) & (self.nodes < tree.ends[whole[-1]])
        return tuple(self.names[place] for place in np.flatnonzero(within & ~self.by_name))


def match_taxa(table: OccurrenceTable, tree: Tree) -> Matched:
    """Find the taxa of a table in a tree, by canonical names and synonyms, never by likeness.

    A name that several taxa share is told apart by the names above it.
    """
    taxa = table.taxa
    names: list[str] = taxa.column("taxon").to_pylist()
    lineages = [above.split("/") if above else [] for above in taxa.column("above").to_pylist()]
    nodes = _find(tree, names, lineages)
    by_name = np.array(nodes, np.int32).reshape(-1) != UNKNOWN
    while open_ := [p for p, node in enumerate(nodes) if node == UNKNOWN and lineages[p]]:
        above = [lineages[place].pop() for place in open_]
        for place, node in zip(
            open_, _find(tree, above, [lineages[p] for p in open_]), strict=True
        ):
            nodes[place] = node
    return Matched(np.array(nodes, np.int32).reshape(-1), tuple(names), by_name)


def _find(tree: Tree, names: Sequence[str], lineages: Sequence[Sequence[str]]) -> list[int]:
    """Return the taxon of each name that fits the names above it; -1 where none or several do."""
    distinct = list(dict.fromkeys(names))
    found = dict(zip(distinct, meanings(tree, distinct), strict=True))
    return [
        UNKNOWN if found[name].kind not in _CERTAIN else _fitting(tree, found[name].nodes, lineage)
        for name, lineage in zip(names, lineages, strict=True)
    ]


def _fitting(tree: Tree, nodes: Sequence[int], lineage: Sequence[str]) -> int:
    said = set(lineage)
    shared: dict[int, int] = {}
    for node in nodes:
        above = {tree.name_of(i) for i in tree.lineage(node)[:-1]}
        if not (said & KINGDOMS and above & KINGDOMS and not said & above & KINGDOMS):
            shared[node] = len(said & above)
    best = [node for node, count in shared.items() if count == max(shared.values())]
    return best[0] if len(best) == 1 else UNKNOWN
