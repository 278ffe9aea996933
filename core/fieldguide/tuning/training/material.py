"""What a training is made of, read from what a user named: model, rows, texts, pictures, suites."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from fieldguide.contract import InputContract
from fieldguide.errors import TuningError, UsageError
from fieldguide.progress import progress_bar
from fieldguide.runtime import TORCH
from fieldguide.tuning.attach import require_tunable
from fieldguide.tuning.examples import Examples, read_examples
from fieldguide.tuning.fingerprints import take_fingerprints
from fieldguide.tuning.honesty import Honesty, examine, keep_twins_together
from fieldguide.tuning.replay import replay_reader, with_replay
from fieldguide.tuning.splits import VAL
from fieldguide.tuning.suites import Suite, read_other, reader_for
from fieldguide.tuning.training.context import Training, domain_pool
from fieldguide.tuning.training.measure import suites_of
from fieldguide.tuning.training.pictures import PictureFiles
from fieldguide.tuning.training.validation import val_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import tqdm

    from fieldguide.data.pipeline import ItemReader
    from fieldguide.guides import Guide
    from fieldguide.losses.sides import Loss
    from fieldguide.models.tunable import Tunable
    from fieldguide.planning import Planner
    from fieldguide.registry import ModelRecord
    from fieldguide.specs import ModalitySpec
    from fieldguide.tuning.draws import Pool
    from fieldguide.tuning.fingerprints import Fingerprints
    from fieldguide.tuning.processes import Processes
    from fieldguide.tuning.training.checkpoint_folder import CheckpointFolder
    from fieldguide.tuning.training.fits import Fit, Tuner
    from fieldguide.tuning.training.history import History
    from fieldguide.tuning.training.requests import Request
    from fieldguide.tuning.training.settings import TrainingSettings

REPLAY_SHARE = 0.25


@dataclass
class Material:
    """Everything that is read before a training; each part once, when it is asked for.

    Attributes:
        guide: of the domain.
        manifest: what is tuned on.
        asked: everything that was said.
        tuner: the method.
        processes: that train together.
        tell: is given lines for the screen.
    """

    guide: Guide
    manifest: str | Path
    asked: Request
    tuner: Tuner
    processes: Processes
    tell: Callable[[str], object]

    @cached_property
    def read(self) -> Examples:
        """All rows of the manifest."""
        reading = self.asked.reading.model_dump()
        examples = read_examples(
            self.guide, self.manifest, **reading, seed=self.asked.training.seed
        )
        self.processes.same_everywhere("the rows of the manifest", len(examples))
        return examples

    @cached_property
    def _planner(self) -> Planner:
        planner = self.guide.planner
        runtime = replace(planner.runtime, precision="fp32", backend=TORCH)
        if self.processes.count > 1:  # each has a GPU of its own
            device = self.processes.device
            planner = replace(planner, device=device, _bases={}, _encoders={}, _sides={})
        # a model that is named may be one for something else: the adapter says what it becomes
        return replace(planner, out_of_scope=planner.model is not None, runtime=runtime)

    @cached_property
    def _chosen(self) -> tuple[ModalitySpec, ModelRecord]:
        plan = self._planner.plan(self.read.items, thumbnails=False)
        if plan.modality is None or plan.record is None:
            raise UsageError(
                f"No model takes these pictures. {' '.join(plan.refusals.values())} To tune one "
                "for them, name it: --model embedded_conse"
            )
        return plan.modality, plan.record

    @property
    def modality(self) -> ModalitySpec:
        """Of the pictures."""
        return self._chosen[0]

    @property
    def record(self) -> ModelRecord:
        """Of the base."""
        return self._chosen[1]

    @cached_property
    def base(self) -> Tunable:
        """The base, as it is without this training."""
        return require_tunable(self._planner.base(self.record))

    @cached_property
    def encoder(self) -> Tunable:
        """The base, with the contract of the training."""
        resize = self.asked.picturing.resize
        if resize is None:
            return self.base
        if not isinstance(self.base.contract, InputContract):
            raise UsageError(
                f"--resize is of pictures, and {self.base.space.model} takes volumes, whose crop "
                "and pad its contract states. Leave it out."
            )
        contract = self.base.contract.model_copy(update={"resize": resize})
        return self.base.with_network(self.base.network, contract=contract)

    @cached_property
    def settings(self) -> TrainingSettings:
        """Of the training, with the symmetries of the modality where none were named."""
        asked = self.asked.training
        if asked.symmetries not in (None, "none") and self.base.contract.spatial_dims == 3:
            raise UsageError(
                f"--symmetries are those of pictures, and {self.base.space.model} takes volumes. "
                "Leave the option out."
            )
        if asked.symmetries is not None:
            return asked
        return asked.model_copy(update={"symmetries": self.modality.symmetries})

    @property
    def request(self) -> Request:
        """What was asked for, with what was found for it."""
        return self.asked.model_copy(update={"training": self.settings})

    @cached_property
    def fits(self) -> Sequence[Fit]:
        """What the method does with this model."""
        return tuple(self.tuner.fits(self.encoder, self.settings.seed))

    @cached_property
    def loss(self) -> Loss:
        """The objective."""
        spec = self.guide.catalog.methods[self.settings.loss]
        if spec.role != "loss":
            raise UsageError(f"{spec.name!r} is a {spec.role}, no loss. See docs/losses.md.")
        loss: Loss = spec.load()()
        return loss

    @cached_property
    def reader(self) -> ItemReader:
        """Of the domain's pictures."""
        return reader_for(self.guide, self.read.items, self.encoder.contract)

    def examined(self) -> tuple[Examples, Honesty]:
        """Return the readable rows, and what is to be known of all."""
        examples, prints = self.read, None
        if self.asked.running.compare:
            prints = self._fingerprints()
            examples = keep_twins_together(examples, prints, self.settings.seed)
        honesty = examine(examples, batch_size=self.settings.batch_size, fingerprints=prints)
        if prints is not None and prints.unreadable:
            unread = {row for row, _, _ in prints.unreadable}
            kept = [row for row in range(len(examples)) if row not in unread]
            examples = examples.take(torch.tensor(kept, dtype=torch.int64))
        return examples, honesty

    def _fingerprints(self) -> Fingerprints:
        found = None
        if self.processes.is_main:
            with self.bar(len(self.read), "reading pictures") as bar:
                found = take_fingerprints(
                    self.read.items, self.reader, workers=self.guide.runtime.workers,
                    progress=bar.update,
                )  # fmt: skip
        prints = self.processes.collect(found)[0]
        assert prints is not None
        return prints

    def suites(self, examples: Examples) -> list[Suite]:
        """Return the suites, read before the training: a wrong name must not cost its hours."""
        measuring = self.asked.measuring
        if not measuring.measure:
            return []
        try:
            return suites_of(examples, self.reader, measuring, self.encoder, self._guide_of)
        except TuningError as error:
            if measuring.general or measuring.sister:
                raise
            self.tell(f"warn: gain and forgetting will not be measured. {error}")
            return []

    def training(
        self, examples: Examples, checkpoints: CheckpointFolder, history: History
    ) -> tuple[Training, PictureFiles]:
        """Return the training without its pictures, and the files they come from.

        Args:
            examples: the readable rows.
            checkpoints: where its state is kept.
            history: of losses and scores.
        """
        suite = val_suite(examples, self.reader)
        together, pools, reader = self._with_replay(examples)
        if not len(pools[0].rows):
            raise TuningError(
                "No readable image of train has a label or caption. Correct the columns."
            )
        views: list[tuple[int, ...]] = [()] * len(together)
        for row in torch.cat([pool.rows for pool in pools]).tolist():
            views[row] = self.settings.views
        for row in together.rows(VAL).tolist():
            views[row] = (0,)
        workers = self.guide.runtime.workers
        training = Training(
            encoder=self.encoder,
            examples=together,
            settings=self.settings,
            loss=self.loss,
            fits=self.fits,
            pools=pools,
            suite=suite,
            processes=self.processes,
            checkpoints=checkpoints,
            history=history,
            show_progress=self.guide.runtime.progress,
        )
        return training, PictureFiles(self.encoder, together.items, views, reader, workers)

    def _with_replay(self, examples: Examples) -> tuple[Examples, tuple[Pool, ...], ItemReader]:
        """Return the rows to train with, in pools, and their reader."""
        domain = domain_pool(examples, self.settings.batch_size)
        manifest, share = self.asked.measuring.replay, self.settings.replay_share
        if manifest is None:
            if share:
                raise UsageError("--replay-share is of a general set. Name it: --replay MANIFEST")
            return examples, (domain,), self.reader
        general = self._guide_of("general")
        size = min(self.settings.batch_size, 2 * len(domain.rows))
        replayed = with_replay(
            examples, read_other(general, manifest), share=share or REPLAY_SHARE, batch_size=size
        )
        added = replayed.examples.items[len(examples) :]
        reader = replay_reader(
            self.reader, reader_for(general, added, self.encoder.contract), added
        )
        return replayed.examples, replayed.pools, reader

    def _guide_of(self, domain: str) -> Guide:
        return type(self.guide)(domain, runtime=self.guide.runtime, roots=self.guide.roots,
                                catalog=self.guide.catalog)  # fmt: skip

    def bar(self, total: int, what: str) -> tqdm.tqdm[Any]:
        """Return a progress bar, shown by the main process where it is wanted."""
        shown = self.guide.runtime.progress and self.processes.is_main
        return progress_bar(total, "image", shown=shown, what=what)
