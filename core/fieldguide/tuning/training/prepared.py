"""A copy of the base that trains, cut behind its frozen stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.tuning.changes import Change, changed
from fieldguide.tuning.combine import added
from fieldguide.tuning.splitting import split_image, split_text
from fieldguide.tuning.training.states import State, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.trainables import Trainables

LORA_DROPOUT = "lora_dropout"
"""Name of the modules that peft puts beside a layer."""


class Prepared:
    """Both towers with what some trainables put there; all other tensors are the base's.

    Args:
        encoder: the base.
        before: what earlier fits changed.
        trainables: what trains now, of different parameters.
        changed_names: the parameters that any fit until now trains.

    Attributes:
        groups: the trained parameters of each of the trainables, by name.
    """

    def __init__(
        self,
        encoder: Tunable,
        before: Mapping[str, Change],
        trainables: Sequence[Trainables],
        changed_names: frozenset[str],
    ) -> None:
        self._trainables = tuple(trainables)
        self.network = changed(encoder.network, before)
        self.groups: list[dict[str, nn.Parameter]] = []
        seen: set[int] = set()
        for one in self._trainables:
            one.prepare(self.network)
            own = {n: p for n, p in _trained(self.network).items() if id(p) not in seen}
            seen |= {id(p) for p in own.values()}
            self.groups.append(own)
        self.groups = [  # names may have changed when the next one wrapped a layer
            {
                n: p
                for n, p in _trained(self.network).items()
                if id(p) in {id(q) for q in g.values()}
            }
            for g in self.groups
        ]
        whole = encoder.with_network(self.network)  # in eval mode
        self._image = split_image(whole, changed_names).suffix
        self._text = split_text(whole, changed_names).suffix

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """All that trains, by name."""
        return {name: p for group in self.groups for name, p in group.items()}

    def images(self, state: State) -> Tensor:
        """Return (N, D) float32 unit vectors from the frozen stages' outputs."""
        return _unit(run(self._image, state))

    def image_lengths(self, state: State) -> Tensor:
        """Return the length of each image's features before they are made unit vectors, (N,)."""
        return run(self._image, state)[0].float().square().sum(dim=1).sqrt()

    def texts(self, state: State) -> Tensor:
        """Return (T, D) float32 unit vectors likewise."""
        return _unit(run(self._text, state))

    def train(self, mode: bool) -> None:
        """Switch the dropout that tuning brought; the base's own modules stay in eval mode."""
        for path, module in self.network.named_modules():
            is_ours = type(module).__module__.startswith("fieldguide.tuning.projection")
            if is_ours or LORA_DROPOUT in path.split("."):
                module.train(mode)

    def changes(self, before: Mapping[str, Change]) -> dict[str, Change]:
        """Return what earlier fits and this one changed, in sum."""
        found = {n: c for one in self._trainables for n, c in one.changes(self.network).items()}
        return {
            name: added([each[name] for each in (before, found) if name in each])
            for name in dict.fromkeys((*before, *found))
        }


def _trained(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def _unit(state: State) -> Tensor:
    with torch.autocast(state[0].device.type, enabled=False):
        return F.normalize(state[0].float(), dim=1)
