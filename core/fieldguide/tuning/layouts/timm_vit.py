"""timm's vision transformer as the image tower of open_clip, SigLIP's among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import (
    ANY,
    Kinds,
    expect_children,
    expect_kind,
    own_parts,
    part,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.tuning.layouts.layout import Tower

TRUNK = "timm.models.vision_transformer.VisionTransformer"
BLOCK = "timm.models.vision_transformer.Block"
ATTENTION = ("timm.layers.attention.Attention", "timm.models.vision_transformer.Attention")
MLP = "timm.layers.mlp.Mlp"
ROLES = {"attn.qkv": "attention_in", "attn.proj": "attention_out", "mlp.fc1": "mlp_in",
         "mlp.fc2": "mlp_out"}  # fmt: skip
EMBEDDING = ("patch_embed", "cls_token", "reg_token", "pos_embed", "pos_drop", "patch_drop",
             "norm_pre")  # fmt: skip
POOLING = ("norm", "attn_pool", "fc_norm", "head_drop", "head")
IMAGE: Tower = "image"


@dataclass(frozen=True)
class TimmVitLayout:
    """open_clip's ``TimmModel`` around timm's ``VisionTransformer``.

    Attributes:
        tower: the module.
        path: where it is in the network.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of all blocks and the linear maps of the head."""
        found: list[Layer] = []
        for number, block in enumerate(cast("Any", self.tower).trunk.blocks):
            path = f"{self.path}.trunk.blocks.{number}"
            _check_block(block, path)
            found += [
                Layer(f"{path}.{name}", f"{path}.{name}.weight", IMAGE, role, number)
                for name, role in ROLES.items()
            ]
        return (*found, *head_layers(self.tower, self.path, found[-1].block))

    def stages(self) -> tuple[Stage, ...]:
        """Return the patch embedding, the blocks, and the pooling with its projection."""
        trunk = cast("Any", self.tower).trunk
        path = f"{self.path}.trunk"
        blocks = [
            Stage((f"{path}.blocks.{number}",), block) for number, block in enumerate(trunk.blocks)
        ]
        pool = _Pool(part(trunk, **own_parts(trunk, *POOLING)), cast("Any", self.tower).head)
        return (
            Stage(_paths(path, EMBEDDING), _Embed(part(trunk, **own_parts(trunk, *EMBEDDING)))),
            *blocks,
            Stage((*_paths(path, POOLING), f"{self.path}.head"), pool),
        )

    def projection(self) -> tuple[str, ...]:
        """Return the head's linear maps, where it has any."""
        return head_projection(self.tower, self.path)


def head_layers(tower: nn.Module, path: str, block: int) -> Iterator[Layer]:
    """Yield the linear maps of open_clip's head behind a timm trunk."""
    for name, module in cast("nn.Module", tower.head).named_modules():
        if type(module) is nn.Linear:
            own = f"{path}.head.{name}"
            yield Layer(own, f"{own}.weight", IMAGE, "projection", block)


def head_projection(tower: nn.Module, path: str) -> tuple[str, ...]:
    """Return the path of open_clip's head behind a timm trunk, if it has parameters."""
    has_any = any(True for _ in cast("nn.Module", tower.head).parameters())
    return (f"{path}.head",) if has_any else ()


def _check_block(block: nn.Module, path: str) -> None:
    expect_kind(block, path, BLOCK)
    expect_children(
        block,
        path,
        {"norm1": ANY, "attn": ATTENTION, "ls1": ANY, "drop_path1": ANY, "norm2": ANY, "mlp": MLP,
         "ls2": ANY, "drop_path2": ANY},
    )  # fmt: skip
    attention = cast("nn.Module", block.attn)
    parts: dict[str, Kinds] = {"qkv": nn.Linear, "q_norm": ANY, "k_norm": ANY, "proj": nn.Linear}
    optional = frozenset({"attn_drop", "norm", "gate", "proj_drop"})
    expect_children(attention, f"{path}.attn", parts, optional)
    check_mlp(cast("nn.Module", block.mlp), f"{path}.mlp", nn.Linear)


def check_mlp(mlp: nn.Module, path: str, kind: type[nn.Module]) -> None:
    """Check timm's two-layer perceptron.

    Raises:
        AdapterError: it is another one.
    """
    expect_kind(mlp, path, MLP)
    optional = frozenset({"drop1", "norm", "drop2"})
    expect_children(mlp, path, {"fc1": kind, "act": ANY, "fc2": kind}, optional)


def _paths(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{path}.{name}" for name in names)


class _Embed(nn.Module):
    """From pixels to tokens, by the trunk's own code."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, T, W)."""
        trunk = cast("Any", self.trunk)
        tokens: Tensor = trunk._pos_embed(trunk.patch_embed(pixels))
        tokens = trunk.norm_pre(trunk.patch_drop(tokens))
        return tokens


class _Pool(nn.Module):
    """From tokens to features, by the trunk's own code and open_clip's head."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, W) to (N, D)."""
        trunk = cast("Any", self.trunk)
        features: Tensor = self.head(trunk.forward_head(trunk.norm(tokens)))
        return features
