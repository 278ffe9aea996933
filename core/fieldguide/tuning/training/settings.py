"""What every training is told, whichever method it uses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fieldguide.specs import Record, Symmetries
from fieldguide.tuning.training.schedules import ScheduleName

VIEWS: dict[Symmetries, tuple[int, ...]] = {
    "none": (0,),
    "mirror": (0, 4),
    "all": (0, 1, 2, 3, 4, 5, 6, 7),
}
"""Numbers of the symmetries of the square: quarter turns, after a mirror from 4 on."""


class TrainingSettings(Record):
    """How a training runs. All of it is in the card; a training is resumed with the same only.

    Attributes:
        loss: name of the training objective, see docs/losses.md.
        batch_size: images a step, over all processes.
        micro_batch: images whose activations are in memory at once; None for the whole batch. The
            gradient is that of the whole batch (Gao et al. 2021, arXiv:2101.06983).
        accumulate: batches whose gradients are averaged for one step; each is a contest of its own.
        precision: "fp32", or "bf16" for autocast where the processor pays for it.
        schedule: of the learning rate after the warm-up.
        warmup_fraction: share of the steps in which the rate rises from zero.
        weight_decay: how strongly matrices are drawn to where a phase began (Li et al. 2018,
            "Explicit Inductive Bias for Transfer Learning", arXiv:1802.01483), times the rate.
        clip_norm: largest norm of a step's gradient; 0 for none.
        label_weight: of the class prompts' loss.
        caption_weight: of the captions' loss.
        scale: what cosines are multiplied by in training; None for the loss's or the base's own.
        learn_scale: whether scale and bias are trained; None for what the loss wants.
        symmetries: of the square under which a picture stays what it is: "none", "mirror", "all";
            None for what the modality says.
        checks: how often the val rows are looked at in each phase.
        patience: checks without a better score after which a phase ends; None to go on.
        replay_share: of each batch that is drawn from the general set's train rows; 0 for none.
        seed: decides every draw.
    """

    loss: str = "multi_positive"
    batch_size: int = Field(default=128, ge=2)
    micro_batch: int | None = Field(default=None, ge=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    schedule: ScheduleName = "cosine"
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=1.0, ge=0)
    label_weight: float = Field(default=1.0, ge=0)
    caption_weight: float = Field(default=1.0, ge=0)
    scale: float | None = Field(default=None, gt=0)
    learn_scale: bool | None = None
    symmetries: Symmetries | None = None
    checks: int = Field(default=8, ge=1)
    patience: int | None = Field(default=None, ge=1)
    replay_share: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @property
    def views(self) -> tuple[int, ...]:
        """The symmetries in which train rows are seen."""
        return VIEWS[self.symmetries or "none"]
