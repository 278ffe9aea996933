"""Finetuning: whole parameters of the last stages of some towers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from fieldguide.tuning.layouts.layout import Tower
from fieldguide.tuning.methods.projector import ProjectorSettings
from fieldguide.tuning.trainables import FullParameters, new_parameters, stage_parameters
from fieldguide.tuning.training.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.training.fits import Fit


class Finetune(ProjectorSettings):
    """Find the maps into the shared space, then train whole stages beside them.

    Statistics of batch norms stay those of the base.

    Attributes:
        towers: "image", "text" or both; a tower that is left out is locked (Zhai et al. 2022,
            "LiT", arXiv:2111.07991).
        last_stages: how many stages from each tower's end.
        epochs: passes over the train rows.
        learning_rate: the largest, of the stages. Large transformers want 1e-5, the embedded model
            1e-3.
    """

    towers: tuple[Tower, ...] = Field(default=("image",), min_length=1)
    last_stages: int = Field(default=2, ge=1)
    epochs: float = Field(default=12, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)

    def fits(self, encoder: Tunable, seed: int) -> Sequence[Fit]:
        """Return the fit of the maps and that of the stages; see ``training.fits.Tuner``."""
        names = [n for tower in self.towers for n in stage_parameters(encoder, self.last_stages,
                                                                      tower)]  # fmt: skip
        names += new_parameters(encoder) if "image" in self.towers else ()
        rates = ((FullParameters(names), self.learning_rate), *self.projection_rates(encoder))
        return (*self.projection_first(encoder), Phase("finetune", rates, self.epochs))
