"""Softmax over a batch's similarities in both directions, without the matrix of all of them.

The matrix of N x M logits and its softmaxes are what a large batch cannot hold. Here a tile of it
is built once in the forward pass, which keeps one log-sum-exp a row and a column, and once more in
the backward pass, which turns it into its gradient in place. Memory grows with N + M. The idea is
that of Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"
(arXiv:1805.02867), in two directions at once.

Everything is computed in float32 (float64 for float64 vectors), also under autocast: a logit of
100 in bfloat16 would be off by a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from fieldguide.errors import TuningError
from fieldguide.losses.keys import TILE, tiles_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the matrix of images and texts.

    Attributes:
        rows: which images.
        columns: which texts.
        values: (R, C), of these rows and columns.
    """

    rows: slice
    columns: slice
    values: Tensor


class Targets(Protocol):
    """Where each image and each text should lie: two matrices (N, M) that are never built whole.

    Attributes:
        rows: (N,) bool, which images have a target. Their row of the first matrix sums to 1.
        columns: (M,) bool, which texts have one. Their column of the second matrix sums to 1.
    """

    rows: Tensor
    columns: Tensor

    def expected(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """Return the tile's part of the mean of its values under the targets, by row and column.

        Returns:
            (R,) sums over the columns times the first matrix, and (C,) sums over the rows times the
            second one.
        """
        ...

    def subtract(self, tile: Tile, row_weights: Tensor, column_weights: Tensor) -> None:
        """Subtract both matrices from the values, in place.

        Args:
            tile: a gradient.
            row_weights: (R,), factors of the first matrix.
            column_weights: (C,), factors of the second one.
        """
        ...


def cross_entropy(
    images: Tensor,
    texts: Tensor,
    scale: Tensor,
    targets: Targets,
    weights: tuple[float, float],
) -> Tensor:
    """Return the weighted sum of two mean cross-entropies, in nats: over texts and over images.

    The means are over the rows that have a target; where none has, the part is 0. A second
    derivative is not available.

    Args:
        images: (N, D).
        texts: (M, D).
        scale: scalar, multiplied by the dot products.
        targets: of both directions.
        weights: of image to text and of text to image.
    """
    like = wide(images, texts, scale)[2]
    row_weights = _share(targets.rows, weights[0], like)
    column_weights = _share(targets.columns, weights[1], like)
    aim = _Aim(targets, row_weights, column_weights)
    loss: Tensor = _CrossEntropy.apply(images, texts, scale, aim)
    return loss


def wide(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors, detached, in the widest dtype of the matrices, at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        if tensor.ndim:  # as elsewhere in torch, a scalar follows
            dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.detach().to(dtype) for tensor in tensors]


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Return a context in which the products of this device keep their precision."""
    return torch.autocast(tensor.device.type, enabled=False)


def refuse_second_derivative() -> None:
    """Raise where the graph of a backward pass is wanted.

    Raises:
        TuningError: it is.
    """
    if torch.is_grad_enabled():
        raise TuningError(
            "The contrastive losses have a first derivative only. Call backward without "
            "create_graph=True."
        )


def logits_by_tile(scaled: Tensor, texts: Tensor) -> Iterator[Tile]:
    """Yield the products of the rows of two matrices, tile by tile, in one reused buffer."""
    buffer = scaled.new_empty(TILE[0] * TILE[1])
    for rows, columns in tiles_of((len(scaled), len(texts)), TILE):
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        values = buffer[: shape[0] * shape[1]].view(shape)
        torch.mm(scaled[rows], texts[columns].T, out=values)
        yield Tile(rows, columns, values)


def _share(has_target: Tensor, weight: float, like: Tensor) -> Tensor:
    """Return (N,): the weight, spread evenly over the rows that have a target."""
    chosen = has_target.to(like.dtype)
    return chosen * (weight / chosen.sum().clamp(min=1))


class Normaliser:
    """A log-sum-exp for each row or column, grown tile by tile.

    Args:
        length: how many rows or columns.
        like: gives dtype and device.

    Attributes:
        highest: (length,) the largest value so far.
        total: (length,) the sum of exp(value - highest).
    """

    def __init__(self, length: int, like: Tensor) -> None:
        self.highest = like.new_full((length,), -torch.inf)
        self.total = like.new_zeros(length)

    def add(self, place: slice, values: Tensor, dim: int) -> None:
        """Add a tile (R, C), whose sums over ``dim`` belong to these rows or columns."""
        before = self.highest[place]
        highest = torch.maximum(before, values.amax(dim))
        self.total[place] *= (before - highest).exp_()
        self.total[place] += torch.sub(values, highest.unsqueeze(dim)).exp_().sum(dim)
        self.highest[place] = highest

    def value(self) -> Tensor:
        """Return the log-sum-exps, (length,)."""
        return self.highest + self.total.log()


@dataclass(frozen=True, slots=True)
class _Aim:
    """Targets, and how much each row (N,) and each column (M,) counts in the loss."""

    targets: Targets
    row_weights: Tensor
    column_weights: Tensor


class _CrossEntropy(torch.autograd.Function):
    """The two directions at once; saves the vectors and the parts of two log-sum-exps."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, texts: Tensor, scale: Tensor, aim: _Aim) -> Tensor:
        with without_autocast(images):
            x, y, s = wide(images, texts, scale)
            rows, columns = Normaliser(len(x), x), Normaliser(len(y), y)
            of_rows, of_columns = x.new_zeros(len(x)), y.new_zeros(len(y))
            for tile in logits_by_tile(x * s, y):
                rows.add(tile.rows, tile.values, 1)
                columns.add(tile.columns, tile.values, 0)
                row_part, column_part = aim.targets.expected(tile)
                of_rows[tile.rows] += row_part
                of_columns[tile.columns] += column_part
            # the highest logit is often the expected one: their difference is exact
            row_losses = rows.total.log() + (rows.highest - of_rows)  # (N,)
            column_losses = columns.total.log() + (columns.highest - of_columns)  # (M,)
            ctx.save_for_backward(
                images, texts, scale, rows.highest, rows.total, columns.highest, columns.total
            )
            ctx.aim = aim
            return _total(row_losses, aim.row_weights) + _total(column_losses, aim.column_weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        images, texts, scale, row_high, row_total, column_high, column_total = ctx.saved_tensors
        aim: _Aim = ctx.aim
        with without_autocast(images):
            x, y, s = wide(images, texts, scale)
            wants = Wanted(x, y, ctx.needs_input_grad[:3])
            # where a probability is 1, its weight comes out as it is and the target cancels it
            row_factors = aim.row_weights / row_total
            column_factors = aim.column_weights / column_total
            for tile in logits_by_tile(x * s, y):
                values = tile.values
                other = torch.sub(values, column_high[tile.columns]).exp_()
                values.sub_(row_high[tile.rows, None]).exp_().mul_(row_factors[tile.rows, None])
                values.addcmul_(other, column_factors[tile.columns])
                weights = aim.row_weights[tile.rows], aim.column_weights[tile.columns]
                aim.targets.subtract(tile, *weights)
                wants.add(tile)
            of_images, of_texts, of_scale = wants.finish(s, gradient)
        return (
            None if of_images is None else of_images.to(images.dtype),
            None if of_texts is None else of_texts.to(texts.dtype),
            None if of_scale is None else of_scale.to(scale.dtype).reshape(scale.shape),
            None,
        )


class Wanted:
    """Gradients of images, texts and scale, summed from gradients of tiles of logits.

    Args:
        images: (N, D).
        texts: (M, D).
        needed: whether those of images, texts and scale are.
    """

    def __init__(self, images: Tensor, texts: Tensor, needed: tuple[bool, bool, bool]) -> None:
        self._vectors = (images, texts)
        self._needed = needed
        by_images = needed[0] or (needed[2] and not needed[1])  # that of the scale follows
        self._of_images = torch.zeros_like(images) if by_images else None
        self._of_texts = torch.zeros_like(texts) if needed[1] else None

    def add(self, tile: Tile) -> None:
        """Add what the gradient of one tile of logits gives."""
        images, texts = self._vectors
        if self._of_images is not None:
            self._of_images[tile.rows].addmm_(tile.values, texts[tile.columns])
        if self._of_texts is not None:
            self._of_texts[tile.columns].addmm_(tile.values.T, images[tile.rows])

    def finish(self, scale: Tensor, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of images (N, D), texts (M, D) and scale, None where not needed."""
        of_scale = None
        totals = (self._of_images, self._of_texts)
        if self._needed[2]:
            # the sum of g_ij x_i y_j is that of x_i times row i of g @ y
            sides = zip(totals, self._vectors, strict=True)
            total, vectors = next((total, side) for total, side in sides if total is not None)
            of_scale = (total * vectors).sum() * gradient
        of_images, of_texts = (
            total.mul_(scale * gradient) if total is not None and needed else None
            for total, needed in zip(totals, self._needed, strict=False)
        )
        return of_images, of_texts, of_scale


def _total(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum; where nothing stands opposite, the loss is infinite and no part."""
    return torch.where(weights > 0, losses * weights, 0.0).sum()
