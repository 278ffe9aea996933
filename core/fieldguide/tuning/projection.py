"""The maps into the shared space, trained on standardised features.

Features of several stages differ in scale a hundredfold, so one learning rate does not suit all of
them. In the training copy each feature is standardised before the map (LeCun et al. 1998,
"Efficient BackProp", section 4.3) and some are dropped (Srivastava et al. 2014, "Dropout"); what
was learned is folded back into the map of the base, so that nothing of it is left in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.models.tunable import ProjectionInput
from fieldguide.tuning.changes import Change, Offset
from fieldguide.tuning.trainables import FullParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MIN_STD = 1e-6


class StandardisedInput(nn.Module):
    """Stands for a :class:`ProjectionInput` in a training copy.

    Until :func:`calibrate` it passes features on and counts them; then it standardises them and,
    in train mode, drops some.

    Args:
        place: what it stands for.
        dropout: share of the features that is set to zero in train mode.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, place: ProjectionInput, dropout: float) -> None:
        super().__init__()
        self.weight, self.bias, self.beside = place.weight, place.bias, place.beside
        self.dropout = dropout
        self.is_calibrated = False
        self._counted: list[Tensor] = []

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, F) to (N, F)."""
        if not self.is_calibrated:
            self._counted.append(features.detach())
            return features
        return F.dropout((features - self.mean) / self.std, self.dropout, self.training)

    def forget(self) -> None:
        """Count anew: what ran before may have been something else than pictures."""
        self._counted = []

    def calibrate(self, owner: nn.Module) -> None:
        """Standardise by what was counted; the owner's map is changed so that it gives the same."""
        features = torch.cat(self._counted).double()
        self.forget()
        mean = features.mean(dim=0)
        std = features.std(dim=0, correction=0).clamp(min=MIN_STD)
        weight, bias = (
            cast("nn.Parameter", owner._parameters[n]) for n in (self.weight, self.bias)
        )
        with torch.no_grad():
            bias.add_((weight.double() @ mean).to(bias.dtype))
            weight.mul_(std.to(weight.dtype))
        self.register_buffer("mean", mean.to(weight.dtype), persistent=False)
        self.register_buffer("std", std.to(weight.dtype), persistent=False)
        self.is_calibrated = True


class Projection(FullParameters):
    """The maps into the shared space; each is a clone that trains.

    Args:
        names: of the base's parameters, as ``projection_parameters`` gives them.
        dropout: share of the standardised image features that is set to zero while training.
    """

    def __init__(self, names: Iterable[str], dropout: float = 0.0) -> None:
        super().__init__(names)
        self.dropout = dropout

    def prepare(self, network: nn.Module) -> None:
        """Replace the maps of a sharing copy by clones that train, and their inputs."""
        super().prepare(network)
        for path, owner in list(network.named_modules()):
            for name, child in list(owner.named_children()):
                is_known = isinstance(child, ProjectionInput)
                if is_known and _below(path, child.weight) in self.names():
                    setattr(owner, name, StandardisedInput(child, self.dropout))

    def changes(self, network: nn.Module) -> dict[str, Change]:
        """Return the differences from the base, with the standardisation folded in."""
        found = super().changes(network)
        for path, owner, place in _places(network):
            if not place.is_calibrated:
                continue
            weight_name, bias_name = _below(path, place.weight), _below(path, place.bias)
            weight, bias = (
                cast("nn.Parameter", owner._parameters[name]).detach().double()
                for name in (place.weight, place.bias)
            )
            weight = weight / place.std.double()
            bias = bias - weight @ place.mean.double()
            for name, values in ((weight_name, weight), (bias_name, bias)):
                base = self._base[name].to(values.device).double()
                found[name] = Offset((values - base).float().cpu().contiguous())
        return found


def calibrate(network: nn.Module, forward: Callable[[], object]) -> None:
    """Let every standardised input of a prepared network see some features, once.

    Args:
        network: prepared; one without such inputs is left alone, and nothing is computed.
        forward: runs the image tower on some pictures of the training.
    """
    if not any(True for _ in _places(network)):
        return
    for _, _, place in _places(network):
        place.forget()
    with torch.no_grad():
        forward()
    for _, owner, place in _places(network):
        place.calibrate(owner)


def has_standardised_input(network: nn.Module) -> bool:
    """Return whether a base offers the features that enter a map to be standardised."""
    return any(isinstance(module, ProjectionInput) for module in network.modules())


def scale_output(network: nn.Module, factor: float) -> bool:
    """Multiply what the maps of a prepared network give by a number; cosines stay as they are.

    Returns:
        Whether the network has such maps.
    """
    found = False
    for _, owner, place in _places(network):
        with torch.no_grad():
            for name in (place.weight, place.bias, *place.beside):
                cast("nn.Parameter", owner._parameters[name]).mul_(factor)
        found = True
    return found


def _places(network: nn.Module) -> Iterator[tuple[str, nn.Module, StandardisedInput]]:
    for path, owner in network.named_modules():
        for child in owner.children():
            if isinstance(child, StandardisedInput):
                yield path, owner, child


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
