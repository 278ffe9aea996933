"""The embedded image tower: EfficientNet-Lite0 and what joins it to the texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import expect_children, expect_kind, expect_that

if TYPE_CHECKING:
    from fieldguide.models.efficientnet_lite import EfficientNetLite0
    from fieldguide.models.embedded import EmbeddedNetwork, Join
    from fieldguide.tuning.layouts.layout import Tower

EMBEDDED = "fieldguide.models.embedded.EmbeddedNetwork"
CONSE = "fieldguide.models.embedded.ConseJoin"
VISION = "fieldguide.models.efficientnet_lite.EfficientNetLite0"
BLOCK = "fieldguide.models.efficientnet_lite.InvertedResidual"
SAME_PAD = "fieldguide.models.efficientnet_lite.SamePadConv2d"
IMAGE: Tower = "image"

State = tuple[Tensor, ...]  # feature maps (N, C, H, W), then what was pooled so far, (N, C_i) each


@dataclass(frozen=True)
class EfficientNetLayout:
    """EfficientNet-Lite0: its pointwise convolutions, by stage.

    Depthwise convolutions are left out: a change of low rank of all channels at once does not fit
    a weight of one channel each.

    Attributes:
        network: both towers; the join belongs to the last stage.
    """

    network: nn.Module

    def layers(self) -> tuple[Layer, ...]:
        """Return the convolutions that expand and project in every block, the head, the join."""
        vision = cast("EmbeddedNetwork", self.network).vision
        expect_kind(vision, "vision", VISION)
        found: list[Layer] = []
        number = 0
        for place, stage in enumerate(vision.stages):
            for within, block in enumerate(cast("nn.Sequential", stage)):
                path = f"vision.stages.{place}.{within}"
                _check_block(block, path)
                names = ("expand", "project") if block.has_expansion else ("project",)
                found += [_pointwise(f"{path}.{name}", number) for name in names]
                number += 1
        check_pointwise(vision.head, "vision.head")
        found.append(_pointwise("vision.head", number))
        weight = "join.image_weight"
        return (*found, Layer("join", weight, IMAGE, "projection", number))

    def stages(self) -> tuple[Stage, ...]:
        """Return the stem, the seven stages, the head, and the join.

        Between them go the feature maps and what was pooled so far; behind the head only the
        latter: (N, 16), (N, 24), ..., (N, 1280).
        """
        network = cast("EmbeddedNetwork", self.network)
        vision, join = network.vision, network.join
        stem = Stage(("vision.stem", "vision.stem_norm"), _Stem(vision))
        middle = [
            Stage((f"vision.stages.{number}",), _Blocks(stage))
            for number, stage in enumerate(vision.stages)
        ]
        head = Stage(("vision.head", "vision.head_norm"), _Head(vision))
        owners = tuple(f"join.{name}" for name, _ in join.named_parameters() if _is_image(name))
        last = Stage(owners, _Last(vision, join), held=("vision.classifier", "join.names"))
        return (stem, *middle, head, last)

    def projection(self) -> tuple[str, ...]:
        """Return the parameters that join this side to the space."""
        return self.stages()[-1].owners


def _is_image(name: str) -> bool:
    return not name.startswith("text_")


def _pointwise(path: str, block: int) -> Layer:
    return Layer(path, f"{path}.weight", IMAGE, "pointwise", block)


def _check_block(block: nn.Module, path: str) -> None:
    expect_kind(block, path, BLOCK)
    expands = nn.Conv2d if cast("Any", block).has_expansion else nn.Identity
    norms = nn.BatchNorm2d if cast("Any", block).has_expansion else nn.Identity
    expect_children(
        block,
        path,
        {"expand": expands, "expand_norm": norms, "depthwise": (nn.Conv2d, SAME_PAD),
         "depthwise_norm": nn.BatchNorm2d, "project": nn.Conv2d, "project_norm": nn.BatchNorm2d},
    )  # fmt: skip
    for name in ("expand", "project"):
        child = block.get_submodule(name)
        if isinstance(child, nn.Conv2d):
            check_pointwise(child, f"{path}.{name}")


def check_pointwise(convolution: nn.Module, path: str) -> None:
    """Check that a convolution is a matrix: 1 x 1, one group, stride 1, no padding.

    Raises:
        AdapterError: it is not.
    """
    expect_kind(convolution, path, nn.Conv2d)
    own = cast("nn.Conv2d", convolution)
    shape = (own.kernel_size, own.stride, own.padding, own.dilation, own.groups)
    is_matrix = shape == ((1, 1), (1, 1), (0, 0), (1, 1), 1)
    expect_that(is_matrix, path, "a convolution of 1 x 1 without stride, padding and groups")


class _Stem(nn.Module):
    def __init__(self, vision: EfficientNetLite0) -> None:
        super().__init__()
        self.stem = vision.stem
        self.stem_norm = vision.stem_norm

    def forward(self, pixels: Tensor) -> State:
        """Map (N, 3, H, W) to one feature map."""
        return (F.relu6(self.stem_norm(self.stem(pixels))),)


class _Blocks(nn.Module):
    def __init__(self, blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, state: State | Tensor) -> State:
        """Run the blocks and pool what they give; the stem's feature map may come alone."""
        given, *pooled = (state,) if isinstance(state, Tensor) else state
        # a feature map from a file is contiguous; the convolutions are twice as fast so
        x = given.contiguous(memory_format=torch.channels_last)
        x = self.blocks(x)
        return (x, *pooled, x.mean(dim=(2, 3)))


class _Head(nn.Module):
    def __init__(self, vision: EfficientNetLite0) -> None:
        super().__init__()
        self.head = vision.head
        self.head_norm = vision.head_norm

    def forward(self, state: State) -> State:
        """Return what was pooled of the stages and of the head."""
        x = F.relu6(self.head_norm(self.head(state[0])))
        return (*state[1:], x.mean(dim=(2, 3)))


class _Last(nn.Module):
    """The join, which asks the image network for what was pooled already."""

    def __init__(self, vision: EfficientNetLite0, join: Join) -> None:
        super().__init__()
        self.classifier = vision.classifier
        self.join = join

    def forward(self, pooled: State) -> Tensor:
        """Map (N, 16), ..., (N, 1280) to (N, D)."""
        vision = cast("EfficientNetLite0", _Pooled(self.classifier, pooled))
        return self.join.image(vision, pooled[-1])


class _Pooled:
    """Stands for the image network where only its pooled stages are asked for."""

    def __init__(self, classifier: nn.Module, pooled: State) -> None:
        self.classifier = classifier
        self._pooled = pooled

    def pooled_stages(self, pixels: Tensor) -> State:
        """Return what was given."""
        return self._pooled
