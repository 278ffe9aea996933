"""Towers of open_clip whose inside is not known: one stage, and the projection behind it.

Their layers are not offered, because nobody has looked whether the network calls them. Projections
can be trained, and the whole tower as one stage, whatever it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from fieldguide.tuning.layouts.layout import Layer, Stage
from fieldguide.tuning.layouts.structure import kind_name, refuse
from fieldguide.tuning.layouts.timm_vit import head_projection

if TYPE_CHECKING:
    from collections.abc import Iterable


def one_of(names: Iterable[str]) -> str:
    """Return "one of" and the class names without their modules."""
    return "one of " + ", ".join(name.rpartition(".")[2] for name in names)


@dataclass(frozen=True)
class UnknownTrunkLayout:
    """open_clip's ``TimmModel`` around a trunk of timm that has no layout.

    Attributes:
        tower: the module.
        path: where it is in the network.
        known: class names of the trunks that have one, for the message.
    """

    tower: nn.Module
    path: str
    known: Iterable[str]

    def layers(self) -> tuple[Layer, ...]:
        """Refuse; always raises AdapterError."""
        trunk = cast("nn.Module", self.tower.trunk)
        raise refuse(f"{self.path}.trunk", one_of(self.known), kind_name(trunk))

    def stages(self) -> tuple[Stage, ...]:
        """Return the trunk and the head."""
        tower = cast("Any", self.tower)
        trunk = Stage((f"{self.path}.trunk",), tower.trunk)
        return (trunk, Stage((f"{self.path}.head",), tower.head))

    def projection(self) -> tuple[str, ...]:
        """Return the head's linear maps, where it has any."""
        return head_projection(self.tower, self.path)


@dataclass(frozen=True)
class UnknownTextLayout:
    """open_clip's ``HFTextEncoder`` around a Hugging Face model that has no layout.

    Attributes:
        tower: the module.
        path: where it is in the network.
        known: class names of the models that have one, for the message.
    """

    tower: nn.Module
    path: str
    known: Iterable[str]

    def layers(self) -> tuple[Layer, ...]:
        """Refuse; always raises AdapterError."""
        model = cast("nn.Module", self.tower.transformer)
        raise refuse(f"{self.path}.transformer", one_of(self.known), kind_name(model))

    def stages(self) -> tuple[Stage, ...]:
        """Return the model with its pooling, and the projection."""
        owners = (f"{self.path}.transformer", f"{self.path}.pooler")
        last = Stage((f"{self.path}.proj",), cast("nn.Module", self.tower.proj))
        return (Stage(owners, _Pooled(self.tower)), last)

    def projection(self) -> tuple[str, ...]:
        """Return the projection, where it has parameters."""
        has_any = any(True for _ in cast("nn.Module", self.tower.proj).parameters())
        return (f"{self.path}.proj",) if has_any else ()


class _Pooled(nn.Module):
    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.padding = tower.config.pad_token_id
        self.transformer, self.pooler = tower.transformer, tower.pooler

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T) token numbers to (N, W)."""
        mask = (tokens != self.padding).long()
        pooled: Tensor = self.pooler(self.transformer(input_ids=tokens, attention_mask=mask), mask)
        return pooled
