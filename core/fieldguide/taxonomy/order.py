"""Depth-first order of a forest from its parents alone, level by level, without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def depth_first(
    parents: NDArray[np.integer],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return how nodes stand in depth-first order; siblings keep the order they have.

    Args:
        parents: (N,) place of each node's parent; -1 of roots.

    Returns:
        (M,) old places in the new order, and (M,) parents and (M,) ends of subtrees as new places.
        M is less than N where nodes hang on a cycle, which are left out.
    """
    levels = _levels(parents)
    sizes = np.ones(len(parents), np.int64)
    for level in reversed(levels[1:]):
        np.add.at(sizes, parents[level], sizes[level])
    places = np.full(len(parents), -1, np.int64)
    for depth, level in enumerate(levels):
        before = np.cumsum(sizes[level]) - sizes[level]
        if depth == 0:
            places[level] = before
            continue
        above = parents[level]
        is_first = np.r_[True, above[1:] != above[:-1]]
        first_of = before[is_first][np.cumsum(is_first) - 1]
        places[level] = places[above] + 1 + before - first_of
    reached = np.flatnonzero(places >= 0)
    order = np.empty(len(reached), np.int64)
    order[places[reached]] = reached
    above = parents[order]
    new_parents = np.where(above < 0, -1, places[above]).astype(np.int32)
    ends = (np.arange(len(order)) + sizes[order]).astype(np.int32)
    return order, new_parents, ends


def _levels(parents: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Return the nodes of each depth; those of one parent side by side, parents in level order."""
    by_parent = np.argsort(parents, kind="stable")
    sorted_parents = parents[by_parent]
    levels = [by_parent[: np.searchsorted(sorted_parents, 0)]]
    while len(levels[-1]):
        above = levels[-1]
        first = np.searchsorted(sorted_parents, above, "left")
        counts = np.searchsorted(sorted_parents, above, "right") - first
        total = int(counts.sum())
        offsets = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        levels.append(by_parent[np.repeat(first, counts) + offsets])
    return levels[:-1] or levels
