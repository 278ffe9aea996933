"""The text towers of open_clip: its own text transformer, alone or spread over a ``CLIP``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.openclip_blocks import block_layers
from fieldguide.tuning.layouts.structure import join, own_parts, part, refuse

if TYPE_CHECKING:
    from fieldguide.tuning.layouts.layout import Tower

TEXT_TRANSFORMER = "open_clip.transformer.TextTransformer"
CLIP = "open_clip.model.CLIP"
TEXT: Tower = "text"


@dataclass(frozen=True)
class TextTransformerLayout:
    """open_clip's ``TextTransformer``, or its ``CLIP``, which holds the same parts itself.

    Attributes:
        tower: the module.
        path: where it is in the network; empty for a ``CLIP``.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of all blocks and the projection."""
        transformer = cast("nn.Module", self.tower.transformer)
        found = tuple(block_layers(transformer, join(self.path, "transformer"), TEXT))
        last = found[-1].block
        return (*found, *(self._projection_layer(path, last) for path in self.projection()))

    def _projection_layer(self, path: str, block: int) -> Layer:
        if isinstance(self.tower.text_projection, nn.Linear):
            return Layer(path, f"{path}.weight", TEXT, "projection", block)
        return Layer(self.path, path, TEXT, "projection", block)

    def stages(self) -> tuple[Stage, ...]:
        """Return the token embedding, the blocks, and the pooling with its projection.

        Between them go the tokens' vectors and their numbers: (N, T, W) and (N, T).
        """
        tower = cast("Any", self.tower)
        first = ("token_embedding", "positional_embedding", *self._class_token())
        last = ("ln_final", "text_projection")
        mask = part(tower, **own_parts(tower, *_attention_mask(tower), *self._class_token()))
        pool = _Pool(part(tower, **own_parts(tower, *last)), bool(self._class_token()))
        blocks = [
            Stage((join(self.path, f"transformer.resblocks.{number}"),), _Block(mask, block))
            for number, block in enumerate(tower.transformer.resblocks)
        ]
        return (
            Stage(self._paths(first), _Embed(part(tower, **own_parts(tower, *first)))),
            *blocks,
            Stage(self._paths(last), pool),
        )

    def _class_token(self) -> tuple[str, ...]:
        return () if getattr(self.tower, "cls_emb", None) is None else ("cls_emb",)

    def _paths(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(join(self.path, name) for name in names)

    def projection(self) -> tuple[str, ...]:
        """Return the matrix or linear layer behind the pooling, where there is one."""
        path = join(self.path, "text_projection")
        return () if self.tower.text_projection is None else (path,)


def _attention_mask(tower: Any) -> tuple[str, ...]:
    return () if tower.attn_mask is None else ("attn_mask",)


class _Embed(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, T) token numbers to (N, T, W) and the numbers."""
        tower = cast("Any", self.tower)
        x = tower.token_embedding(tokens)
        if getattr(tower, "cls_emb", None) is not None:
            x = torch.cat([x, tower.cls_emb.expand(len(x), 1, -1)], dim=1)
        return x + tower.positional_embedding[: x.shape[1]], tokens


class _Block(nn.Module):
    def __init__(self, mask: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.mask = mask
        self.block = block

    def forward(self, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Map (N, T, W) to (N, T, W); tokens that may not be seen depend on the numbers."""
        x, tokens = state
        return self.block(x, attn_mask=_additive_mask(self.mask, x, tokens)), tokens


def _additive_mask(tower: Any, x: Tensor, tokens: Tensor) -> Tensor | None:
    """Return what open_clip adds to the attention's logits: (T, T), (N * heads, T, T) or None."""
    causal: Tensor | None = tower.attn_mask
    has_class_token = getattr(tower, "cls_emb", None) is not None
    if not (has_class_token or getattr(tower, "use_pad_mask", False)):
        return causal
    length = x.shape[1]
    padding: Tensor = tower._build_additive_mask(tokens, length, x.dtype)
    return padding if causal is None else causal[:length, :length].unsqueeze(0) + padding


class _Pool(nn.Module):
    def __init__(self, tower: nn.Module, pools_class_token: bool) -> None:
        super().__init__()
        self.tower = tower
        self.pools_class_token = pools_class_token

    def forward(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Map (N, T, W) to (N, D)."""
        x, tokens = state
        tower = cast("Any", self.tower)
        pooled: Tensor
        if self.pools_class_token:
            pooled = tower.ln_final(x[:, -1])
        else:
            pooled = _pooled(tower, tower.ln_final(x), tokens)
        if isinstance(tower.text_projection, nn.Parameter):
            return pooled @ tower.text_projection
        return pooled if tower.text_projection is None else tower.text_projection(pooled)


def _pooled(tower: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """Return one vector a text, as ``open_clip.transformer.text_global_pool`` does."""
    prefix = "" if hasattr(tower, "pool_type") else "text_"
    kind = getattr(tower, f"{prefix}pool_type")
    if kind in ("first", "last"):
        return x[:, 0 if kind == "first" else -1]
    if kind not in ("argmax", "eos"):
        raise refuse("The text tower", "a known pooling", repr(kind))
    ends = tokens if kind == "argmax" else (tokens == getattr(tower, f"{prefix}eos_id")).int()
    return x[torch.arange(len(x), device=x.device), ends.argmax(dim=-1)]
