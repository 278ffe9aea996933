"""The inflated ResNet-152 of Merlin and Astra in plain torch.

A ResNet with bottlenecks (He et al. 2015, arXiv:1512.03385; the stride lies on the 3 x 3
convolution, as torchvision has it) whose kernels were given depth as in Carreira and Zisserman 2017
(arXiv:1705.07750) for Blankemeier et al. 2024, "Merlin" (arXiv:2406.06512): 3 in place of 3 x 3 and
of the first 7 x 7, 1 elsewhere; depth is halved wherever the plane is but in the first convolution.
Parameters have torchvision's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

BLOCKS_152 = (3, 8, 36, 3)
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
SLICES = 16
FEATURES = WIDTHS[-1] * EXPANSION


class Bottleneck(nn.Module):
    """Narrow, convolve, widen; the sum with the input."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * EXPANSION
        self.conv1 = nn.Conv3d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != wide:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels, wide, 1, stride, bias=False), nn.BatchNorm3d(wide)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to (N, C', D / stride, H / stride, W / stride)."""
        beside = x if self.downsample is None else self.downsample(x)
        inner = self.relu(self.bn1(self.conv1(x)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        found: Tensor = self.relu(self.bn3(self.conv3(inner)) + beside)
        return found


class I3ResNet(nn.Module):
    """From volumes to the mean of their last feature map.

    Args:
        blocks: bottlenecks of each of the four layers.
    """

    def __init__(self, blocks: tuple[int, int, int, int] = BLOCKS_152) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), padding=(1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.relu = nn.ReLU(inplace=True)
        channels = 64
        for place, (count, width) in enumerate(zip(blocks, WIDTHS, strict=True)):
            strides = (1 if place == 0 else 2, *[1] * (count - 1))
            layer = nn.Sequential()
            for stride in strides:
                layer.append(Bottleneck(channels, width, stride))
                channels = width * EXPANSION
            self.add_module(f"layer{place + 1}", layer)

    def feature_map(self, volumes: Tensor) -> Tensor:
        """Return (N, 2048, Z / 16, X / 32, Y / 32) of (N, 1, X, Y, Z) volumes of 0..1."""
        # rows are X and columns are Y: so Merlin was trained
        x = volumes.permute(0, 1, 4, 2, 3).expand(-1, 3, -1, -1, -1)
        x = self._stem(x)
        for place in range(len(WIDTHS)):
            layer = self.get_submodule(f"layer{place + 1}")
            x = layer(x)
        found: Tensor = x
        return found

    def _stem(self, x: Tensor) -> Tensor:
        """Convolve and pool; some slices at once, as their feature maps are the largest of all."""
        padded = F.pad(x, (0, 0, 0, 0, 1, 1))  # depth, as the convolution would pad it
        kernel, bias = self.conv1.weight, self.conv1.bias
        pooled = []
        for start in range(0, x.shape[2], SLICES):
            part = padded[:, :, start : start + SLICES + 2]
            features = F.conv3d(part, kernel, bias, self.conv1.stride, (0, 3, 3))
            features = self.relu(self.bn1(features))
            pooled.append(F.max_pool3d(features, (1, 3, 3), (1, 2, 2), (0, 1, 1)))
        return F.max_pool3d(torch.cat(pooled, dim=2), (3, 1, 1), (2, 1, 1), (1, 0, 0))

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (N, 1, X, Y, Z) volumes of 0..1 to (N, 2048)."""
        features: Tensor = self.feature_map(volumes.float()).mean(dim=(2, 3, 4))
        return features

    def fuse(self) -> None:
        """Fold every batch norm into the convolution before it, in place, for inference alone.

        The feature maps of the first layers take 0.5 GB each, and each norm would make one more.
        """
        for owner in [self, *(m for m in self.modules() if isinstance(m, Bottleneck))]:
            for number in range(1, 4):
                _fuse(owner, f"conv{number}", f"bn{number}")
            if isinstance(owner, Bottleneck) and owner.downsample is not None:
                _fuse(owner.downsample, "0", "1")


def _fuse(owner: nn.Module, convolution: str, norm: str) -> None:
    found, behind = owner._modules.get(convolution), owner._modules.get(norm)
    if isinstance(found, nn.Conv3d) and isinstance(behind, nn.BatchNorm3d):
        setattr(owner, convolution, fuse_conv_bn_eval(found, behind))
        setattr(owner, norm, nn.Identity())
