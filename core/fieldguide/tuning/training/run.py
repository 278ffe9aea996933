"""A whole training: from a manifest to a folder with an adapter and its card."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
import tqdm

from fieldguide.errors import TuningError, UsageError
from fieldguide.machine import keep_freed_memory
from fieldguide.models.load import lasting_name
from fieldguide.models.tunable import network_digest
from fieldguide.tuning.adapter_files import load_adapter, save_adapter
from fieldguide.tuning.attach import attach_for_work, require_tunable
from fieldguide.tuning.card import write_card
from fieldguide.tuning.examples import Examples, read_examples
from fieldguide.tuning.fingerprints import take_fingerprints
from fieldguide.tuning.honesty import Honesty, examine, keep_twins_together
from fieldguide.tuning.processes import Processes, start_processes
from fieldguide.tuning.replay import replay_reader, with_replay
from fieldguide.tuning.splits import VAL
from fieldguide.tuning.suites import Suite, read_other, reader_for, suite_name
from fieldguide.tuning.training.checkpoint_folder import CheckpointFolder
from fieldguide.tuning.training.context import Training, cuts_of, domain_pool
from fieldguide.tuning.training.describe import adapter_of, honesty_record, settings_of
from fieldguide.tuning.training.estimate import Estimate, estimate
from fieldguide.tuning.training.history import History
from fieldguide.tuning.training.measure import measure, scale_at, suites_of
from fieldguide.tuning.training.pictures import (
    KeptPictures,
    PictureFiles,
    Pictures,
    StreamedPictures,
)
from fieldguide.tuning.training.validation import val_suite
from fieldguide.tuning.training.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.data.pipeline import ItemReader
    from fieldguide.guides import Guide
    from fieldguide.models.tunable import Tunable
    from fieldguide.planning import Plan
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.assessment import Assessment
    from fieldguide.tuning.draws import Pool
    from fieldguide.tuning.fingerprints import Fingerprints
    from fieldguide.tuning.training.fits import Fit, Learned, Tuner
    from fieldguide.tuning.training.requests import Request
    from fieldguide.tuning.training.settings import TrainingSettings

logger = logging.getLogger(__name__)
GIB = 2**30


@dataclass(frozen=True)
class Outcome:
    """What a training gives.

    Attributes:
        adapter: as it was written; None for a dry run and in processes that only help.
        honesty: what was found in the data.
        estimate: of time and memory, made before.
        assessment: gain and loss at every strength; None where nothing was measured.
        output: the adapter's folder.
    """

    adapter: Adapter | None
    honesty: Honesty
    estimate: Estimate
    assessment: Assessment | None
    output: Path


def tune(
    guide: Guide,
    manifest: str | Path,
    output: Path,
    request: Request,
    tuner: Tuner,
    tell: Callable[[str], object] = lambda _line: None,
) -> Outcome:
    """Read, check, train, measure and write.

    Args:
        guide: of the domain, without an adapter.
        manifest: CSV, JSON Lines, or a folder with one folder a class.
        output: of the adapter; a new folder.
        request: everything that was said.
        tuner: the method.
        tell: is given lines for the screen.

    Raises:
        UsageError: a setting, column or file that cannot be; the output exists.
        TuningError: the data cannot be learned from, or the training cannot go on.
        AdapterError: the method does not know the model.
        StoreError: the output cannot be written, or another training writes it.
    """
    keep_freed_memory()
    processes = start_processes(guide.runtime.device)
    workplace = Workplace(output.absolute())
    running = request.running
    if running.resume and workplace.output.exists():
        workplace.clear()
        tell(f"{output} is finished already.")
        return Outcome(load_adapter(output), Honesty((), {}), Estimate(), None, output)
    if not running.dry_run:
        workplace.require_free(resume=running.resume)
    job = TuningJob(guide, manifest, request, tuner, processes, workplace, tell)
    try:
        with contextlib.nullcontext() if running.dry_run else workplace.held(processes):
            return job.run()
    finally:
        processes.end()


class TuningJob:
    """One training with everything around it; its steps are read from :meth:`run`.

    Args:
        guide: of the domain.
        manifest: what is tuned on.
        request: everything that was said.
        tuner: the method.
        processes: that train together.
        workplace: where it keeps what it needs.
        tell: is given lines for the screen.
    """

    def __init__(  # noqa: PLR0913 - what a job consists of
        self,
        guide: Guide,
        manifest: str | Path,
        request: Request,
        tuner: Tuner,
        processes: Processes,
        workplace: Workplace,
        tell: Callable[[str], object],
    ) -> None:
        self.guide, self.manifest, self.request, self.tuner = guide, manifest, request, tuner
        self.processes, self.workplace = processes, workplace
        self._tell = tell
        self.running = request.running
        self.measuring = request.measuring
        self.rule = self.measuring.rule()

    def run(self) -> Outcome:
        """Do all of it."""
        examples, honesty = self._examples()
        for line in honesty.lines():
            self.tell(line)
        honesty.raise_stops(self.running.allow)
        suites = self._suites(examples)
        training, files = self._training(examples)
        pictures, kept_bytes = self._pictures(training, files)
        found = estimate(training, files, kept_bytes)
        for line in found.lines():
            self.tell(line)
        if self.running.dry_run:
            return Outcome(None, honesty, found, None, self.workplace.output)
        before = network_digest(self.base.network)
        self._fill(pictures, files)
        learned = self._learn(training)
        if network_digest(self.base.network) != before:
            raise TuningError(
                "The training has written into the base model, which must not be. Nothing was "
                "saved; please report it with the model's name and the command."
            )
        if not self.processes.is_main:
            return Outcome(None, honesty, found, None, self.workplace.output)
        return self._finish(training, examples, learned, suites, honesty, found)

    def tell(self, line: str) -> None:
        """Say a line, once for all processes."""
        if self.processes.is_main:
            self._tell(line)

    @cached_property
    def _plan(self) -> Plan:
        planner = self.guide.planner
        if planner.model is not None:  # the adapter says what the tuned model is for
            planner = replace(planner, out_of_scope=True)
        plan = planner.plan(self._read.items, thumbnails=False)
        if plan.encoder is None or plan.modality is None or plan.record is None:
            raise UsageError(
                f"No model takes these pictures. {' '.join(plan.refusals.values())} To tune one "
                "for them, name it: --model embedded_conse"
            )
        return plan

    @cached_property
    def _read(self) -> Examples:
        reading = self.request.reading.model_dump()
        examples = read_examples(
            self.guide, self.manifest, **reading, seed=self.request.training.seed
        )
        self.processes.same_everywhere("the rows of the manifest", len(examples))
        return examples

    @cached_property
    def base(self) -> Tunable:
        """The base, as it is without this training."""
        assert self._plan.encoder is not None
        return require_tunable(self._plan.encoder)

    @cached_property
    def settings(self) -> TrainingSettings:
        """Of the training, with the symmetries of the modality where none were named."""
        asked = self.request.training
        if asked.symmetries is not None or self._plan.modality is None:
            return asked
        return asked.model_copy(update={"symmetries": self._plan.modality.symmetries})

    @cached_property
    def encoder(self) -> Tunable:
        """The base, with the contract of the training."""
        resize = self.request.picturing.resize
        if resize is None:
            return self.base
        contract = self.base.contract.model_copy(update={"resize": resize})
        return self.base.with_network(self.base.network, contract=contract)

    @property
    def _resolved(self) -> Request:
        return self.request.model_copy(update={"training": self.settings})

    @cached_property
    def fits(self) -> Sequence[Fit]:
        """What the method does with this model."""
        return tuple(self.tuner.fits(self.encoder, self.settings.seed))

    def _examples(self) -> tuple[Examples, Honesty]:
        """Return the readable rows, and what is to be known of all."""
        examples = self._read
        reader = reader_for(self.guide, examples.items, self.encoder.contract)
        prints: Fingerprints | None = None
        if self.running.compare:
            prints = self._fingerprints(examples, reader)
            examples = keep_twins_together(examples, prints, self.settings.seed)
        honesty = examine(examples, batch_size=self.settings.batch_size, fingerprints=prints)
        if prints is not None and prints.unreadable:
            unread = {row for row, _, _ in prints.unreadable}
            kept = [row for row in range(len(examples)) if row not in unread]
            examples = examples.take(torch.tensor(kept, dtype=torch.int64))
        return examples, honesty

    def _fingerprints(self, examples: Examples, reader: ItemReader) -> Fingerprints:
        found = None
        if self.processes.is_main:
            with self._bar(len(examples), "reading pictures") as bar:
                found = take_fingerprints(
                    examples.items, reader, workers=self.guide.runtime.workers, progress=bar.update
                )
        prints = self.processes.collect(found)[0]
        assert prints is not None
        return prints

    def _suites(self, examples: Examples) -> list[Suite]:
        """Return the suites, read before the training: a wrong name must not cost its hours."""
        if not self.measuring.measure:
            return []
        reader = reader_for(self.guide, examples.items, self.encoder.contract)
        try:
            return suites_of(examples, reader, self.measuring, self.encoder, self._guide_of)
        except TuningError as error:
            if self.measuring.general or self.measuring.sister:
                raise
            self.tell(f"warn: gain and forgetting will not be measured. {error}")
            return []

    def _guide_of(self, domain: str) -> Guide:
        from fieldguide.guides import Guide  # it imports this package when it tunes

        return Guide(domain, runtime=self.guide.runtime, roots=self.guide.roots,
                     catalog=self.guide.catalog)  # fmt: skip

    def _training(self, examples: Examples) -> tuple[Training, PictureFiles]:
        """Return the training without its pictures, and the files they come from."""
        settings = self.settings
        pools: tuple[Pool, ...] = (domain_pool(examples, settings.batch_size),)
        reader: ItemReader = reader_for(self.guide, examples.items, self.encoder.contract)
        suite = val_suite(examples, reader)
        together = examples
        if self.measuring.replay is not None:
            general = self._guide_of("general")
            others = read_other(general, self.measuring.replay)
            replayed = with_replay(
                examples, others, share=settings.replay_share or 0.25,
                batch_size=min(settings.batch_size, 2 * len(pools[0].rows)),
            )  # fmt: skip
            together, pools = replayed.examples, replayed.pools
            added = together.items[len(examples) :]
            other_reader = reader_for(general, added, self.encoder.contract)
            reader = replay_reader(reader, other_reader, added)
        elif settings.replay_share:
            raise UsageError("--replay-share is that of a general set. Name it: --replay MANIFEST")
        if not len(pools[0].rows):
            raise TuningError(
                "No readable image of train has a label or caption. Correct the columns."
            )
        views: list[tuple[int, ...]] = [()] * len(together)
        for pool in pools:
            for row in pool.rows.tolist():
                views[row] = settings.views
        for row in together.rows(VAL).tolist():
            views[row] = (0,)
        workers = self.guide.runtime.workers
        files = PictureFiles(self.encoder, together.items, views, reader, workers)
        loss = self.guide.catalog.methods[settings.loss]
        if loss.role != "loss":
            raise UsageError(f"{settings.loss!r} is a {loss.role}, no loss. See docs/losses.md.")
        training = Training(
            encoder=self.encoder,
            examples=together,
            settings=settings,
            loss=loss.load()(),
            fits=self.fits,
            pools=pools,
            suite=suite,
            processes=self.processes,
            checkpoints=self._checkpoints(),
            history=History(self.running.tensorboard if self.processes.is_main else None),
            show_progress=self.guide.runtime.progress,
        )
        return training, files

    def _checkpoints(self) -> CheckpointFolder:
        about = settings_of(self._resolved) | {
            "base": self.encoder.space.encoder,
            "contract": self.encoder.contract.digest,
            "processes": self.processes.count,
            "rows": len(self._read),
        }
        return CheckpointFolder(
            self.workplace.checkpoints, about, self.processes,
            every_s=self.running.checkpoint_s, resume=self.running.resume,
        )  # fmt: skip

    def _pictures(self, training: Training, files: PictureFiles) -> tuple[Pictures, int | None]:
        """Choose where pictures come from; return the bytes that keeping them needs, or None."""
        cuts = sorted({cuts_of(self.encoder, self.fits[: n + 1]).image
                       for n in range(len(self.fits))})  # fmt: skip
        folder = self.running.frozen or self.workplace.frozen
        about = repr((self._plan.modality and self._plan.modality.name,
                      sorted(self.guide.options.items())))  # fmt: skip
        kept = KeptPictures(files, cuts, folder, about)
        needed = kept.bytes_needed()
        if needed <= self.running.keep_gb * GIB:
            training.pictures = kept
            return kept, needed
        training.pictures = StreamedPictures(files, cuts)
        return training.pictures, None

    def _fill(self, pictures: Pictures, files: PictureFiles) -> None:
        if isinstance(pictures, KeptPictures):
            count = sum(map(bool, files.views))
            with self._bar(count, "frozen stages") as bar:
                pictures.fill(self.processes, bar.update)

    def _learn(self, training: Training) -> Learned:
        """Run the fits that are not done yet."""
        checkpoints = training.checkpoints
        learned, done = checkpoints.learned, checkpoints.fits_done
        training.history.go_on_from(checkpoints.history)
        for number, fit in enumerate(training.fits):
            if number < done:
                continue
            learned = fit.run(training, learned)
            checkpoints.keep(number + 1, learned, training.history.rows)
        return learned

    def _finish(
        self,
        training: Training,
        examples: Examples,
        learned: Learned,
        suites: Sequence[Suite],
        honesty: Honesty,
        found: Estimate,
    ) -> Outcome:
        """Measure, pick the strength, and write the folder."""
        assert self._plan.record is not None
        assert self._plan.modality is not None
        record = self._plan.record
        output = self.workplace.output
        model = lasting_name(self.guide.planner.model or record.name, self.guide.catalog)
        adapter = adapter_of(
            request=self._resolved, learned=learned, encoder=self.encoder, base=self.base,
            model=model, record=record, domain=self.guide.domain.name,
            modality=self._plan.modality, examples=examples,
            data_name=suite_name(self.manifest), name=self.request.publishing.name or output.name,
            processes=self.processes.count,
        )  # fmt: skip
        attach_for_work(self.base, adapter, strength=1.0)  # no effect is an error
        workers = self.guide.runtime.workers
        assessment = None
        strength = 1.0
        if suites:
            self.tell("measuring gain and forgetting ...")
            assessment = measure(self.encoder, learned, suites, self.rule, workers)
            strength = 1.0 if learned.classifier else self.rule(assessment.points()).strength
        scale = scale_at(self.encoder, learned, training.suite, strength, workers)
        adapter = _with(
            adapter, strength=strength, logit_scale=scale,
            figures={} if assessment is None else assessment.record(),
        )  # fmt: skip
        draft = self.workplace.new_draft()
        training.history.write(draft)
        about = honesty_record(honesty, self._read)
        write_card(adapter.config, assessment, about, training.history.rows, draft, str(self.rule))
        save_adapter(adapter, draft)
        self.workplace.finish()
        return Outcome(load_adapter(output), honesty, found, assessment, output)

    def _bar(self, total: int, what: str) -> tqdm.tqdm[Any]:
        shown = self.guide.runtime.progress and self.processes.is_main
        return tqdm.tqdm(total=total, desc=what, unit="image", disable=None if shown else True,
                         leave=False)  # fmt: skip


def _with(adapter: Adapter, **fields: Any) -> Adapter:
    updated: Mapping[str, Any] = fields
    return replace(adapter, config=adapter.config.model_copy(update=dict(updated)))
