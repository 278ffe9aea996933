"""What trains in a copy of a network, and what became of it: the common side of all methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fieldguide.errors import AdapterError
from fieldguide.models.tunable import HasNewParameters
from fieldguide.tuning.attention import SelfAttention
from fieldguide.tuning.changes import Change, Offset
from fieldguide.tuning.layouts.towers import image_layout, layout_of, text_layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.layouts.layout import Tower


class Trainables(Protocol):
    """One way to train a network without writing into the tensors of its base."""

    def prepare(self, network: nn.Module) -> None:
        """Change a sharing copy so that ``requires_grad`` says what trains.

        Args:
            network: of :func:`fieldguide.models.tunable.sharing_copy`; its frozen tensors stay
                shared with the base, and batch norms stay in eval mode whoever calls ``train``.

        Raises:
            AdapterError: the network is not the one that this was made for.
        """
        ...

    def changes(self, network: nn.Module) -> dict[str, Change]:
        """Return what was learned in a prepared network, by the names of the base's parameters.

        Float32 on the CPU; nothing of it is shared with the network.
        """
        ...

    def names(self) -> frozenset[str]:
        """Return the names of the base's parameters that will change."""
        ...


class FullParameters:
    """Whole parameters, each as a clone of its own.

    Args:
        names: of the base's parameters, as :func:`stage_parameters` and
            :func:`projection_parameters` give them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(sorted(set(names)))
        self._base: dict[str, Tensor] = {}
        if not self._names:
            raise AdapterError(
                "No parameter of this model is left to be trained. Tune its last stages "
                "(--method finetune) or its layers (--method lora)."
            )

    def names(self) -> frozenset[str]:
        """Return the names."""
        return frozenset(self._names)

    def prepare(self, network: nn.Module) -> None:
        """Replace the parameters of a sharing copy by clones that train."""
        places = {name: locate(network, name) for name in self._names}
        for name, (owner, own_name) in places.items():
            base = cast("nn.Parameter", owner._parameters[own_name])
            self._base[name] = base.detach()
            owner._parameters[own_name] = nn.Parameter(base.detach().clone(), requires_grad=True)
        keep_statistics(network)

    def changes(self, network: nn.Module) -> dict[str, Change]:
        """Return the differences from the base."""
        found: dict[str, Change] = {}
        for name in self._names:
            owner, own_name = locate(network, name)
            trained = cast("nn.Parameter", owner._parameters[own_name]).detach()
            difference = trained.float() - self._base[name].to(trained.device).float()
            found[name] = Offset(difference.cpu().contiguous())
        return found


class Together:
    """Several trainables of one network, of different parameters.

    Raises:
        AdapterError: two of them are to change the same parameter.
    """

    def __init__(self, *trainables: Trainables) -> None:
        self._all = trainables
        seen: set[str] = set()
        for one in trainables:
            if twice := seen & one.names():
                raise AdapterError(
                    f"{min(twice)} would be trained in two ways. Choose one of them."
                )
            seen |= one.names()
        self._names = frozenset(seen)

    def names(self) -> frozenset[str]:
        """Return the names of all."""
        return self._names

    def prepare(self, network: nn.Module) -> None:
        """Prepare a sharing copy for all of them."""
        for one in self._all:
            one.prepare(network)

    def changes(self, network: nn.Module) -> dict[str, Change]:
        """Return the changes of all."""
        return {name: change for one in self._all for name, change in one.changes(network).items()}


class _StaysInEval(nn.Module):
    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode."""
        return super().train(False)


def keep_statistics(network: nn.Module) -> None:
    """Keep every batch norm of a copy in eval mode, whoever calls ``train``.

    Statistics belong to the base and are shared with it: a batch norm in train mode would write
    into them.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, _StaysInEval):
            kind: type[nn.Module] = type(module)
            staying = type(kind.__name__, (_StaysInEval, kind), {})
            module.__class__ = staying
            module.eval()


def locate(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return the module that holds a parameter of the base, and its name there.

    In a prepared network it may lie deeper: below a LoRA layer, or in what stands for an attention.

    Raises:
        AdapterError: there is none.
    """
    path, _, own_name = name.rpartition(".")
    try:
        owner = network.get_submodule(path)
    except AttributeError:
        raise _unknown(name) from None
    if isinstance(owner, SelfAttention) and own_name.startswith("in_proj_"):
        owner, own_name = owner.in_proj, own_name.removeprefix("in_proj_")
    owner = cast("nn.Module", getattr(owner, "base_layer", owner))
    if owner._parameters.get(own_name) is None:
        raise _unknown(name)
    return owner, own_name


def _unknown(name: str) -> AdapterError:
    return AdapterError(f"The model has no parameter {name}. Find its layers anew for this model.")


def stage_parameters(encoder: Tunable, last_stages: int, tower: Tower = "image") -> tuple[str, ...]:
    """Return the names of the parameters of a tower's last stages, for finetuning.

    The stages are what embeds the input and the blocks (of EfficientNet: stem, seven stages, head);
    the norm behind the last one belongs to it. The projection is not among them, see
    :func:`projection_parameters`. Scales and shifts of norms are; statistics are no parameters.

    Args:
        encoder: whose tower it is.
        last_stages: how many, from the end; as many as there are for the whole tower.
        tower: "image" or "text".

    Raises:
        AdapterError: the tower is not known, or has fewer stages.
    """
    layout = layout_of(encoder, tower)
    *stages, end = layout.stages()
    if not 1 <= last_stages <= len(stages):
        raise AdapterError(
            f"The {tower} tower has {len(stages)} stages, and {last_stages} were asked for. Name "
            f"1 to {len(stages)}."
        )
    projection = _names_below(encoder, layout.projection())
    owners = [path for stage in (*stages[-last_stages:], end) for path in stage.owners]
    return tuple(name for name in _names_below(encoder, owners) if name not in projection)


def projection_parameters(encoder: Tunable) -> tuple[str, ...]:
    """Return the names of the parameters that map both towers into the shared space.

    Empty where both towers end without a projection.

    Raises:
        AdapterError: a tower is not known.
    """
    paths = (*image_layout(encoder).projection(), *text_layout(encoder).projection())
    return _names_below(encoder, paths)


def new_parameters(encoder: Tunable) -> tuple[str, ...]:
    """Return the names of parameters that were not trained with the others, such as new bands'.

    A change of low rank could not make up for that, so every method that trains the image tower
    trains them as a whole. Empty for most models.
    """
    return encoder.new_parameters if isinstance(encoder, HasNewParameters) else ()


def _names_below(encoder: Tunable, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all parameters at or below some paths, in the network's order."""
    given = tuple(paths)
    return tuple(
        name
        for name, _ in encoder.network.named_parameters()
        if any(name == path or name.startswith(path + ".") for path in given)
    )
