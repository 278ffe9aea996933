"""Projector: only the maps into the shared space train, on frozen towers.

Maniparambil et al. 2024, "From Unimodal to Multimodal: Scaling up Projectors to Align Modalities"
(arXiv:2409.19425). The other methods begin with it: a map that fits is found before the towers
move, which keeps what they know (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features
and Underperform Out-of-Distribution", arXiv:2202.10054, LP-FT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from fieldguide.errors import AdapterError
from fieldguide.specs import Record
from fieldguide.tuning.projection import Projection, has_standardised_input
from fieldguide.tuning.trainables import projection_parameters
from fieldguide.tuning.training.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.training.fits import Fit

NAME = "projection"
STANDARDISED_RATE, PLAIN_RATE = 1e-3, 1e-4


class ProjectorSettings(Record):
    """How the maps into the shared space are trained.

    Attributes:
        projection_epochs: passes over the train rows; 0 leaves the maps as they are.
        projection_rate: largest learning rate; None for ``STANDARDISED_RATE`` where the features
            that enter a map are standardised, else ``PLAIN_RATE``: the map of a trained CLIP fits
            already, and its entries are of that order.
        feature_dropout: share of the standardised image features that is dropped.
    """

    projection_epochs: float = Field(default=40, ge=0)
    projection_rate: float | None = Field(default=None, gt=0)
    feature_dropout: float = Field(default=0.5, ge=0, lt=1)

    def projection(self, encoder: Tunable) -> tuple[Projection, ...]:
        """Return what trains the maps; nothing where there are none, or they are to stay."""
        names = projection_parameters(encoder)
        if not names or self.projection_epochs == 0:
            return ()
        return (Projection(names, self.feature_dropout),)

    def projection_rates(self, encoder: Tunable) -> tuple[tuple[Projection, float], ...]:
        """Return what trains the maps, with its learning rate."""
        usual = STANDARDISED_RATE if has_standardised_input(encoder.network) else PLAIN_RATE
        rate = usual if self.projection_rate is None else self.projection_rate
        return tuple((maps, rate) for maps in self.projection(encoder))

    def projection_first(self, encoder: Tunable) -> tuple[Phase, ...]:
        """Return the fit of the maps alone; none where there is nothing to fit."""
        rates = self.projection_rates(encoder)
        return (Phase(NAME, rates, self.projection_epochs),) if rates else ()


class Projector(ProjectorSettings):
    """Train the maps into the shared space alone."""

    def fits(self, encoder: Tunable, seed: int) -> Sequence[Fit]:
        """Return the one fit; see ``training.fits.Tuner``."""
        found = self.projection_first(encoder)
        if not found:
            raise AdapterError(
                f"The model {encoder.space.model} has no map into its shared space to train, or "
                "--set projection_epochs=0 leaves it out. Use --method lora."
            )
        return found
