"""Hard targets, the own partner or everything that shares a key, and mixtures of targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.losses.keys import SharedKeys
    from fieldguide.losses.tiles import Targets, Tile


class OwnPartner:
    """Row i belongs to row i and to nothing else.

    Args:
        length: of both sides.
        device: of the vectors.

    Attributes:
        rows: (N,) bool, all true.
        columns: (N,) bool, all true.
    """

    def __init__(self, length: int, device: torch.device) -> None:
        self.rows = torch.ones(length, dtype=torch.bool, device=device)
        self.columns = self.rows

    def expected(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        of_rows = tile.values.new_zeros(tile.values.shape[0])
        of_columns = tile.values.new_zeros(tile.values.shape[1])
        rows, columns = _diagonal(tile)
        partners = tile.values[rows, columns].diagonal()
        of_rows[rows] = partners
        of_columns[columns] = partners
        return of_rows, of_columns

    def subtract(self, tile: Tile, row_weights: Tensor, column_weights: Tensor) -> None:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        rows, columns = _diagonal(tile)
        tile.values[rows, columns].diagonal().sub_(row_weights[rows] + column_weights[columns])


class SharedKeyTargets:
    """Everything that shares a key, each with the same share.

    Args:
        keys: of both sides.

    Attributes:
        rows: (N,) bool, which images share a key with a text.
        columns: (M,) bool, which texts share one with an image.
    """

    def __init__(self, keys: SharedKeys) -> None:
        self._keys = keys
        self._row_counts, self._column_counts = keys.counts()
        self.rows = self._row_counts > 0
        self.columns = self._column_counts > 0

    def expected(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        positives = tile.values * self._keys.tile(tile.rows, tile.columns)
        of_rows = positives.sum(1) / self._row_counts[tile.rows].clamp(min=1)
        of_columns = positives.sum(0) / self._column_counts[tile.columns].clamp(min=1)
        return of_rows, of_columns

    def subtract(self, tile: Tile, row_weights: Tensor, column_weights: Tensor) -> None:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        of_rows = row_weights / self._row_counts[tile.rows].clamp(min=1)
        of_columns = column_weights / self._column_counts[tile.columns].clamp(min=1)
        shares = of_rows[:, None] + of_columns[None, :]
        tile.values.sub_(shares.mul_(self._keys.tile(tile.rows, tile.columns)))


class Mixture:
    """A weighted mean of targets.

    Args:
        first: its rows and columns without a target have none in the mixture either.
        second: has a target for each row and column.
        share: of the second, between 0 and 1.

    Attributes:
        rows: (N,) bool.
        columns: (M,) bool.
    """

    def __init__(self, first: Targets, second: Targets, share: float) -> None:
        self._parts = ((first, 1 - share), (second, share))
        self.rows = first.rows
        self.columns = first.columns

    def expected(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        (first, share), (second, other) = self._parts
        rows, columns = first.expected(tile)
        more_rows, more_columns = second.expected(tile)
        return rows * share + more_rows * other, columns * share + more_columns * other

    def subtract(self, tile: Tile, row_weights: Tensor, column_weights: Tensor) -> None:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        for targets, share in self._parts:
            targets.subtract(tile, row_weights * share, column_weights * share)


def _diagonal(tile: Tile) -> tuple[slice, slice]:
    """Return the part of a tile, in its own numbering, that the matrix's diagonal crosses."""
    first = max(tile.rows.start, tile.columns.start)
    last = max(first, min(tile.rows.stop, tile.columns.stop))
    top, left = tile.rows.start, tile.columns.start
    return slice(first - top, last - top), slice(first - left, last - left)
