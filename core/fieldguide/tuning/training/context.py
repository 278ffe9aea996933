"""What the fits of a training share: data, settings, places, and how it is told and kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from fieldguide.tuning.decoupled_pairs import UNPAIRED
from fieldguide.tuning.draws import Draws, Pool
from fieldguide.tuning.layouts.towers import image_layout, text_layout
from fieldguide.tuning.replay import REPLAY
from fieldguide.tuning.splits import TRAIN
from fieldguide.tuning.splitting import frozen_stages
from fieldguide.tuning.texts import MISSING
from fieldguide.tuning.training.objective import Objective
from fieldguide.tuning.training.teacher import Teacher, needs_teacher
from fieldguide.tuning.training.text_inputs import TextInputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.losses.sides import Loss
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.processes import Processes
    from fieldguide.tuning.suites import Suite
    from fieldguide.tuning.texts import Stream
    from fieldguide.tuning.training.checkpoint_folder import CheckpointFolder
    from fieldguide.tuning.training.fits import Fit
    from fieldguide.tuning.training.history import History
    from fieldguide.tuning.training.pictures import Pictures
    from fieldguide.tuning.training.settings import TrainingSettings


@dataclass(frozen=True)
class Cuts:
    """How many stages of each tower stay as they are, and are as in the base.

    Attributes:
        image: stages of the image tower.
        text: stages of the text tower.
    """

    image: int
    text: int


@dataclass
class Training:
    """One training, as its fits see it.

    Attributes:
        encoder: the base, with the contract of the training.
        examples: images in splits with their texts; replayed ones behind those of the domain.
        settings: of the training.
        loss: the objective's loss.
        fits: in their order.
        pools: where images come from.
        suite: the domain's val rows, which choose; None where there are none.
        processes: that train together.
        checkpoints: where the state is kept.
        history: of losses and scores.
        show_progress: whether bars are shown.
        kept_texts: by the number of frozen stages; filled by :meth:`texts`.
        pictures: where they come from; given before the fits run.
    """

    encoder: Tunable
    examples: Examples
    settings: TrainingSettings
    loss: Loss
    fits: Sequence[Fit]
    pools: Sequence[Pool]
    suite: Suite | None
    processes: Processes
    checkpoints: CheckpointFolder
    history: History
    show_progress: bool = False
    kept_texts: dict[int, TextInputs] = field(default_factory=dict)
    pictures: Pictures = field(init=False)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The texts, each stream with the weight that the settings give it."""
        captions = self.settings.caption_weight
        weights = {"classes": self.settings.label_weight, "captions": captions, UNPAIRED: captions}
        return tuple(
            replace(stream, weight=stream.weight * weights[kind])  # type: ignore[type-var] # records
            for stream in self.examples.streams
            if weights[kind := stream.name.removeprefix(f"{REPLAY}_")] > 0
        )

    @cached_property
    def draws(self) -> Draws:
        """What each step sees."""
        return Draws(self.pools, self.streams, self.settings.views, self.settings.seed)

    def steps_of(self, epochs: float) -> int:
        """Return how many steps so many passes over the domain's train rows take."""
        domain = self.pools[0]
        an_epoch = len(domain.rows) / domain.per_batch / self.settings.accumulate
        return max(1, math.ceil(epochs * an_epoch))

    def cuts(self, fit: Fit) -> Cuts:
        """Return the stages that neither a fit nor one before it trains."""
        return cuts_of(self.encoder, self.fits[: self.fits.index(fit) + 1])

    def objective(self) -> Objective:
        """Return the loss of a batch at its start."""
        wanted = getattr(self.loss, "starts_at", None)
        scale, bias = wanted or (self.encoder.logit_scale, 0.0)
        learns = self.settings.learn_scale
        return Objective(
            self.loss,
            self.streams,
            self.examples.attributes,
            teacher=self._teacher(),
            first_texts=self.first_texts,
            scale=scale if self.settings.scale is None else self.settings.scale,
            bias=bias,
            learns=wanted is not None if learns is None else learns,
            device=self.encoder.device,
        )

    def picture_cuts(self) -> list[int]:
        """Return every cut of the image tower whose outputs are asked for, ascending."""
        cuts = {self.cuts(fit).image for fit in self.fits}
        if needs_teacher(self.loss):
            cuts.add(cuts_of(self.encoder, ()).image)
        return sorted(cuts)

    def _teacher(self) -> Teacher | None:
        if not needs_teacher(self.loss):
            return None
        whole = cuts_of(self.encoder, ())
        return Teacher(self.pictures, whole.image, self.texts(whole.text))

    def texts(self, cut: int) -> TextInputs:
        """Return all texts of the streams, one stream behind the other; computed once a cut."""
        if cut not in self.kept_texts:
            every = [text for stream in self.streams for text in stream.texts]
            self.kept_texts[cut] = TextInputs(self.encoder, cut, every)
        return self.kept_texts[cut]

    @cached_property
    def first_texts(self) -> tuple[int, ...]:
        """The number of each stream's first text among all."""
        lengths = torch.tensor([0, *(len(stream.texts) for stream in self.streams)])
        return tuple(lengths.cumsum(0)[:-1].tolist())

    def train_rows(self, most: int) -> torch.Tensor:
        """Return up to so many of the domain's train rows, spread evenly."""
        rows = self.pools[0].rows
        return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).round().long()]


def cuts_of(encoder: Tunable, fits: Sequence[Fit]) -> Cuts:
    """Return the stages that none of some fits trains.

    Raises:
        AdapterError: a tower is not known.
    """
    names = frozenset(name for fit in fits for name in fit.names())
    return Cuts(
        frozen_stages(image_layout(encoder), names), frozen_stages(text_layout(encoder), names)
    )


def domain_pool(examples: Examples, batch_size: int) -> Pool:
    """Return the train rows that have something to learn from.

    Args:
        examples: of the domain.
        batch_size: images a step; at most as many as there are.
    """
    loose = examples.stream(UNPAIRED)
    met = () if loose is None else (loose.image_keys != MISSING).any(dim=1).tolist()
    rows = [
        row
        for row in examples.rows(TRAIN).tolist()
        if examples.labels[row] or examples.captions[row] or (met and met[row])
    ]
    return Pool(torch.tensor(rows, dtype=torch.int64), min(batch_size, len(rows)))
