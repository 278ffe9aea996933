"""The image tower of open_clip: its own vision transformer, also CoCa's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.openclip_blocks import block_layers
from fieldguide.tuning.layouts.structure import ANY, expect_children, own_parts, part

if TYPE_CHECKING:
    from fieldguide.tuning.layouts.layout import Tower

VISION_TRANSFORMER = "open_clip.transformer.VisionTransformer"
EMBEDDING = ("conv1", "class_embedding", "positional_embedding", "patch_dropout", "ln_pre")
POOLING = ("attn_pool", "attn_pool_contrastive", "ln_post", "proj")
IMAGE: Tower = "image"


@dataclass(frozen=True)
class VisionTransformerLayout:
    """open_clip's ``VisionTransformer``.

    Attributes:
        tower: the module.
        path: where it is in the network.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of all blocks and the projection, which is a bare parameter."""
        inner = dict.fromkeys(("conv1", "patch_dropout", "ln_pre", "transformer", "ln_post"), ANY)
        poolers = frozenset({"attn_pool", "attn_pool_contrastive"})
        expect_children(self.tower, self.path, inner, poolers)
        transformer = cast("nn.Module", self.tower.transformer)
        found = tuple(block_layers(transformer, f"{self.path}.transformer", IMAGE))
        last = found[-1].block
        return (
            *found,
            *(Layer(self.path, p, IMAGE, "projection", last) for p in self.projection()),
        )

    def stages(self) -> tuple[Stage, ...]:
        """Return the patch embedding, the blocks, and the pooling with its projection."""
        tower, path = cast("Any", self.tower), self.path
        embedding = Stage(
            self._paths(EMBEDDING), _Embed(part(tower, **own_parts(tower, *EMBEDDING)))
        )
        blocks = [
            Stage((f"{path}.transformer.resblocks.{number}",), block)
            for number, block in enumerate(tower.transformer.resblocks)
        ]
        pooling = Stage(self._paths(POOLING), _Pool(part(tower, **own_parts(tower, *POOLING))))
        return (embedding, *blocks, pooling)

    def projection(self) -> tuple[str, ...]:
        """Return the matrix behind the pooling, where there is one."""
        return (f"{self.path}.proj",) if self.tower.proj is not None else ()

    def _paths(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{self.path}.{name}" for name in names)


class _Embed(nn.Module):
    """From pixels to tokens, by the tower's own code."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, T, W)."""
        tokens: Tensor = cast("Any", self.tower)._embeds(pixels)
        return tokens


class _Pool(nn.Module):
    """From tokens to features, by the tower's own code."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, W) to (N, D)."""
        tower = cast("Any", self.tower)
        pooled: Tensor = tower._pool(tokens)[0]
        return pooled if tower.proj is None else pooled @ tower.proj
