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
        originals: (C,) int32, their places in the tree that it was cut from.
    """

    tree: Tree
    labels: NDArray[np.int32]
    originals: NDArray[np.int32]


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
    return Pruned(smaller, before[originals], originals)


def _other_names(tree: Tree, kept: NDArray[np.bool_], before: NDArray[np.int32]) -> pa.Table:
    nodes = tree.other_names.column("node").to_numpy()
    rows = tree.other_names.filter(pa.array(kept[nodes]))
    place = rows.schema.get_field_index("node")
    moved = pa.array(before[rows.column("node").to_numpy()], pa.int32())
    return rows.set_column(place, tree.other_names.schema.field("node"), moved)
