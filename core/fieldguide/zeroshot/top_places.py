"""The largest of many numbers, exactly and in order, by looking at few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

FAN_OUT = 64
"""How many numbers, and how many maxima, one maximum stands for."""


def block_maxima(scores: Tensor) -> Tensor:
    """Return (ceil(C / FAN_OUT), N) maxima of (C, N) over neighbouring rows; the last may be few.

    >>> block_maxima(torch.arange(130.0)[:, None]).flatten()
    tensor([ 63., 127., 129.])
    """
    whole = len(scores) // FAN_OUT
    maxima = scores.new_empty((-(-len(scores) // FAN_OUT), scores.shape[1]))
    head = scores[: whole * FAN_OUT].reshape(whole, FAN_OUT, scores.shape[1])
    if whole:  # torch finds no maximum of nothing, not even along a side that is not empty
        torch.amax(head, dim=1, out=maxima[:whole])
    if whole < len(maxima):
        torch.amax(scores[whole * FAN_OUT :], dim=0, out=maxima[whole])
    return maxima


def top_places(scores: Tensor, top: int, maxima: Tensor | None = None) -> Tensor:
    """Return (N, K) places of the largest of C scores, largest first; equal ones by place.

    That is the order of a stable sort of the negated scores. The K places lie in the K blocks
    with the largest maxima (equal ones again by place): a place in any other block has K places
    before it, one in each of these. So blocks of blocks are looked at first, then blocks, then
    scores.

    Args:
        scores: (C, N), finite.
        top: how many; K is at most C.
        maxima: what :func:`block_maxima` returns for the scores, where it is known.
    """
    layers = [scores]
    if len(scores) > FAN_OUT:
        layers.append(block_maxima(scores) if maxima is None else maxima)
    while len(layers[-1]) > FAN_OUT:
        layers.append(block_maxima(layers[-1]))
    within = torch.arange(FAN_OUT)
    places = torch.arange(len(layers[-1])).repeat(scores.shape[1], 1)  # (N, few), ascending
    for layer in reversed(layers):
        if layer is not layers[-1]:
            places = (places[:, :, None] * FAN_OUT + within).flatten(1)
        places = _best(layer, places, top)
        if layer is not scores:
            places = places.sort(dim=1).values
    return places


def _best(layer: Tensor, places: Tensor, top: int) -> Tensor:
    """Return the (N, K) best of (N, M) ascending places in a layer; those beyond it are none."""
    inside = places < len(layer)
    columns = torch.arange(len(places))[:, None]
    values = layer[places.clamp(max=len(layer) - 1), columns]
    values = values.masked_fill(~inside, -torch.inf)
    order = values.argsort(dim=1, descending=True, stable=True)[:, : min(top, len(layer))]
    return places.gather(1, order)
