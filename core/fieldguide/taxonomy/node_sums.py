"""Weights of labels summed to weights of the taxa above them, for half a million labels at once.

The weight of a taxon is its own, where it is a label, and the sum of its children's. Labels stand
in the rows, so that one addition serves a row of images. Only taxa with others below them have sums
of their own: of a tree of species most are leaves, whose weight is that of their label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.taxonomy.group_sums import GroupSums
from fieldguide.taxonomy.tree import NO_PARENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.prune import Pruned


class NodeSums:
    """How the labels of a tree add up to its inner taxa, those that have others below them.

    Args:
        pruned: the tree, every leaf of which is one of its C labels.
    """

    def __init__(self, pruned: Pruned) -> None:
        tree, labels = pruned.tree, pruned.labels
        is_inner = tree.ends > np.arange(1, len(tree) + 1)
        inner = np.flatnonzero(is_inner)
        deepest_first = inner[np.argsort(-tree.depths[inner], kind="stable")]
        self.rows = np.full(len(tree), -1, np.int32)  # of inner taxa among the sums
        self.rows[deepest_first] = np.arange(len(inner))
        self.labels_at = np.full(len(tree), -1, np.int32)
        self.labels_at[labels] = np.arange(len(labels))
        above = tree.parents[labels]
        own = np.where(is_inner[labels], labels, above)
        self._own = GroupSums(np.where(own == NO_PARENT, -1, self.rows[own]), len(inner))
        self._levels = self._steps(tree.parents[deepest_first], tree.depths[deepest_first])

    def __call__(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (I, N) sums of the inner taxa, for (C, N) weights of the labels."""
        sums = self._own(weights)
        for children, parents, add in self._levels:
            sums[parents] += add(sums[children])
        return sums

    def pick(
        self,
        nodes: NDArray[np.integer],
        weights: NDArray[np.float32],
        sums: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return (M, N) weights of any M taxa, from those of labels and what a call returned."""
        rows = self.rows[nodes]
        found = np.empty((len(nodes), weights.shape[1]), np.float32)
        found[rows >= 0] = sums[rows[rows >= 0]]
        found[rows < 0] = weights[self.labels_at[nodes[rows < 0]]]
        return found

    def _steps(
        self, parents: NDArray[np.integer], depths: NDArray[np.integer]
    ) -> list[tuple[slice, slice, GroupSums]]:
        """Return for each depth with parents, deepest first: its rows, those above, the sums."""
        steps = []
        for depth in range(int(depths.max(initial=0)), 0, -1):
            below, above = (_run(-depths, -level) for level in (depth, depth - 1))
            owners = self.rows[parents[below]] - above.start
            steps.append((below, above, GroupSums(owners, above.stop - above.start)))
        return steps


def _run(ascending: NDArray[np.integer], value: int) -> slice:
    """Return where a value stands in ascending numbers."""
    first, end = np.searchsorted(ascending, (value, value + 1))
    return slice(int(first), int(end))
