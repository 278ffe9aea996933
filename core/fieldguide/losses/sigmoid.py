"""The loss of SigLIP: every pair is judged on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fieldguide.losses.keys import SharedKeys
from fieldguide.losses.tiles import (
    Wanted,
    logits_by_tile,
    refuse_second_derivative,
    wide,
    without_autocast,
)

if TYPE_CHECKING:
    from fieldguide.losses.sides import Side


class Sigmoid:
    """Say of each of the N * M pairs whether they belong together.

    Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", algorithm 1,
    arXiv:2303.15343; part of Tschannen et al. 2025, "SigLIP 2", arXiv:2502.14786. Pairs that share
    a key are positives. A trainer starts the scale at 10 and the bias at -10, and learns both.
    """

    starts_at: ClassVar[tuple[float, float]] = (10.0, -10.0)

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the sum over all pairs divided by N; see :class:`~fieldguide.losses.sides.Loss`.

        Raises:
            ValueError: the shapes of the sides do not fit.
        """
        keys = SharedKeys.of(images, texts)
        loss: Tensor = _PairwiseSigmoid.apply(images.vectors, texts.vectors, scale, bias, keys)
        return loss


class _PairwiseSigmoid(torch.autograd.Function):
    """Tile by tile in both passes, as :mod:`fieldguide.losses.tiles` does."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, keys: SharedKeys
    ) -> Tensor:
        with without_autocast(images):
            x, y, s, b = wide(images, texts, scale, bias)
            total = x.new_zeros(())
            for tile in logits_by_tile(x * s, y):
                signed = (tile.values + b) * _signs(keys, tile.rows, tile.columns, x.dtype)
                total += F.softplus(-signed).sum()
            ctx.save_for_backward(images, texts, scale, bias)
            ctx.keys = keys
            return total / max(len(x), 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        images, texts, scale, bias = ctx.saved_tensors
        with without_autocast(images):
            x, y, s, b = wide(images, texts, scale, bias)
            wants = Wanted(x, y, ctx.needs_input_grad[:3])
            of_bias = b.new_zeros(())
            for tile in logits_by_tile(x * s, y):
                signs = _signs(ctx.keys, tile.rows, tile.columns, x.dtype)
                # the derivative of softplus(-sign * z) is -sign * sigmoid(-sign * z)
                tile.values.add_(b).mul_(signs).neg_().sigmoid_().mul_(signs).neg_()
                of_bias += tile.values.sum()
                wants.add(tile)
            share = gradient / max(len(x), 1)
            of_images, of_texts, of_scale = wants.finish(s, share)
        return (
            None if of_images is None else of_images.to(images.dtype),
            None if of_texts is None else of_texts.to(texts.dtype),
            None if of_scale is None else of_scale.to(scale.dtype).reshape(scale.shape),
            (of_bias * share).to(bias.dtype).reshape(bias.shape),
            None,
        )


def _signs(keys: SharedKeys, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
    """Return (R, C): 1 where a key is shared, otherwise -1."""
    return keys.tile(rows, columns).to(dtype).mul_(2).sub_(1)
