"""Changes of low rank computed beside their layers, as a training does, not added to the weights.

Whether both ways give the same is what "the merge is exact" means; see ``tuning.effect``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.tuning.attention import replace_attention
from fieldguide.tuning.changes import Change, LowRank, changed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.tuning.layouts.layout import Layer


class Beside(nn.Module):
    """A linear layer or a convolution of 1 x 1 with a change of low rank beside it.

    Attributes:
        layer: as it is in the base.
        a: (R, I).
        b: (O, R).
    """

    a: Tensor
    b: Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d, change: LowRank) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("a", change.a.to(layer.weight), persistent=False)
        self.register_buffer("b", change.b.to(layer.weight), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The layer's own; open_clip asks its type."""
        return self.layer.weight

    def forward(self, x: Tensor) -> Tensor:
        """Return W x + B A x."""
        y: Tensor = self.layer(x)
        if isinstance(self.layer, nn.Linear):
            return y + F.linear(F.linear(x, self.a), self.b)
        narrow = F.conv2d(x, self.a[:, :, None, None])
        return y + F.conv2d(narrow, self.b[:, :, None, None])


def with_changes_beside(
    network: nn.Module, changes: Mapping[str, Change], layers: Sequence[Layer]
) -> nn.Module:
    """Return a copy with the changes of low rank beside their layers and the others added.

    What is no layer or no module of its own, such as a bare projection matrix, is added too. All
    tensors that are not changed are shared.

    Args:
        network: the base.
        changes: by the names of its parameters.
        layers: those of the network.

    Raises:
        AdapterError: a change does not fit the network.
    """
    added = {name: change for name, change in changes.items() if not isinstance(change, LowRank)}
    copied = changed(network, added)
    known = {layer.parameter for layer in layers}
    left: dict[str, Change] = {}
    for name, change in changes.items():
        if isinstance(change, LowRank) and not (
            name in known and _put_beside(copied, name, change)
        ):
            left[name] = change
    return changed(copied, left)


def _put_beside(network: nn.Module, name: str, change: LowRank) -> bool:
    """Wrap the module whose weight it is; return whether there is one."""
    path, _, own_name = name.rpartition(".")
    parent, _, last = path.rpartition(".")
    for candidate in (path, parent):
        if isinstance(_module(network, candidate), nn.MultiheadAttention):
            replace_attention(network, candidate)
    if own_name == "in_proj_weight":
        path, last, parent = f"{path}.in_proj", "in_proj", path
    layer = _module(network, path)
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return False
    setattr(network.get_submodule(parent), last, Beside(layer, change))
    return True


def _module(network: nn.Module, path: str) -> nn.Module | None:
    try:
        return network.get_submodule(path)
    except AttributeError:
        return None
