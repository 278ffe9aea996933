"""timm's ConvNeXt as the image tower of open_clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import ANY, expect_children, expect_kind
from fieldguide.tuning.layouts.timm_vit import check_mlp, head_layers, head_projection

if TYPE_CHECKING:
    from fieldguide.tuning.layouts.layout import Tower

TRUNK = "timm.models.convnext.ConvNeXt"
STAGE = "timm.models.convnext.ConvNeXtStage"
BLOCK = "timm.models.convnext.ConvNeXtBlock"
IMAGE: Tower = "image"


@dataclass(frozen=True)
class ConvNextLayout:
    """open_clip's ``TimmModel`` around timm's ``ConvNeXt``: the two linear maps of every block.

    Attributes:
        tower: the module.
        path: where it is in the network.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the linear maps of all blocks and of the head."""
        found: list[Layer] = []
        number = 0
        for place, stage in enumerate(cast("Any", self.tower).trunk.stages):
            path = f"{self.path}.trunk.stages.{place}"
            expect_kind(stage, path, STAGE)
            for within, block in enumerate(stage.blocks):
                own = f"{path}.blocks.{within}"
                _check_block(block, own)
                found += [
                    Layer(f"{own}.mlp.{name}", f"{own}.mlp.{name}.weight", IMAGE, role, number)
                    for name, role in (("fc1", "mlp_in"), ("fc2", "mlp_out"))
                ]
                number += 1
        return (*found, *head_layers(self.tower, self.path, found[-1].block))

    def stages(self) -> tuple[Stage, ...]:
        """Return the stem, the stages, and the pooling with its projection."""
        trunk = cast("Any", self.tower).trunk
        path = f"{self.path}.trunk"
        middle = [
            Stage((f"{path}.stages.{number}",), stage) for number, stage in enumerate(trunk.stages)
        ]
        last = nn.Sequential(trunk.norm_pre, trunk.head, cast("Any", self.tower).head)
        owners = (f"{path}.norm_pre", f"{path}.head", f"{self.path}.head")
        return (Stage((f"{path}.stem",), trunk.stem), *middle, Stage(owners, last))

    def projection(self) -> tuple[str, ...]:
        """Return the head's linear maps, where it has any."""
        return head_projection(self.tower, self.path)


def _check_block(block: nn.Module, path: str) -> None:
    expect_kind(block, path, BLOCK)
    parts = dict.fromkeys(("conv_dw", "norm", "mlp", "shortcut", "drop_path"), ANY)
    expect_children(block, path, parts)
    check_mlp(cast("nn.Module", block.mlp), f"{path}.mlp", nn.Linear)
