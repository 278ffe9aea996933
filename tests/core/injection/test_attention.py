"""Attention of linear layers against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fieldguide.tuning.attention import SelfAttention

BATCH, LENGTH, WIDTH, HEADS = 3, 7, 24, 4


def _causal() -> torch.Tensor:
    return torch.full((LENGTH, LENGTH), float("-inf")).triu(1)


def _per_head() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    mask = torch.randn(BATCH * HEADS, LENGTH, LENGTH, generator=generator)
    return mask.masked_fill(mask > 1, float("-inf"))


def _attention() -> nn.MultiheadAttention:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    nn.init.normal_(attention.in_proj_bias)
    nn.init.normal_(attention.out_proj.bias)
    return attention


@pytest.mark.parametrize(
    "mask", [None, _causal(), _causal().bool(), _per_head(), _per_head().isinf()]
)
@pytest.mark.parametrize("is_training", [False, True])
def test_it_equals_torchs_attention_with_every_mask(
    mask: torch.Tensor | None, is_training: bool
) -> None:
    attention = _attention().train(is_training)
    own = SelfAttention(attention)
    x = torch.randn(BATCH, LENGTH, WIDTH)
    expected = attention(x, x, x, need_weights=False, attn_mask=mask)[0]
    found, weights = own(x, x, x, need_weights=False, attn_mask=mask)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert weights is None


def test_its_gradients_are_those_of_torchs_attention() -> None:
    attention = _attention().double()
    own = SelfAttention(attention)
    x = torch.randn(BATCH, LENGTH, WIDTH, dtype=torch.float64)
    parameters = list(attention.parameters())
    found = []
    for module in (attention, own):
        y = module(x, x, x, need_weights=False, attn_mask=_causal().double())[0]
        found.append(torch.autograd.grad(y.square().sum(), parameters))
    for expected, gradient in zip(*found, strict=True):
        torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=1e-12)


def test_it_shares_every_tensor() -> None:
    attention = _attention()
    own = SelfAttention(attention)
    assert {id(p) for p in own.parameters()} == {id(p) for p in attention.parameters()}


def test_it_refuses_to_attend_to_something_else() -> None:
    own = SelfAttention(_attention())
    x, other = torch.randn(2, BATCH, LENGTH, WIDTH)
    with pytest.raises(ValueError, match="only self-attention"):
        own(x, other, other)
    with pytest.raises(ValueError, match="only self-attention"):
        own(x, x, x, need_weights=True)
