"""``fieldguide evaluate`` for a class set of findings, any number of which may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from fieldguide.cli import screen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.benchmarks.findings import FindingsEvaluation
    from fieldguide.guides import Guide
    from fieldguide.zeroshot.calibration import Calibration

COLUMNS = ("label", "positives", "negatives", "unknown", "auroc", "f1", "precision", "recall",
           "threshold")  # fmt: skip
OPTIONS = ("uncertain", "threshold", "calibration", "write_calibration")
"""Those that say nothing where one label holds."""


def evaluate_findings(
    guide: Guide, manifest: str, output: Path | None, settings: Mapping[str, Any]
) -> NoReturn:
    """Evaluate, write what is asked for, print figures, and end with the exit code."""
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "findings", guide.catalog)
    _check(settings)
    from fieldguide.benchmarks.findings import evaluate_findings as compare  # scikit-learn: 1 s

    scored = guide.score_findings(
        manifest,
        settings["classes"],
        uncertain=settings["uncertain"],
        group_column=settings["group_column"],
        where=settings["where"],
        calibration=settings["calibration"],
    )
    result = compare(scored, settings["threshold"])
    if output is None:
        screen.print_table(result.records(), COLUMNS)
    else:
        result.write(output)
    screen.print_failures((row["path"], row["status"], row["reason"]) for row in result.failed)
    if not settings["quiet"]:
        _say(result)
    if settings["write_calibration"] is not None:
        from fieldguide.benchmarks.finding_calibration import fit_calibration
        from fieldguide.zeroshot.class_sets import load_class_set

        classes = load_class_set(settings["classes"], guide.catalog)
        fitted = fit_calibration(scored, classes, settings["uncertain"])
        fitted.write(settings["write_calibration"])
        if not settings["quiet"]:
            _say_calibration(fitted, settings["write_calibration"])
    failed = len(result.failed)
    code = screen.exit_code(result.classified + failed, failed, strict=settings["strict"])
    raise click.exceptions.Exit(code)


def refuse_options(settings: Mapping[str, Any]) -> None:
    """Refuse options of findings where one label holds."""
    given = [name for name in OPTIONS if settings[name] is not None]
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} is for findings: name a class set that has present "
            "and absent sentences, such as --classes ct_rate_18."
        )


def _check(settings: Mapping[str, Any]) -> None:
    if settings["calibration"] is not None and settings["write_calibration"] is not None:
        raise click.UsageError(
            "A calibration is fitted on the model's own scores: leave out --calibration or "
            "--write-calibration."
        )
    if any(settings[n] for n in ("templates", "label", "labels_file", "descriptions")):
        raise click.UsageError(
            "A class set of findings has labels and sentences of its own: leave out --label, "
            "--labels, --template and --descriptions."
        )


def _say(result: FindingsEvaluation) -> None:
    of = len(result.findings)
    for name, mean in result.macro.items():
        value = "not defined" if mean.interval is None else str(mean.interval)
        click.echo(f"macro {name:<12} {value}, over {mean.of} of {of} findings")
    error, brier = result.reliability.calibration_error, result.reliability.brier
    click.echo(f"calibration error  {error.value:.3f} [{error.low:.3f}, {error.high:.3f}]")
    click.echo(f"Brier score        {brier.value:.3f} [{brier.low:.3f}, {brier.high:.3f}]")
    if result.not_evaluated:
        click.echo(f"not evaluated: {', '.join(result.not_evaluated)}", err=True)
    click.echo(f"{result.classified} judged in {result.groups} groups, "
               f"{len(result.failed)} not", err=True)  # fmt: skip


def _say_calibration(fitted: Calibration, path: Path) -> None:
    for name in ("brier", "calibration_error"):
        before, after = fitted.figures["before"][name], fitted.figures["after"][name]
        click.echo(
            f"{name.replace('_', ' ')}: {before['value']:.3f} [{before['low']:.3f}, "
            f"{before['high']:.3f}] before, {after['value']:.3f} [{after['low']:.3f}, "
            f"{after['high']:.3f}] after, on rows left out of the fit"
        )
    for label, reason in fitted.left_out.items():
        click.echo(f"not calibrated: {label}: {reason}", err=True)
    click.echo(f"{len(fitted.findings)} findings calibrated; written to {path}", err=True)
