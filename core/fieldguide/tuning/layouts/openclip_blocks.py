"""The residual attention blocks of open_clip's transformers (open_clip 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from fieldguide.tuning.layouts.layout import Layer, Tower
from fieldguide.tuning.layouts.structure import (
    ANY,
    expect_children,
    expect_kind,
    expect_that,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSFORMER = "open_clip.transformer.Transformer"
BLOCK = "open_clip.transformer.ResidualAttentionBlock"


def block_layers(transformer: nn.Module, path: str, tower: Tower) -> Iterator[Layer]:
    """Yield the layers of every block of a transformer, after checks of their structure.

    Raises:
        AdapterError: a block is not open_clip's plain one.
    """
    expect_kind(transformer, path, TRANSFORMER)
    expect_children(transformer, path, {"resblocks": nn.ModuleList})
    expect_that(bool(cast("Any", transformer).batch_first), path, "a batch in the first dimension")
    for number, block in enumerate(cast("nn.ModuleList", transformer.resblocks)):
        own = f"{path}.resblocks.{number}"
        _check_block(block, own)
        yield Layer(f"{own}.attn", f"{own}.attn.in_proj_weight", tower, "attention_in", number)
        for name, role in (
            ("attn.out_proj", "attention_out"),
            ("mlp.c_fc", "mlp_in"),
            ("mlp.c_proj", "mlp_out"),
        ):
            yield Layer(f"{own}.{name}", f"{own}.{name}.weight", tower, role, number)


def _check_block(block: nn.Module, path: str) -> None:
    expect_kind(block, path, BLOCK)
    expect_children(
        block,
        path,
        {"ln_1": ANY, "attn": nn.MultiheadAttention, "ls_1": ANY, "ln_2": ANY,
         "mlp": nn.Sequential, "ls_2": ANY},
    )  # fmt: skip
    mlp, attention = cast("Any", block.mlp), cast("nn.MultiheadAttention", block.attn)
    expect_children(mlp, join(path, "mlp"), {"c_fc": nn.Linear, "gelu": ANY, "c_proj": nn.Linear})
    check_attention(attention, join(path, "attn"))


def check_attention(attention: nn.MultiheadAttention, path: str) -> None:
    """Check that an attention is self-attention without the options that change its formula.

    Raises:
        AdapterError: it has another structure.
    """
    expect_kind(attention, path, nn.MultiheadAttention)
    expect_children(attention, path, {"out_proj": NonDynamicallyQuantizableLinear})
    expect_that(attention.in_proj_weight is not None, path, "one weight for query, key and value")
    expect_that(attention.batch_first, path, "a batch in the first dimension")
    extra = (attention.bias_k, attention.bias_v)
    expect_that(extra == (None, None) and not attention.add_zero_attn, path, "no additional keys")
