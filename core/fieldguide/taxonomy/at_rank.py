"""Which taxon stands for each label when answers are given at a rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.taxonomy.tree import NO_PARENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.prune import Pruned


def partition_at(pruned: Pruned, rank: str) -> NDArray[np.int32]:
    """Return (C,) for each label the taxon that stands for it at a rank; no label is left out.

    That is its taxon of that rank; where its lineage has a gap there, the widest one below the
    gap; and the label itself where it is wider than the rank.

    Raises:
        ValueError: the tree has no such rank.
    """
    tree = pruned.tree
    code = tree.ranks.index(rank)
    chosen = pruned.labels.copy()
    current = pruned.labels.copy()
    while (current != NO_PARENT).any():
        inside = current != NO_PARENT
        fits = np.zeros(len(current), bool)
        fits[inside] = tree.rank_codes[current[inside]] >= code
        chosen[fits] = current[fits]
        current[inside] = tree.parents[current[inside]]
    return chosen
