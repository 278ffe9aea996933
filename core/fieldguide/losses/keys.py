"""Which images and texts of a batch belong together, looked at tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from fieldguide.losses.sides import Side

TILE = (1024, 2048)  # rows and columns; 8 MiB of float32: few calls, and close to the caches


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """The keys of both sides, numbered anew so that they are small and never match where absent.

    Attributes:
        images: (N, K) int32.
        texts: (M, L) int32.
    """

    images: Tensor
    texts: Tensor

    @classmethod
    def of(cls, images: Side, texts: Side) -> SharedKeys:
        """Take the keys of two sides.

        Raises:
            ValueError: keys and vectors differ in rows, or the sides in width.
        """
        _check(images, texts)
        joined = torch.cat([images.keys.flatten(), texts.keys.flatten()])
        numbers = torch.unique(joined, return_inverse=True)[1].int()
        count = images.keys.numel()
        own = numbers[:count].reshape(images.keys.shape)
        others = numbers[count:].reshape(texts.keys.shape)
        return cls(own.masked_fill(images.keys < 0, -1), others.masked_fill(texts.keys < 0, -2))

    def tile(self, rows: slice, columns: slice) -> Tensor:
        """Return (R, C) bool: does the image of the row share a key with the text of the column?"""
        images, texts = self.images[rows], self.texts[columns]
        shared = torch.zeros(len(images), len(texts), dtype=torch.bool, device=images.device)
        for own in images.unbind(1):
            for other in texts.unbind(1):
                shared |= own[:, None] == other[None, :]
        return shared

    def tiles(self) -> Iterator[tuple[slice, slice]]:
        """Yield rows and columns of tiles that cover all pairs."""
        return tiles_of((len(self.images), len(self.texts)), TILE)

    def counts(self) -> tuple[Tensor, Tensor]:
        """Return how many texts belong to each image, (N,) int64, and images to each text, (M,)."""
        of_images = torch.zeros(len(self.images), dtype=torch.int64, device=self.images.device)
        of_texts = torch.zeros(len(self.texts), dtype=torch.int64, device=self.images.device)
        for rows, columns in self.tiles():
            shared = self.tile(rows, columns)
            of_images[rows] += shared.sum(1)
            of_texts[columns] += shared.sum(0)
        return of_images, of_texts

    def is_paired(self) -> bool:
        """Return whether there are as many images as texts, and row i belongs to row i."""
        if len(self.images) != len(self.texts):
            return False
        matches = self.images[:, :, None] == self.texts[:, None, :]  # (N, K, L)
        return bool(matches.any(dim=(1, 2)).all()) if matches.numel() else False


def tiles_of(shape: tuple[int, int], tile: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into tiles, row by row of tiles; the last ones may be smaller."""
    for top in range(0, shape[0], tile[0]):
        rows = slice(top, min(top + tile[0], shape[0]))
        for left in range(0, shape[1], tile[1]):
            yield rows, slice(left, min(left + tile[1], shape[1]))


def _check(images: Side, texts: Side) -> None:
    for name, side in (("images", images), ("texts", texts)):
        if side.vectors.ndim != 2 or side.keys.ndim != 2:
            raise ValueError(f"{name} need vectors (N, D) and keys (N, K)")
        if len(side.vectors) != len(side.keys):
            raise ValueError(f"{name} have {len(side.vectors)} vectors but {len(side.keys)} keys")
    if images.vectors.shape[1] != texts.vectors.shape[1]:
        widths = (images.vectors.shape[1], texts.vectors.shape[1])
        raise ValueError(f"images have {widths[0]} dimensions, texts {widths[1]}")
