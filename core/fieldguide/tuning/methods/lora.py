"""LoRA: a change of low rank in some layers (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from fieldguide.tuning.layouts.layers import find_layers, select_layers
from fieldguide.tuning.layouts.layout import Tower
from fieldguide.tuning.lora import LoraLayers
from fieldguide.tuning.methods.projector import ProjectorSettings
from fieldguide.tuning.trainables import FullParameters, Trainables, new_parameters
from fieldguide.tuning.training.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.training.fits import Fit


class Lora(ProjectorSettings):
    """Find the maps into the shared space, then train low-rank changes of layers beside them.

    Attributes:
        rank: of the changes.
        alpha: the change is multiplied by ``alpha / rank``; None for twice the rank.
        dropout: share of the inputs of the change that is dropped.
        towers: "image", "text" or both. Text towers that are left out are locked, and the other
            way round (Zhai et al. 2022, "LiT", arXiv:2111.07991).
        roles: of the layers, see ``fieldguide.tuning.layouts.layout.ROLES``; None for all.
        last_blocks: how many blocks from each tower's end; None for all.
        epochs: passes over the train rows.
        learning_rate: the largest, of the changes. Transformers want 1e-4 to 5e-4 (Zanella and Ben
            Ayed 2024, "Low-Rank Few-Shot Adaptation of Vision-Language Models", arXiv:2405.18541),
            the embedded model 2e-3.
        new_rate: the largest learning rate of what is trained as a whole because it was not trained
            before: the first convolution of a model with new bands; None for ``learning_rate``.
    """

    rank: int = Field(default=16, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    towers: tuple[Tower, ...] = Field(default=("image",), min_length=1)
    roles: tuple[str, ...] | None = None
    last_blocks: int | None = Field(default=None, ge=1)
    epochs: float = Field(default=12, gt=0)
    learning_rate: float = Field(default=5e-4, gt=0)
    new_rate: float | None = Field(default=None, gt=0)

    def fits(self, encoder: Tunable, seed: int) -> Sequence[Fit]:
        """Return the fit of the maps and that of the layers; see ``training.fits.Tuner``."""
        layers = select_layers(
            find_layers(encoder, self.towers),
            towers=self.towers,
            roles=self.roles,
            last_blocks=self.last_blocks,
        )
        alpha = 2.0 * self.rank if self.alpha is None else self.alpha
        changes = LoraLayers(layers, self.rank, alpha, self.dropout, seed)
        rates: tuple[tuple[Trainables, float], ...] = (
            (changes, self.learning_rate),
            *self._new_rates(encoder),
            *self.projection_rates(encoder),
        )
        return (*self.projection_first(encoder), Phase("lora", rates, self.epochs))

    def _new_rates(self, encoder: Tunable) -> tuple[tuple[FullParameters, float], ...]:
        names = new_parameters(encoder) if "image" in self.towers else ()
        rate = self.learning_rate if self.new_rate is None else self.new_rate
        return ((FullParameters(names), rate),) if names else ()
