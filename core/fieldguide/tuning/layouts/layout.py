"""What a layout says of a tower: its layers for adapters, its stages for freezing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import nn

Tower = Literal["image", "text"]

ROLES = (
    "attention_in",
    "query",
    "key",
    "value",
    "attention_out",
    "mlp_in",
    "mlp_out",
    "pointwise",
    "projection",
)
"""What a layer does. ``attention_in`` is query, key and value in one weight; ``pointwise`` is a
convolution of 1 x 1; ``projection`` maps a tower's features into the shared space."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One weight that an adapter can change.

    Attributes:
        name: path of the module in ``encoder.network``; of its owner where the weight is a bare
            parameter.
        parameter: full name of the weight.
        tower: "image" or "text".
        role: one of ``ROLES``.
        block: number of the block from the input, of each tower from 0.
    """

    name: str
    parameter: str
    tower: Tower
    role: str
    block: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a tower, from the input on.

    Attributes:
        owners: paths of the modules and parameters in ``encoder.network`` that belong to it.
        run: from what the stage before returns to what the next one takes: a tensor or a tuple of
            tensors, (N, ...) each. It holds the network's own modules and nothing of other stages.
        held: further paths that the step uses and that no method tunes.
    """

    owners: tuple[str, ...]
    run: nn.Module
    held: tuple[str, ...] = ()

    def owns(self, parameter: str) -> bool:
        """Return whether a parameter of the network is used by this stage."""
        paths = self.owners + self.held
        return any(parameter == path or parameter.startswith(path + ".") for path in paths)


class Layout(Protocol):
    """One tower of one network, whose family is known."""

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers from the input on, after a check of every block.

        Raises:
            AdapterError: the structure of a block is not the known one.
        """
        ...

    def stages(self) -> tuple[Stage, ...]:
        """Return all stages: what embeds the input, the blocks, and last what pools and projects.

        The network may be prepared for training: its blocks are not looked into.
        """
        ...

    def projection(self) -> tuple[str, ...]:
        """Return the paths of what maps into the shared space; all belong to the last stage."""
        ...
