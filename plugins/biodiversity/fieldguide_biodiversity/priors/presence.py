"""How likely each of many labels is to be there, from counts of records around a place and month.

A count is not an abundance: people record what they like and where they live. So a taxon without
records is held against the records of its relatives, which the same people would have made (the
target group of Phillips et al. 2009, "Sample selection bias and presence-only distribution models",
doi:10.1890/07-2153.1), and one with records is taken to be there. With n(v) the records of a taxon
v, of which those below are part, p its parent, and a a number of pseudo-records, from the root of
the tree down

    u(v) = R(p) * a / (a + n(relatives of v)),      relatives: the other taxa below p
    R(v) = (n(v) + a * u(v)) / (n(v) + a),          R(root) = 1.

This is additive smoothing (Lidstone 1920) of the presence of v towards u(v), what its relatives
say; a taxon without records inherits from those above it, as in shrinkage along a hierarchy
(McCallum et al. 1998, "Improving text classification by shrinkage in a hierarchy of classes").
Where nobody recorded anything R is 1 everywhere. The log prior is

    log(f + (1 - f) * R),

so that a label loses at most log(1/f) against any other: a boost, not a filter.

A table speaks of the smallest clade that holds nearly all of its records, and of nothing else: a
table of birds says nothing of beetles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree

PSEUDO_RECORDS = 10.0
FLOOR = 0.01
"""A label without records is at most a hundred times less likely."""
NEARLY_ALL = 0.99
"""Of the records of a table: the smallest clade that holds so many is what it speaks of."""
NO_PARENT = -1


@dataclass(frozen=True, eq=False)
class _Counts:
    """Weighted records of U taxa.

    Attributes:
        own: (U,) without those below.
        below: (U,) with those below.
        among: (U,) of what competes inside a taxon: those below it, and a label's own.
        everything: in all.
    """

    own: NDArray[np.float64]
    below: NDArray[np.float64]
    among: NDArray[np.float64]
    everything: float


def _smoothed(
    records: NDArray[np.float64], inherited: NDArray[np.float64], relatives: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return R of taxa by their records, R of their parents, and the records of their relatives."""
    towards = inherited * PSEUDO_RECORDS / (PSEUDO_RECORDS + relatives)
    return np.asarray((records + PSEUDO_RECORDS * towards) / (records + PSEUDO_RECORDS))


@dataclass(frozen=True, eq=False)
class RecordedTree:
    """The part of a tree that has records, over the labels of a run.

    The U taxa with records, and all above them, stand in the order of the tree.

    Attributes:
        nodes: (U,) int32 places in the tree.
        parents: (U,) int64 places among the U; -1 of roots.
        ends: (U,) int64, one past the last of each one's own among the U.
        first_label: (U,) int64, the first of the labels, in the order of the tree, that is it or
            belongs to it.
        end_label: (U,) int64, one past the last.
        is_label: (U,) whether it is a label itself; it then is ``first_label``.
        is_leaf: (U,) whether it is a label with no other below it.
        order: (C,) int64, the place of each of the sorted labels among those of the run.
        scope: the place among the U of the clade that the table speaks of; -1 for all.
    """

    nodes: NDArray[np.int32]
    parents: NDArray[np.int64]
    ends: NDArray[np.int64]
    first_label: NDArray[np.int64]
    end_label: NDArray[np.int64]
    is_label: NDArray[np.bool_]
    is_leaf: NDArray[np.bool_]
    order: NDArray[np.int64]
    scope: int

    def log_prior(self, own: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return (C,) log priors of the labels, between log ``FLOOR`` and 0.

        Args:
            own: (U,) weighted records of each taxon, without those below it.
        """
        counts = self._counts(own)
        presence, unseen = self._presence(counts)
        values = self._painted(presence, unseen, counts)
        found = np.empty(len(self.order), np.float32)
        found[self.order] = np.log(FLOOR + (1 - FLOOR) * np.clip(values, 0.0, 1.0))
        return found

    def _counts(self, own: NDArray[np.float64]) -> _Counts:
        sums = np.concatenate([[0.0], np.cumsum(own)])
        below = np.maximum(sums[self.ends] - sums[:-1], own)  # rounding loses nothing
        among = np.where(self.is_leaf, 0.0, below - np.where(self.is_label, 0.0, own))
        return _Counts(own, below, among, float(below[self.parents == NO_PARENT].sum()))

    def _presence(self, counts: _Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (U,) R of each taxon, and of what is below it and has no records; 1 elsewhere."""
        a, below = PSEUDO_RECORDS, counts.below
        presence, unseen = np.ones(len(below)), np.ones(len(below))
        for level in self._levels:
            above = self.parents[level]
            is_root = above == NO_PARENT
            inherited = np.where(is_root, 1.0, presence[above])
            competing = np.where(is_root, counts.everything, counts.among[above])
            relatives = np.maximum(competing - below[level], 0.0)
            presence[level] = _smoothed(below[level], inherited, relatives)
        inside = self._inside
        unseen[inside] = presence[inside] * a / (a + counts.among[inside])
        return presence, unseen

    def _painted(
        self, presence: NDArray[np.float64], unseen: NDArray[np.float64], counts: _Counts
    ) -> NDArray[np.float64]:
        """Return (C,) R of the labels in the order of the tree.

        Each taxon gives its value to all labels in it, and those inside it change it again.
        """
        is_all = self.scope == NO_PARENT
        base = PSEUDO_RECORDS / (PSEUDO_RECORDS + counts.everything) if is_all else 1.0
        count = len(self.order)
        steps = unseen - np.where(self.parents == NO_PARENT, base, unseen[self.parents])
        edges = np.bincount(self.first_label, steps, count + 1)
        edges -= np.bincount(self.end_label, steps, count + 1)
        values = np.asarray(base + np.cumsum(edges)[:count], np.float64)
        inner = self._inside & self.is_label & ~self.is_leaf  # a label with labels below it
        others = np.maximum(counts.among[inner] - counts.own[inner], 0.0)
        values[self.first_label[inner]] = _smoothed(counts.own[inner], presence[inner], others)
        return values

    @cached_property
    def _inside(self) -> NDArray[np.bool_]:
        """(U,) whether the table speaks of what is below a taxon."""
        if self.scope == NO_PARENT:
            return np.ones(len(self.nodes), bool)
        places = np.arange(len(self.nodes))
        return np.asarray((places >= self.scope) & (places < self.ends[self.scope]))

    @cached_property
    def _levels(self) -> list[NDArray[np.int64]]:
        """Places of the taxa strictly below the scope, those of one depth together, from above."""
        depth = np.zeros(len(self.nodes), np.int64)
        for place, parent in enumerate(self.parents.tolist()):
            depth[place] = 0 if parent == NO_PARENT else depth[parent] + 1
        judged = self._inside.copy()
        if self.scope != NO_PARENT:
            judged[self.scope] = False
        return [
            np.flatnonzero(judged & (depth == d)) for d in range(int(depth.max(initial=-1)) + 1)
        ]


def counted_at(tree: Tree, taxa: NDArray[np.int32], labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for (T,) taxa the (T,) taxa that their records count for; -1 for none.

    Records of a label count for it, those below a label for the label, those of a taxon with
    labels below it for the taxon.

    Args:
        tree: of all of them.
        taxa: with records; -1 for none.
        labels: (C,) of the run, in the order of the tree.
    """
    first = np.searchsorted(labels, taxa)
    ends = tree.ends[taxa]
    holds_labels = first < np.searchsorted(labels, ends)
    found = np.where((taxa >= 0) & holds_labels, taxa, NO_PARENT)
    is_label = np.zeros(len(tree), bool)
    is_label[labels] = True
    open_ = np.flatnonzero((taxa >= 0) & ~holds_labels)
    current = tree.parents[taxa[open_]]
    while len(open_):
        alive = current != NO_PARENT
        open_, current = open_[alive], current[alive]
        hit = is_label[current]
        found[open_[hit]] = current[hit]
        open_, current = open_[~hit], tree.parents[current[~hit]]
    return found.astype(np.int32)


def recorded_tree(
    tree: Tree, counted: NDArray[np.int32], nodes: NDArray[np.int32], scope: int
) -> RecordedTree:
    """Return the part of a tree with records.

    Args:
        tree: of the labels.
        counted: (T,) as of :func:`counted_at`, without -1.
        nodes: (C,) of the labels, in the order of the run.
        scope: the taxon that the table speaks of, see :func:`scope_of`; -1 for all.
    """
    order = np.argsort(nodes, kind="stable")
    labels = nodes[order]
    used = _with_all_above(tree, counted)
    parents = np.searchsorted(used, tree.parents[used]).astype(np.int64)
    parents[tree.parents[used] == NO_PARENT] = NO_PARENT
    first, end = np.searchsorted(labels, used), np.searchsorted(labels, tree.ends[used])
    is_label = labels[np.minimum(first, len(labels) - 1)] == used
    return RecordedTree(
        nodes=used,
        parents=parents,
        ends=np.searchsorted(used, tree.ends[used]),
        first_label=first,
        end_label=end,
        is_label=is_label,
        is_leaf=is_label & (labels[end - 1] == used),
        order=order,
        scope=NO_PARENT if scope == NO_PARENT else int(np.searchsorted(used, scope)),
    )


def scope_of(tree: Tree, taxa: NDArray[np.int32], records: NDArray[np.int64]) -> int:
    """Return the smallest clade with nearly all records of a table; -1 where none has.

    Args:
        tree: of the labels.
        taxa: (T,) with records; -1 for those that are not in the tree.
        records: (T,) of each.
    """
    if not len(tree):
        return NO_PARENT
    own = np.bincount(taxa[taxa >= 0], records[taxa >= 0], len(tree))
    sums = np.concatenate([[0.0], np.cumsum(own)])
    holding = np.flatnonzero(sums[tree.ends] - sums[:-1] >= NEARLY_ALL * max(records.sum(), 1))
    return int(holding[-1]) if len(holding) else NO_PARENT


def _with_all_above(tree: Tree, taxa: NDArray[np.int32]) -> NDArray[np.int32]:
    found = [current := np.unique(taxa)]
    while len(current):
        above = tree.parents[current]
        found.append(current := np.unique(above[above != NO_PARENT]))
    return np.unique(np.concatenate(found)).astype(np.int32)
