"""Soft targets: the softmax of a similarity that is known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldguide.losses.tiles import Normaliser, Tile, logits_by_tile, wide, without_autocast

if TYPE_CHECKING:
    from fieldguide.losses.keys import SharedKeys


class SimilarityTargets:
    """Row by row and column by column the softmax of the dot products of two sets of vectors.

    The vectors say what images and texts have in common: labels, frozen embeddings, those of a
    teacher. No gradient flows into them. Their products are built again for each tile.

    Args:
        images: (N, L).
        texts: (M, L).
        sharpness: multiplied by the products before the softmax.

    Attributes:
        rows: (N,) bool, all true.
        columns: (M,) bool, all true.
    """

    def __init__(self, images: Tensor, texts: Tensor, sharpness: float | Tensor = 1.0) -> None:
        own, others = wide(images, texts)
        self._images = own * sharpness
        self._texts = others
        self.rows = torch.ones(len(own), dtype=torch.bool, device=own.device)
        self.columns = torch.ones(len(others), dtype=torch.bool, device=own.device)
        rows, columns = Normaliser(len(own), own), Normaliser(len(others), own)
        with torch.no_grad(), without_autocast(own):
            for tile in logits_by_tile(self._images, self._texts):
                rows.add(tile.rows, tile.values, 1)
                columns.add(tile.columns, tile.values, 0)
        self._row_lse, self._column_lse = rows.value(), columns.value()

    def expected(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        of_rows, of_columns = self._shares(tile)
        return of_rows.mul_(tile.values).sum(1), of_columns.mul_(tile.values).sum(0)

    def subtract(self, tile: Tile, row_weights: Tensor, column_weights: Tensor) -> None:
        """See :class:`~fieldguide.losses.tiles.Targets`."""
        of_rows, of_columns = self._shares(tile)
        tile.values.sub_(of_rows.mul_(row_weights[:, None]))
        tile.values.sub_(of_columns.mul_(column_weights))

    def entropies(self) -> tuple[Tensor, Tensor]:
        """Return the entropy of each image's target, (N,), and of each text's, (M,), in nats."""
        of_rows, of_columns = torch.zeros_like(self._row_lse), torch.zeros_like(self._column_lse)
        with torch.no_grad(), without_autocast(self._images):
            for tile in logits_by_tile(self._images, self._texts):
                row_part, column_part = self.expected(tile)
                of_rows[tile.rows] += row_part
                of_columns[tile.columns] += column_part
        return self._row_lse - of_rows, self._column_lse - of_columns

    def _shares(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """Return the two targets of a tile, each (R, C)."""
        products = self._images[tile.rows] @ self._texts[tile.columns].T
        of_columns = torch.sub(products, self._column_lse[tile.columns]).exp_()
        return products.sub_(self._row_lse[tile.rows, None]).exp_(), of_columns


def mean_of_partners(keys: SharedKeys, images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each row the mean of the other side's vectors that share a key with it.

    Args:
        keys: of both sides.
        images: (N, D).
        texts: (M, D).

    Returns:
        (N, D) means of texts and (M, D) means of images, zeros where nothing shares a key; without
        gradient.
    """
    x, y = wide(images, texts)
    of_images, of_texts = torch.zeros_like(x), torch.zeros_like(y)
    row_counts, column_counts = keys.counts()
    with torch.no_grad(), without_autocast(x):
        for rows, columns in keys.tiles():
            shared = keys.tile(rows, columns).to(x.dtype)
            of_images[rows].addmm_(shared, y[columns])
            of_texts[columns].addmm_(shared.T, x[rows])
    of_images /= row_counts.clamp(min=1)[:, None]
    of_texts /= column_counts.clamp(min=1)[:, None]
    return of_images, of_texts
