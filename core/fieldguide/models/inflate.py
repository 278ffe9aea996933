"""A network of pictures made one of volumes: its kernels are given depth.

Carreira and Zisserman 2017, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset"
(arXiv:1705.07750); for CT Blankemeier et al. 2024, "Merlin: A Vision Language Foundation Model for
3D Computed Tomography" (arXiv:2406.06512). A kernel (k, k) becomes (T, k, k), either the same in
all T layers and divided by T, or in the middle one and zero elsewhere. A volume that is constant
along depth then gives the features of the picture.

The network keeps its own code. It is given the slices of one volume as its batch (D, C, H, W), and
the modules that shall see depth take the first axis for it:

- a convolution with a kernel above 1 sees T = k slices, padded by repeating the first and the last
  one; depth is not strided, so that (D, C, H, W) stays the order of things;
- a first convolution whose stride is its kernel (patches of a ViT, the stem of a ConvNeXt) takes
  blocks of T slices to one; T is the patch size unless stated;
- squeeze-and-excitation squeezes over depth too;
- attention blocks of transformers see the tokens of all depths at once, each depth with a class
  token of its own;
- norms act on each channel or token as before; pools and what follows them act on each depth, and
  the mean over depth is taken at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from fieldguide.errors import UsageError
from fieldguide.models.efficientnet_lite import SamePadConv2d

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def mean_kernel(kernel: Tensor, depth: int) -> Tensor:
    """Return (O, C, T, H, W): the kernel in every layer, divided by T.

    Args:
        kernel: (O, C, H, W).
        depth: T.
    """
    return (kernel / depth).unsqueeze(2).repeat(1, 1, depth, 1, 1)


def centre_kernel(kernel: Tensor, depth: int) -> Tensor:
    """Return (O, C, T, H, W): the kernel in layer T // 2, zero elsewhere; see ``mean_kernel``."""
    inflated = torch.zeros(*kernel.shape[:2], depth, *kernel.shape[2:], dtype=kernel.dtype,
                           device=kernel.device)  # fmt: skip
    inflated[:, :, depth // 2] = kernel
    return inflated


KERNELS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "mean": mean_kernel,
    "centre": centre_kernel,
}
"""How kernels are given depth, by name."""


class DepthMean(nn.Module):
    """The mean over depth, with which an inflated network ends."""

    identity: ClassVar[str] = "depth-mean"

    def forward(self, features: Tensor) -> Tensor:
        """Map (D, F) to (F,)."""
        return features.mean(dim=0)


@dataclass(frozen=True)
class Inflation:
    """How a network is inflated.

    Attributes:
        kernel: one of ``KERNELS``' values.
        name: of it, for the identity of a space.
        patch_depth: slices that one patch takes; None for its side.
    """

    kernel: Callable[[Tensor, int], Tensor]
    name: str
    patch_depth: int | None = None

    @property
    def identity(self) -> str:
        """What decides the kernels, as text."""
        return f"inflated;{self.name};{self.patch_depth}"


def inflate(visual: nn.Module, first: nn.Module, inflation: Inflation) -> None:
    """Give depth to an image network, in place.

    Args:
        visual: of a sharing copy, whose submodules may be replaced; shared tensors are not written.
        first: the convolution in it that the pixels enter.
        inflation: how.

    Raises:
        UsageError: it has parts that nobody has inflated yet.
    """
    known = _kinds()
    found = 0
    for path, module in list(visual.named_modules()):
        kind = type(module)
        if isinstance(module, nn.Conv2d):
            found += _inflate_convolution(module, path, module is first, inflation)
        elif f"{kind.__module__}.{kind.__qualname__}" in known:
            _become(module, known[f"{kind.__module__}.{kind.__qualname__}"])
    if not found:
        raise UsageError(
            "The network has no convolution that could be given depth. Name another base: ViT, "
            "ResNet and ConvNeXt towers of open_clip and the embedded model can be inflated."
        )


def _inflate_convolution(
    module: nn.Conv2d, path: str, is_first: bool, inflation: Inflation
) -> bool:
    """Inflate one convolution; a kernel of 1 and later blocks without overlap stay as they are."""
    side = max(module.kernel_size)
    is_patches = module.kernel_size == tuple(module.stride) and side > 1
    if side == 1 or (is_patches and not is_first):
        return False
    if type(module) not in (nn.Conv2d, SamePadConv2d):
        raise UsageError(
            f"The convolution {path or 'of the network'} is a {type(module).__name__}, which is "
            "not known well enough to be given depth. Name another base, or pool slices instead: "
            "'pooling: mean' in place of 'inflate'."
        )
    depth = (inflation.patch_depth or side) if is_patches else side
    inflated = inflation.kernel(module.weight.detach(), depth).contiguous()
    module._parameters["weight"] = nn.Parameter(inflated, requires_grad=False)
    _become(module, _Patches if is_patches else _Convolution)
    return True


def _become(module: nn.Module, way: type[nn.Module]) -> None:
    """Let a module compute in another way; its parts and their names stay."""
    kind = type(module)
    module.__class__ = type(kind.__name__, (way, kind), {"stands_for": kind})


class _Convolution(nn.Conv2d):
    """A convolution over (D, H, W) as a sum of those over (H, W); depth repeats at its ends.

    On a processor this is several times as fast as a convolution of three axes, above all where
    each channel has a kernel of its own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (D, C, H, W) to (D, O, H', W')."""
        depth, layers = len(input), self.weight.shape[2]
        places = torch.arange(depth, device=input.device)
        total: Tensor | None = None
        for layer in range(layers):
            seen = (places + layer - layers // 2).clamp(0, depth - 1)
            part = self._conv_forward(input[seen], self.weight[:, :, layer], None)
            total = part if total is None else total + part
        return _with_bias(cast("Tensor", total), self.bias)


class _Patches(nn.Conv2d):
    """A convolution of blocks that do not overlap; the last slice fills up the last block."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (D, C, H, W) to (ceil(D / T), O, H', W')."""
        depth, layers = len(input), self.weight.shape[2]
        starts = torch.arange(0, depth, layers, device=input.device)
        total: Tensor | None = None
        for layer in range(layers):
            seen = (starts + layer).clamp(max=depth - 1)
            part = self._conv_forward(input[seen], self.weight[:, :, layer], None)
            total = part if total is None else total + part
        return _with_bias(cast("Tensor", total), self.bias)


def _with_bias(features: Tensor, bias: Tensor | None) -> Tensor:
    return features if bias is None else features + bias.view(-1, 1, 1)


class _JoinedBlock(nn.Module):
    """A transformer block that sees the tokens of all depths at once."""

    def forward(self, tokens: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Map (D, T, W) to (D, T, W)."""
        joined: Tensor = super().forward(tokens.reshape(1, -1, tokens.shape[2]), *args, **kwargs)
        return joined.reshape(tokens.shape)


class _Squeeze(nn.Module):
    """timm's ``SqueezeExcite`` of EfficientNets, squeezed over depth too."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (D, C, H, W) to (D, C, H, W)."""
        own = cast("Any", self)
        squeezed = features.mean(dim=(0, 2, 3), keepdim=True)
        gates: Tensor = own.gate(own.conv_expand(own.act1(own.conv_reduce(squeezed))))
        return features * gates


def _kinds() -> Mapping[str, type[nn.Module]]:
    """Return what other modules become, by the names of their classes."""
    return {
        "open_clip.transformer.ResidualAttentionBlock": _JoinedBlock,
        "timm.models.vision_transformer.Block": _JoinedBlock,
        "timm.models._efficientnet_blocks.SqueezeExcite": _Squeeze,
    }
