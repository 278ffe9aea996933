"""Sums over groups of rows of a large matrix, in one pass over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMBERS_AT_ONCE = 256
"""So many rows of a group are summed one by one, then these sums: rounding stays small."""


class GroupSums:
    """Sums of the rows of each group; built once, used on any number of matrices.

    Each row belongs to one group at most. A sum of single precision over a million rows, one by
    one, would lose digits; groups of more than ``MEMBERS_AT_ONCE`` are summed part by part.

    Args:
        owners: (C,) the group of each row, from 0; -1 for none.
        count: G, how many groups there are; one without rows has the sum zero.
    """

    def __init__(self, owners: NDArray[np.integer], count: int) -> None:
        members = np.argsort(owners, kind="stable")
        members = members[np.searchsorted(owners[members], 0) :]
        self.stages = [_selection(owners[members], count, members, len(owners))]
        while (sizes := np.diff(self.stages[-1].indptr)).max(initial=0) > MEMBERS_AT_ONCE:
            self.stages[-1:] = _in_parts(self.stages[-1], sizes)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (G, N) sums of (C, N) rows."""
        for stage in self.stages:
            rows = stage @ rows
        return rows


def _selection(
    owners: NDArray[np.integer], count: int, members: NDArray[np.integer], width: int
) -> csr_array:
    """Return (G, C) with a one where a group has a member; the owners ascend."""
    starts = np.searchsorted(owners, np.arange(count + 1))
    ones = np.ones(len(members), np.float32)
    return csr_array((ones, members.astype(np.int32), starts.astype(np.int32)), (count, width))


def _in_parts(stage: csr_array, sizes: NDArray[np.integer]) -> list[csr_array]:
    """Return one stage as two: sums of parts of the groups, and sums of these."""
    parts = -(-sizes // MEMBERS_AT_ONCE)
    owners = np.repeat(np.arange(len(sizes)), parts)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = np.r_[stage.indptr[owners] + number * MEMBERS_AT_ONCE, stage.indptr[-1]]
    inner = csr_array(
        (stage.data, stage.indices, starts.astype(np.int32)), (len(owners), stage.shape[1])
    )
    outer = _selection(owners, len(sizes), np.arange(len(owners)), len(owners))
    return [inner, outer]
