"""One fit by gradients: Adam on what some trainables brought, with checks on the val rows."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fieldguide.progress import progress_bar
from fieldguide.tuning.cached_gradients import cached_backward
from fieldguide.tuning.projection import calibrate, scale_output
from fieldguide.tuning.training.checkpoint_folder import require_finite
from fieldguide.tuning.training.fits import Learned
from fieldguide.tuning.training.prepared import Prepared
from fieldguide.tuning.training.schedules import SCHEDULES, rate_share
from fieldguide.tuning.training.states import State, rows_of
from fieldguide.tuning.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import tqdm

    from fieldguide.tuning.draws import Batch
    from fieldguide.tuning.trainables import Trainables
    from fieldguide.tuning.training.context import Training

CALIBRATION_ROWS = 512
ROWS_AT_ONCE = 64
Part = tuple["Batch", State]


@dataclass(frozen=True)
class Phase:
    """What trains for some epochs.

    Attributes:
        name: for progress, history and checkpoints.
        rates: what trains, each with its largest learning rate.
        epochs: passes over the train rows.
    """

    name: str
    rates: tuple[tuple[Trainables, float], ...]
    epochs: float

    def names(self) -> frozenset[str]:
        """Return the names of the base's parameters that will change."""
        return frozenset(name for trainables, _ in self.rates for name in trainables.names())

    def steps(self, training: Training) -> int:
        """Return how many optimiser steps that are."""
        return training.steps_of(self.epochs)

    def run(self, training: Training, before: Learned) -> Learned:
        """Train, and return what is known after it; see ``training.fits``."""
        running = PhaseRun(self, training, before)
        running.go_on_from(training.checkpoints.unfinished)
        running.train()
        if self is training.fits[-1]:
            running.balance()
        scale = float(running.objective.log_scale.detach().exp())
        return Learned(running.model.changes(before.changes), before.classifier, scale)


class PhaseRun:
    """The state of a phase that is running.

    Args:
        phase: what trains.
        training: data, settings and places.
        before: what earlier fits learned.
    """

    def __init__(self, phase: Phase, training: Training, before: Learned) -> None:
        self.phase, self.training, self.before = phase, training, before
        self.number = training.fits.index(phase)
        earlier = training.fits[: self.number]
        self.first_step = sum(fit.steps(training) for fit in earlier)
        self.steps = phase.steps(training)
        self.check_every = math.ceil(self.steps / training.settings.checks)
        self.cuts = training.cuts(phase)
        names = frozenset(name for fit in (*earlier, phase) for name in fit.names())
        parts = [trainables for trainables, _ in phase.rates]
        self.model = Prepared(training.encoder, before.changes, parts, names)
        self._calibrate()
        self.objective = training.objective()
        self.texts = training.texts(self.cuts.text)
        self.validation = None if training.suite is None else Validation(training, self.cuts)
        self.optimizer = torch.optim.Adam(self._groups(), lr=1.0)
        self.start = [p.detach().clone() for p in self._decaying()]
        self.step = 0
        self.checks_without_gain = 0
        self.best: dict[str, Any] | None = None
        self._losses: list[float] = []

    def train(self) -> None:
        """Do the steps that are left; at the end the model has the best weights that were seen."""
        batches = self._batches()
        with self._bar() as bar:
            while self.step < self.steps and not self._has_patience_ended():
                self._do_step(batches)
                bar.update()
                bar.set_postfix_str(f"loss {self._losses[-1]:.3f}", refresh=False)
                is_last = self.step == self.steps
                if is_last or self.step % self.check_every == 0:
                    self._check()
                if self.training.checkpoints.is_due():
                    self.keep()
        if self.best is not None:
            self._use(self.best["trained"])

    @torch.no_grad()
    def balance(self) -> None:
        """Give image features the mean length that the base's have, where a map allows it.

        Only directions count in a trained model, so training leaves the length to chance. Between
        base and tuned weights it decides: features ten times as long drown the base's at a tenth
        of the strength.
        """
        whole = frozenset(name for fit in self.training.fits for name in fit.names())
        base = Prepared(self.training.encoder, {}, (), whole)
        lengths = [
            (base.image_lengths(state).mean(), self.model.image_lengths(state).mean())
            for state in self._train_states()
        ]
        before, after = (float(torch.stack(column).mean()) for column in zip(*lengths, strict=True))
        if before > 0 and after > 0:
            scale_output(self.model.network, before / after)

    def keep(self) -> None:
        """Write a checkpoint of this moment."""
        self.training.checkpoints.keep(
            self.number, self.before, self.training.history.rows, self.state
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "step": self.step,
            "trained": {name: p.detach() for name, p in self._trained().items()},
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "checks_without_gain": self.checks_without_gain,
            "losses": self._losses,
        }

    def go_on_from(self, state: Mapping[str, Any] | None) -> None:
        """Take the state of a run that was cut; None to begin."""
        if state is None:
            return
        self.step = state["step"]
        self._use(state["trained"])
        self.optimizer.load_state_dict(dict(state["optimizer"]))
        self.best = state["best"]
        self.checks_without_gain = state["checks_without_gain"]
        self._losses = list(state["losses"])

    def gradient(self, whole: Batch, state: State) -> float:
        """Add the gradient of a batch to the parameters; return its loss.

        Args:
            whole: the batch of all processes.
            state: the frozen stages' outputs for this process's share of its rows.
        """
        processes, settings = self.training.processes, self.training.settings
        own = whole.share(processes.rank, processes.count)

        def loss_of(images: Tensor, *texts: Tensor) -> Tensor:
            loss: Tensor = self.objective(whole, own, images, texts)
            return loss

        def backward(loss: Tensor) -> None:
            (loss / settings.accumulate).backward()  # type: ignore[no-untyped-call]

        parts = list(_parts(own, state, settings.micro_batch))
        if len(parts) > 1:
            return cached_backward(self.encode, parts, loss_of, backward=backward)
        loss = loss_of(*self.encode(parts[0]))
        backward(loss)
        return float(loss.detach())

    def encode(self, part: Part) -> list[Tensor]:
        """Return the unit vectors of a part's images and of its texts, stream by stream."""
        batch, state = part
        with self._autocast():
            vectors = [self.model.images(state)]
            for drawn, first in zip(batch.texts, self.training.first_texts, strict=True):
                vectors.append(self.model.texts(self.texts.state(drawn.numbers + first)))
        return vectors

    def _do_step(self, batches: Iterator[tuple[Batch, State]]) -> None:
        settings = self.training.settings
        self.training.draws.use_noise(self.first_step + self.step)
        self._set_rates()
        self.optimizer.zero_grad()
        self.model.train(True)
        found = [self.gradient(*next(batches)) for _ in range(settings.accumulate)]
        self.model.train(False)
        loss = sum(found) / len(found)
        require_finite(loss, self.step, self.phase.name)
        trained = list(self._trained().values())
        for parameter in trained:
            if parameter.grad is None:  # no text of its stream was in the batch
                parameter.grad = torch.zeros_like(parameter)
        self.training.processes.average_gradients(trained)
        if settings.clip_norm:
            norm = nn.utils.clip_grad_norm_(trained, settings.clip_norm)
            require_finite(float(norm), self.step, self.phase.name)
        self.optimizer.step()
        self._decay()
        self.step += 1
        self._losses.append(loss)

    def _check(self) -> None:
        """Score the val rows, and keep the weights where they are the best so far."""
        row: dict[str, Any] = {
            "step": self.first_step + self.step,
            "phase": self.phase.name,
            "loss": sum(self._losses) / len(self._losses),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "scale": float(self.objective.log_scale.detach().exp()),
        }
        self._losses = self._losses[-1:]
        if self.validation is not None:
            processes = self.training.processes
            figures = self.validation.figures(self.model) if processes.is_main else {}
            figures = processes.collect(dict(figures))[0]  # all must decide alike
            row |= {f"val_{name}": value for name, value in figures.items()}
            self._judge(figures["score"])
        self.training.history.add(row)

    def _judge(self, score: float) -> None:
        if self.best is None or score > self.best["score"]:
            trained = {name: p.detach().clone() for name, p in self._trained().items()}
            self.best = {"score": score, "step": self.step, "trained": trained}
            self.checks_without_gain = 0
        else:
            self.checks_without_gain += 1

    def _has_patience_ended(self) -> bool:
        patience = self.training.settings.patience
        return patience is not None and self.checks_without_gain >= patience

    def _batches(self) -> Iterator[tuple[Batch, State]]:
        """Yield each batch from here on with this process's pictures."""
        draws, processes = self.training.draws, self.training.processes
        each = self.training.settings.accumulate
        numbers = range((self.first_step + self.step) * each, (self.first_step + self.steps) * each)
        ours, theirs = itertools.tee(draws.batch(number) for number in numbers)
        shares = (batch.share(processes.rank, processes.count) for batch in theirs)
        wanted = ((share.rows, share.views) for share in shares)
        return zip(ours, self.training.pictures.stream(self.cuts.image, wanted), strict=True)

    def _groups(self) -> list[dict[str, Any]]:
        """Return Adam's groups, each with its largest learning rate."""
        groups: list[dict[str, Any]] = [
            {"params": list(own.values()), "largest": rate}
            for own, (_, rate) in zip(self.model.groups, self.phase.rates, strict=True)
        ]
        learned = [p for p in self.objective.parameters() if p.requires_grad]
        groups.append({"params": learned, "largest": max(rate for _, rate in self.phase.rates)})
        return [group for group in groups if group["params"]]

    def _decaying(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters.values() if p.ndim > 1]

    def _decay(self) -> None:
        """Draw matrices towards where the phase began (Li et al. 2018, arXiv:1802.01483, L2-SP).

        Beside the gradient, as AdamW does (Loshchilov and Hutter 2019, arXiv:1711.05101).
        """
        if not (decay := self.training.settings.weight_decay):
            return
        rates = {id(p): group["lr"] for group in self.optimizer.param_groups
                 for p in group["params"]}  # fmt: skip
        with torch.no_grad():
            for p, start in zip(self._decaying(), self.start, strict=True):
                p.lerp_(start, min(1.0, rates[id(p)] * decay))

    def _set_rates(self) -> None:
        settings = self.training.settings
        schedule = SCHEDULES[settings.schedule]
        share = rate_share(self.step, self.steps, settings.warmup_fraction, schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = group["largest"] * share

    def _trained(self) -> dict[str, nn.Parameter]:
        learned = {
            f"objective.{n}": p for n, p in self.objective.named_parameters() if p.requires_grad
        }
        return self.model.parameters | learned

    def _use(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._trained().items():
                parameter.copy_(tensors[name])

    def _calibrate(self) -> None:
        def forward() -> None:
            for state in self._train_states():
                self.model.images(state)

        calibrate(self.model.network, forward)

    def _train_states(self) -> Iterator[State]:
        """Yield the frozen stages' outputs of some train rows."""
        rows = self.training.train_rows(CALIBRATION_ROWS)
        parts = [(part, torch.zeros_like(part)) for part in torch.split(rows, ROWS_AT_ONCE)]
        return self.training.pictures.stream(self.cuts.image, parts)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.training.settings.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.training.encoder.device.type, torch.bfloat16)

    def _bar(self) -> tqdm.tqdm[Any]:
        shown = self.training.show_progress and self.training.processes.is_main
        return progress_bar(self.steps, "step", shown=shown, what=self.phase.name, done=self.step)


def _parts(own: Batch, state: State, most_rows: int | None) -> Iterator[Part]:
    """Yield the parts of a batch with the states of their rows."""
    start = 0
    for part in own.split(most_rows):
        yield part, rows_of(state, slice(start, start + len(part.rows)))
        start += len(part.rows)
