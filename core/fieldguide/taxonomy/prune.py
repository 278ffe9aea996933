"""The part of a tree that some taxa need: they and all above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fieldguide.taxonomy.tree import NO_PARENT, Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pruned:
    """A tree of which every leaf is a label.

    Attributes:
        tree: only what the labels need.
        labels: (C,) int32, the labels' places in it, ascending; one may stand above others.
        whole: the tree that it was cut from.
        origins: (M,) int32, the places of all its taxa in the whole tree, ascending.
    """

    tree: Tree
    labels: NDArray[np.int32]
    whole: Tree
    origins: NDArray[np.int32]

    @property
    def originals(self) -> NDArray[np.int32]:
        """(C,) places of the labels in the whole tree."""
        return self.origins[self.labels]

    def nearest(self, node: int) -> int | None:
        """Return the narrowest taxon here that a taxon of the whole tree is or belongs to."""
        for above in reversed(self.whole.lineage(node)):
            place = int(np.searchsorted(self.origins, above))
            if place < len(self.origins) and self.origins[place] == above:
                return place
        return None


def prune(tree: Tree, nodes: NDArray[np.integer]) -> Pruned:
    """Return a tree of some taxa and of all above them; doubled ones count once."""
    originals = np.unique(np.asarray(nodes, np.int32))
    kept = np.zeros(len(tree), bool)
    above = originals
    while len(above):
        kept[above] = True
        above = tree.parents[above]
        above = np.unique(above[above != NO_PARENT])
        above = above[~kept[above]]
    old = np.flatnonzero(kept)
    before = np.r_[0, np.cumsum(kept)].astype(np.int32)
    parents = tree.parents[old]
    smaller = Tree(
        info=tree.info,
        ranks=tree.ranks,
        names=tree.names.take(pa.array(old)),
        rank_codes=tree.rank_codes[old],
        parents=np.where(parents == NO_PARENT, NO_PARENT, before[parents]).astype(np.int32),
        ends=before[tree.ends[old]],
        ids=tree.ids.take(pa.array(old)),
        authorships=tree.authorships.take(pa.array(old)),
        other_names=_other_names(tree, kept, before),
    )
    return Pruned(smaller, before[originals], tree, old.astype(np.int32))


def _other_names(tree: Tree, kept: NDArray[np.bool_], before: NDArray[np.int32]) -> pa.Table:
    nodes = tree.other_names.column("node").to_numpy()
    rows = tree.other_names.filter(pa.array(kept[nodes]))
    place = rows.schema.get_field_index("node")
    moved = pa.array(before[rows.column("node").to_numpy()], pa.int32())
    return rows.set_column(place, tree.other_names.schema.field("node"), moved)
