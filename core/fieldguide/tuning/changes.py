"""Changes to named parameters: what every adapter is, whichever method made it.

A change is a difference from the base's tensor, so its strength can be chosen after training by
interpolation in weight space (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models",
arXiv:2109.01903), and several can be added (Ilharco et al. 2023, "Editing Models with Task
Arithmetic", arXiv:2212.04089). Nothing here writes into a tensor of the base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from fieldguide.errors import AdapterError
from fieldguide.models.tunable import sharing_copy

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class LowRank:
    """A difference of low rank (Hu et al. 2021, "LoRA", arXiv:2106.09685): ``b @ a``.

    Attributes:
        a: (R, I), for a weight of (O, I) or (O, I, 1, 1).
        b: (O, R), with alpha / rank multiplied in.
    """

    a: Tensor
    b: Tensor

    def difference(self, shape: torch.Size) -> Tensor:
        """Return what is added to a weight of this shape."""
        return (self.b @ self.a).reshape(shape)

    def scaled(self, strength: float) -> LowRank:
        """Return the change times a number."""
        return LowRank(self.a, self.b * strength)


@dataclass(frozen=True, slots=True)
class Offset:
    """A difference of every element.

    Attributes:
        values: of the parameter's shape.
    """

    values: Tensor

    def difference(self, shape: torch.Size) -> Tensor:
        """Return what is added to a parameter of this shape."""
        return self.values.reshape(shape)

    def scaled(self, strength: float) -> Offset:
        """Return the change times a number."""
        return Offset(self.values * strength)


Change = LowRank | Offset


def changed(network: M, changes: Mapping[str, Change], strength: float = 1.0) -> M:
    """Return a copy of a network with the changes added; all other tensors are shared.

    Args:
        network: the base; it stays as it is.
        changes: by the name of the parameter in ``network``.
        strength: 0 gives the base to the last bit, 1 the tuned network; between them lies the
            weight-space ensemble.

    Raises:
        AdapterError: a change is of a parameter that the network lacks, or of another shape.
    """
    copied = sharing_copy(network)
    parameters = dict(copied.named_parameters(remove_duplicate=False))
    for name, change in changes.items():
        if name not in parameters:
            raise AdapterError(
                f"The adapter changes {name}, which the model does not have. It was made for "
                "another model; 'fieldguide doctor --adapter A' names the one."
            )
        base = parameters[name]
        if strength != 0:
            put(copied, name, base.detach() + strength * _fitting(change, base, name))
    return copied


def put(network: nn.Module, name: str, values: Tensor) -> None:
    """Replace one parameter of a network by frozen values; the old tensor is not written."""
    owner, _, own_name = name.rpartition(".")
    parameter = nn.Parameter(values, requires_grad=False)
    network.get_submodule(owner)._parameters[own_name] = parameter


def _fitting(change: Change, base: Tensor, name: str) -> Tensor:
    try:
        values = change.difference(base.shape)
    except RuntimeError as error:
        raise AdapterError(
            f"The adapter's change of {name} does not have its shape {tuple(base.shape)}. It was "
            "made for another model; 'fieldguide doctor --adapter A' names the one."
        ) from error
    return values.to(base.device, base.dtype)
