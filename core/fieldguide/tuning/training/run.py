"""A whole training: from a manifest to a folder with an adapter and its card."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fieldguide.data.store_job import options_fingerprint
from fieldguide.errors import TuningError
from fieldguide.machine import keep_freed_memory
from fieldguide.models.tunable import network_digest
from fieldguide.tuning.adapter_files import load_adapter, save_adapter
from fieldguide.tuning.attach import attach_for_work
from fieldguide.tuning.card import write_card
from fieldguide.tuning.honesty import Honesty
from fieldguide.tuning.processes import start_processes
from fieldguide.tuning.training.checkpoint_folder import CheckpointFolder
from fieldguide.tuning.training.describe import adapter_of, honesty_record, settings_of
from fieldguide.tuning.training.estimate import Estimate, estimate
from fieldguide.tuning.training.history import History
from fieldguide.tuning.training.material import Material
from fieldguide.tuning.training.measure import measure, scale_at
from fieldguide.tuning.training.pictures import KeptPictures, PictureFiles, StreamedPictures
from fieldguide.tuning.training.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.assessment import Assessment
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.suites import Suite
    from fieldguide.tuning.training.context import Training
    from fieldguide.tuning.training.fits import Learned, Tuner
    from fieldguide.tuning.training.requests import Request

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
    said = tell if processes.is_main else (lambda _line: None)
    material = Material(guide, manifest, request, tuner, processes, said)
    try:
        with contextlib.nullcontext() if running.dry_run else workplace.held(processes):
            return TuningJob(material, workplace).run()
    finally:
        processes.end()


class TuningJob:
    """One training with everything around it; its steps are read from :meth:`run`.

    Args:
        material: what it is made of.
        workplace: where it keeps what it needs.
    """

    def __init__(self, material: Material, workplace: Workplace) -> None:
        self.material, self.workplace = material, workplace
        self.processes, self.running = material.processes, material.asked.running
        self.rule = material.asked.measuring.rule()

    def run(self) -> Outcome:
        """Do all of it."""
        material = self.material
        _ = material.loss, material.fits  # what cannot be is said before pictures are read
        examples, honesty = material.examined()
        for line in honesty.lines():
            material.tell(line)
        honesty.raise_stops(self.running.allow)
        suites = material.suites(examples)
        history = History(self.running.tensorboard if self.processes.is_main else None)
        training, files = material.training(examples, self._checkpoints(), history)
        kept = self._choose_pictures(training, files)
        found = estimate(training, files, None if kept is None else kept.bytes_needed())
        for line in found.lines():
            material.tell(line)
        nothing = Outcome(None, honesty, found, None, self.workplace.output)
        if self.running.dry_run:
            return nothing
        before = network_digest(material.base.network)
        if kept is not None:
            with material.bar(sum(map(bool, files.views)), "frozen stages") as bar:
                kept.fill(self.processes, bar.update)
        learned = _learn(training)
        if network_digest(material.base.network) != before:
            raise TuningError(
                "The training has written into the base model, which must not be. Nothing was "
                "saved; please report it with the model's name and the command."
            )
        if not self.processes.is_main:
            return nothing
        adapter, assessment = self._measured(training, learned, examples, suites)
        saved = self._write(adapter, assessment, honesty, training)
        return replace(nothing, adapter=saved, assessment=assessment)

    def _checkpoints(self) -> CheckpointFolder:
        encoder = self.material.encoder
        about = settings_of(self.material.request) | {
            "base": encoder.space.encoder,
            "contract": encoder.contract.digest,
            "processes": self.processes.count,
            "rows": len(self.material.read),
        }
        return CheckpointFolder(
            self.workplace.checkpoints, about, self.processes,
            every_s=self.running.checkpoint_s, resume=self.running.resume,
        )  # fmt: skip

    def _choose_pictures(self, training: Training, files: PictureFiles) -> KeptPictures | None:
        """Give the training its pictures; return them where their frozen outputs are kept."""
        cuts = training.picture_cuts()
        folder = self.running.frozen or self.workplace.frozen
        read_by = options_fingerprint(self.material.guide.options)
        kept = KeptPictures(files, cuts, folder, repr((self.material.modality.name, read_by)))
        if kept.bytes_needed() > self.running.keep_gb * GIB:
            training.pictures = StreamedPictures(files, cuts)
            return None
        training.pictures = kept
        return kept

    def _measured(
        self,
        training: Training,
        learned: Learned,
        examples: Examples,
        suites: Sequence[Suite],
    ) -> tuple[Adapter, Assessment | None]:
        """Return the adapter at the strength that the rule picks, with its figures."""
        material = self.material
        adapter = adapter_of(material, learned, examples, self.workplace.output.name)
        attach_for_work(material.base, adapter, strength=1.0)  # no effect is an error
        workers = material.guide.runtime.workers
        assessment, strength = None, 1.0
        if suites:
            material.tell("measuring gain and forgetting ...")
            assessment = measure(material.encoder, learned, suites, self.rule, workers)
            strength = 1.0 if learned.classifier else self.rule(assessment.points()).strength
            self._warn_of_no_gain(assessment, strength)
        update = {
            "strength": strength,
            "logit_scale": scale_at(material.encoder, learned, training.suite, strength, workers),
            "figures": {} if assessment is None else assessment.record(),
        }
        return replace(adapter, config=adapter.config.model_copy(update=update)), assessment

    def _warn_of_no_gain(self, assessment: Assessment, strength: float) -> None:
        scores = {point.strength: point.domain for point in assessment.points()}
        if strength > 0 and scores[strength] <= scores[0.0]:
            self.material.tell(
                f"warn: on the val rows the adapter at strength {strength:g} is no better than the "
                f"base ({100 * scores[strength]:.1f} against {100 * scores[0.0]:.1f} %). Train it "
                "longer or with another --learning-rate, or use the base."
            )

    def _write(
        self,
        adapter: Adapter,
        assessment: Assessment | None,
        honesty: Honesty,
        training: Training,
    ) -> Adapter:
        """Write the folder, and read from it what was written."""
        draft = self.workplace.new_draft()
        training.history.write(draft)
        about = honesty_record(honesty, self.material.read)
        write_card(adapter.config, assessment, about, training.history.rows, draft, str(self.rule))
        save_adapter(adapter, draft)
        self.workplace.finish()
        return load_adapter(self.workplace.output)


def _learn(training: Training) -> Learned:
    """Run the fits that are not done yet."""
    checkpoints = training.checkpoints
    learned, done = checkpoints.learned, checkpoints.fits_done
    training.history.go_on_from(checkpoints.history)
    for number, fit in enumerate(training.fits):
        if number >= done:
            learned = fit.run(training, learned)
            checkpoints.keep(number + 1, learned, training.history.rows)
    return learned
