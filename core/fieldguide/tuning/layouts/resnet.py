"""CLIP's modified ResNet as open_clip's image tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from fieldguide.tuning.layouts.efficientnet import check_pointwise
from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import (
    ANY,
    expect_children,
    expect_kind,
    own_parts,
    part,
)

if TYPE_CHECKING:
    from fieldguide.tuning.layouts.layout import Tower

RESNET = "open_clip.modified_resnet.ModifiedResNet"
BLOCK = "open_clip.modified_resnet.Bottleneck"
STEM = ("conv1", "bn1", "act1", "conv2", "bn2", "act2", "conv3", "bn3", "act3", "avgpool")
STAGES = ("layer1", "layer2", "layer3", "layer4")
IMAGE: Tower = "image"


@dataclass(frozen=True)
class ModifiedResNetLayout:
    """open_clip's ``ModifiedResNet``: the convolutions of 1 x 1 in every block.

    The linear maps of its attention pooling are used by their weights, not as modules: a LoRA layer
    there would train and change nothing, so none is offered.

    Attributes:
        tower: the module.
        path: where it is in the network.
    """

    tower: nn.Module
    path: str

    def layers(self) -> tuple[Layer, ...]:
        """Return the first and the last convolution of all blocks."""
        found: list[Layer] = []
        number = 0
        for stage in STAGES:
            for within, block in enumerate(cast("Any", self.tower.get_submodule(stage))):
                path = f"{self.path}.{stage}.{within}"
                _check_block(block, path)
                for name in ("conv1", "conv3"):
                    own = f"{path}.{name}"
                    found.append(Layer(own, f"{own}.weight", IMAGE, "pointwise", number))
                number += 1
        return tuple(found)

    def stages(self) -> tuple[Stage, ...]:
        """Return the stem, the four stages, and the attention pooling."""
        tower, path = cast("Any", self.tower), self.path
        stem = _Stem(part(tower, **own_parts(tower, *STEM)))
        middle = (Stage((f"{path}.{name}",), getattr(tower, name)) for name in STAGES)
        last = Stage((f"{path}.attnpool",), tower.attnpool)
        return (Stage(tuple(f"{path}.{name}" for name in STEM), stem), *middle, last)

    def projection(self) -> tuple[str, ...]:
        """Return the linear map behind the attention pooling."""
        return (f"{self.path}.attnpool.c_proj",)


def _check_block(block: nn.Module, path: str) -> None:
    expect_kind(block, path, BLOCK)
    parts = dict.fromkeys((*STEM, "avgpool"), ANY)
    expect_children(block, path, parts, frozenset({"downsample"}))
    for name in ("conv1", "conv3"):
        check_pointwise(block.get_submodule(name), f"{path}.{name}")


class _Stem(nn.Module):
    """From pixels to feature maps, by the tower's own code."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, C, H / 4, W / 4)."""
        features: Tensor = cast("Any", self.tower).stem(pixels)
        return features
