"""What tuning and adapters need of an encoder: its network, and a way to use a changed one.

An adapter is a set of changes to named parameters of ``network``. The base network is never
written: a changed copy shares every tensor that the adapter leaves alone, so many adapters cost
little more memory than their own weights, and threads cannot disturb each other.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from fieldguide.models.embeddings import Encoder, SpaceId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.contract import InputContract
    from fieldguide.models.towers import ImageTower

M = TypeVar("M", bound=nn.Module)


@runtime_checkable
class Tunable(Encoder, Protocol):
    """An encoder whose towers can be trained or changed by an adapter.

    Attributes:
        network: both towers, in eval mode and frozen. Names of its parameters are those of the
            checkpoint; adapters use them.
        image_module: from (N, C, H, W) uint8 pixels to (N, D) features that are not yet of unit
            length; made of parts of ``network``, differentiable.
        text_module: from (N, T) int64 token numbers to (N, D) features, likewise.
        image_tower: what ``encode_images`` calls.
        device: where the network is.
    """

    network: nn.Module
    image_module: nn.Module
    text_module: nn.Module
    image_tower: ImageTower
    device: torch.device

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (N, T) int64 token numbers on ``device``."""
        ...

    def with_network(
        self,
        network: nn.Module,
        *,
        adapter: str | None = None,
        logit_scale: float | None = None,
        contract: InputContract | None = None,
    ) -> Self:
        """Return this encoder around another network of the same structure.

        Args:
            network: a changed copy of ``network``; see :func:`sharing_copy`.
            adapter: digest of what was changed, for the SpaceId; None for an unchanged copy.
            logit_scale: of the changed model; None for the base's.
            contract: which differs from the base's in how sizes are fitted; None for the base's.
        """
        ...


@runtime_checkable
class HasNewParameters(Protocol):
    """An encoder some of whose parameters were not trained with the others.

    Attributes:
        new_parameters: their names in ``network``; a training trains them as a whole.
    """

    new_parameters: tuple[str, ...]


@runtime_checkable
class Widenable(Tunable, Protocol):
    """An encoder of colour pictures that can be given more bands; see ``models.widened``.

    Attributes:
        space: the space of everything it returns.
        new_parameters: as of ``HasNewParameters``; empty for a model as it was trained.
    """

    space: SpaceId
    new_parameters: tuple[str, ...]

    @property
    def first_convolution(self) -> str:
        """Path of the module in ``network`` that the pixels enter."""
        ...


class ProjectionInput(nn.Identity):
    """Stands where a tower's features enter a linear map into the shared space; changes nothing.

    A training may look at the features here, and put something else in this place in its own copy.

    Attributes:
        weight: name of the map's (D, F) parameter, in the module that owns this one.
        bias: name of its (D,) parameter.
        beside: names of what the owner multiplies other vectors by before it adds them: with all
            of these times a number, the owner's output is multiplied by that number.
    """

    def __init__(self, weight: str, bias: str, beside: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias
        self.beside = beside


def sharing_copy(module: M) -> M:
    """Return a copy of a module tree that shares every parameter and buffer with it.

    Submodules and parameters of the copy can be replaced without touching the original; writing
    *into* a shared tensor would touch it.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    memo = {id(tensor): tensor for tensor in tensors}
    return copy.deepcopy(module, memo)


def network_digest(network: nn.Module) -> str:
    """Return one SHA-256 of the names, types, shapes and bytes of all parameters and buffers."""
    total = hashlib.sha256()
    named = itertools.chain(network.named_parameters(), network.named_buffers())
    for name, tensor in sorted(named, key=lambda pair: pair[0]):
        values = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(f"{name}:{values.dtype}:{tuple(tensor.shape)};".encode())
        total.update(values.view(torch.uint8).numpy().data)
    return total.hexdigest()
