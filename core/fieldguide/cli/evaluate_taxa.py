"""``fieldguide evaluate`` where the labels are taxa of a tree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fieldguide.cli import screen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.benchmarks.taxa_evaluation import TaxaEvaluation
    from fieldguide.guides import Guide
    from fieldguide.zeroshot.taxa import Taxa
    from fieldguide.zeroshot.taxa_calibration import TaxaCalibration

COLUMNS = ("rule", "rank", "answered", "coverage", "right", "right_low", "right_high",
           "mean_depth")  # fmt: skip
OPTIONS = ("nulls", "false_alarms")
"""Those that say nothing where the labels are no taxa."""


def evaluate_taxa(
    guide: Guide, manifest: str, taxa: Taxa, output: Path | None, settings: Mapping[str, Any]
) -> NoReturn:
    """Evaluate, fit and write what is asked for, print figures, and end with the exit code."""
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "taxa_evaluation", guide.catalog)
    _check(taxa, settings)
    from fieldguide.benchmarks.taxa_fit import FALSE_ALARMS, fit_taxa_calibration
    from fieldguide.benchmarks.taxa_scores import score_taxa
    from fieldguide.benchmarks.taxa_stops import evaluate_calibrated, evaluate_held_out

    scored = score_taxa(
        guide,
        manifest,
        taxa,
        label_column=settings["label_column"],
        group_column=settings["group_column"],
        where=settings["where"],
        nulls=list(settings["nulls"]) or None,
    )
    fitted = None
    if settings["write_calibration"] is not None:
        wanted = settings["false_alarms"]
        fitted = fit_taxa_calibration(scored, FALSE_ALARMS if wanted is None else wanted)
        result = evaluate_held_out(scored)
    else:
        result = evaluate_calibrated(scored, taxa.calibration)
    if output is None:
        screen.print_table([_short(row) for row in result.records()], COLUMNS)
    else:
        result.write(output)
    screen.print_failures((row.item.name, row.status, row.reason) for row in scored.failed)
    for name, count in scored.unknown.items():
        click.echo(f"not judged: {count} rows of {name!r}: not one taxon of the tree", err=True)
    if fitted is not None:
        fitted.write(settings["write_calibration"])
    if not settings["quiet"]:
        _say(result, fitted, settings)
    code = screen.exit_code(
        result.rows + result.unjudged, result.unjudged, strict=settings["strict"]
    )
    raise click.exceptions.Exit(code)


def refuse_options(settings: Mapping[str, Any]) -> None:
    """Refuse options of taxa where other labels are asked for."""
    given = [name for name in OPTIONS if settings[name]]
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} is for taxa of a tree: name a --clade or --taxonomy."
        )


def _check(taxa: Taxa, settings: Mapping[str, Any]) -> None:
    if taxa.calibration is not None and settings["write_calibration"] is not None:
        raise click.UsageError(
            "A calibration is fitted on the model's own scores: leave out --calibration or "
            "--write-calibration."
        )
    if (settings["nulls"] or settings["false_alarms"]) and settings["write_calibration"] is None:
        raise click.UsageError(
            "Pictures of other things are for a calibration: --write-calibration FILE."
        )


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose numbers have three digits."""
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "-" if math.isnan(value) else f"{value:.3f}"


def _say(
    result: TaxaEvaluation, fitted: TaxaCalibration | None, settings: Mapping[str, Any]
) -> None:
    click.echo(f"{result.rows} judged in {result.groups} groups, {result.unjudged} not", err=True)
    if fitted is None:
        return
    before, after = fitted.figures["log_loss_before"], fitted.figures["log_loss_after"]
    click.echo(
        f"log loss {before:.3f} before, {after:.3f} after; scale {fitted.logit_scale:.1f}; the "
        "table is of rows left out of the fit"
    )
    if fitted.none is not None:
        none = fitted.none
        answered = (
            "" if none.answered is None else f"; {none.answered:.0%} of the labelled ones are"
        )
        click.echo(
            f"of {none.measured_on} other pictures of none of these {none.false_alarms} are named "
            f"by mistake: {none.rate:.1%} [{none.low:.1%}, {none.high:.1%}]{answered}"
        )
    click.echo(f"written to {settings['write_calibration']}", err=True)
