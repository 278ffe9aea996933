"""EfficientNet-Lite0 in plain torch.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
(arXiv:1905.11946), the Lite variant without squeeze-and-excitation and with ReLU6. Equal to the
last bit to timm's ``tf_efficientnet_lite0``, whose import would double the start-up time.
"""

from __future__ import annotations

import math
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH_NORM_EPS = 1e-3  # TensorFlow's
STAGE_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
HEAD_CHANNELS = 1280
CLASSES = 1000
# (repeats, kernel size, stride, expansion); paper, table 1; Lite0 has the widths of B0.
_STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6),
           (1, 3, 1, 6))  # fmt: skip


class SamePadConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME does: odd rests go right and below."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        vertical, horizontal = (
            max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
            for length, stride, kernel in zip(
                input.shape[-2:], self.stride, self.kernel_size, strict=True
            )
        )
        padding = (
            horizontal // 2,
            horizontal - horizontal // 2,
            vertical // 2,
            vertical - vertical // 2,
        )
        padded = F.pad(input, padding) if any(padding) else input
        return F.conv2d(padded, weight, bias, self.stride, 0, 1, self.groups)


def _convolution(
    channels_in: int, channels_out: int, kernel: int, stride: int, groups: int = 1
) -> nn.Conv2d:
    kind = SamePadConv2d if stride > 1 else nn.Conv2d
    padding = 0 if stride > 1 else kernel // 2
    return kind(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, project; the sum with the input where shapes allow."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.expand: nn.Module = nn.Identity()
        self.expand_norm: nn.Module = nn.Identity()
        if expansion > 1:
            self.expand = _convolution(channels_in, inner, 1, 1)
            self.expand_norm = nn.BatchNorm2d(inner, eps=BATCH_NORM_EPS)
        self.depthwise = _convolution(inner, inner, kernel, stride, groups=inner)
        self.depthwise_norm = nn.BatchNorm2d(inner, eps=BATCH_NORM_EPS)
        self.project = _convolution(inner, channels_out, 1, 1)
        self.project_norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS)
        self.has_skip = stride == 1 and channels_in == channels_out
        self.has_expansion = expansion > 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        inner = F.relu6(self.expand_norm(self.expand(x))) if self.has_expansion else x
        inner = F.relu6(self.depthwise_norm(self.depthwise(inner)))
        y: Tensor = self.project_norm(self.project(inner))
        return x + y if self.has_skip else y


class EfficientNetLite0(nn.Module):
    """The network with access to the pooled output of every stage."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, 32, 3, 2)
        self.stem_norm = nn.BatchNorm2d(32, eps=BATCH_NORM_EPS)
        stages: list[nn.Module] = []
        channels = 32
        for (repeats, kernel, stride, expansion), width in zip(
            _STAGES, STAGE_CHANNELS, strict=True
        ):
            blocks = []
            for number in range(repeats):
                first = number == 0
                blocks.append(
                    InvertedResidual(channels, width, kernel, stride if first else 1, expansion)
                )
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = _convolution(channels, HEAD_CHANNELS, 1, 1)
        self.head_norm = nn.BatchNorm2d(HEAD_CHANNELS, eps=BATCH_NORM_EPS)
        self.classifier = nn.Linear(HEAD_CHANNELS, CLASSES)

    def pooled_stages(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the mean over space of each of the seven stages and of the head.

        Args:
            pixels: (N, 3, H, W), normalised to (x - 127) / 128.

        Returns:
            Eight tensors (N, C) with C = 16, 24, 40, 80, 112, 192, 320 and 1280.
        """
        x = F.relu6(self.stem_norm(self.stem(pixels)))
        pooled = []
        for stage in self.stages:
            x = stage(x)
            pooled.append(x.mean(dim=(2, 3)))
        x = F.relu6(self.head_norm(self.head(x)))
        return (*pooled, x.mean(dim=(2, 3)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ImageNet logits (N, 1000)."""
        logits: Tensor = self.classifier(self.pooled_stages(pixels)[-1])
        return logits

    def load_in_order(self, weights: Mapping[str, Tensor]) -> None:
        """Load the published checkpoint, whose tensors have other names but the same order.

        Raises:
            ValueError: the number or a shape of the tensors differs.
        """
        given = [v for k, v in weights.items() if not k.endswith("num_batches_tracked")]
        own = [k for k in self.state_dict() if not k.endswith("num_batches_tracked")]
        if len(given) != len(own):
            raise ValueError(f"{len(given)} tensors where {len(own)} belong")
        renamed = dict(zip(own, given, strict=True))
        missing, unexpected = self.load_state_dict(renamed, strict=False)
        left = [key for key in missing if not key.endswith("num_batches_tracked")]
        if left or unexpected:
            raise ValueError(f"missing {left}, unexpected {unexpected}")


def load_efficientnet_lite0(path: str) -> EfficientNetLite0:
    """Read the published checkpoint as data and return the network in eval mode, frozen.

    Raises:
        WeightsError: the file is no checkpoint of this network, or would run code.
    """
    network = EfficientNetLite0()
    try:
        network.load_in_order(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, UnpicklingError) as error:
        raise WeightsError(
            f"{path} is not the published EfficientNet-Lite0, or is not safe to read: "
            f"{str(error).splitlines()[0]} Install its package again."
        ) from error
    return network.eval().requires_grad_(False)
