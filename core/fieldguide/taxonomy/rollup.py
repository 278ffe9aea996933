"""From probabilities of labels to probabilities of all taxa above them; exact, level by level."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.taxonomy.tree import NO_PARENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.prune import Pruned


@dataclass(frozen=True)
class Level:
    """Taxa of one depth and how they fall to their parents.

    Attributes:
        nodes: (K,) of this depth, in depth-first order, so that siblings are neighbours.
        parents: (P,) their distinct parents, in the same order.
        starts: (P,) where the children of each begin among ``nodes``.
    """

    nodes: NDArray[np.int64]
    parents: NDArray[np.int32]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class RollUp:
    """Sums of probabilities along a tree of which every leaf is a label.

    The probability of a taxon is its own, where it is a label, and the sum of its children's.
    """

    pruned: Pruned

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The depths of the tree that have parents, deepest first."""
        tree = self.pruned.tree
        by_depth = np.argsort(tree.depths, kind="stable")
        bounds = np.searchsorted(tree.depths[by_depth], np.arange(1, tree.depths.max() + 2))
        levels = []
        for first, end in itertools.pairwise(bounds):
            nodes = by_depth[first:end]
            above = tree.parents[nodes]
            starts = np.flatnonzero(np.r_[True, above[1:] != above[:-1]])
            levels.append(Level(nodes, above[starts], starts))
        return tuple(reversed(levels))

    def __call__(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return (N, M) probabilities of the M taxa for (N, C) probabilities of the C labels."""
        shape = (len(probabilities), len(self.pruned.tree))
        found = np.zeros(shape, probabilities.dtype)
        found[:, self.pruned.labels] = probabilities
        for level in self.levels:
            sums = np.add.reduceat(found[:, level.nodes], level.starts, axis=1)
            found[:, level.parents] += sums
        return found


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
