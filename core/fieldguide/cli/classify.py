"""``fieldguide classify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("path", "rank", "label", "probability", "status", "reason")


@click.command(cls=options.DomainCommand)
@options.inputs
@options.label_options
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0,
              help="Below this best probability the answer is 'none of these'; findings below it "
                   "are left out.")  # fmt: skip
@click.option("--top", type=click.IntRange(1),
              help="How many labels to give for each image; else 1, or all findings.")  # fmt: skip
@options.calibration_option
@options.output_option
@options.domain_options
@options.adapter_options
@options.run_options
def classify(
    inputs: tuple[str, ...],
    threshold: float,
    top: int | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Say which label fits each image best, or which findings it has.

    INPUTS are files, folders, globs, CSV or JSONL manifests, or one .parquet file of 'embed'.
    The table has the columns path, rank, label, probability, status and reason. A class set of
    findings gives each finding a probability of its own.

    \b
    fieldguide classify photos/ --label cat --label dog
    fieldguide classify scenes/ --domain remote_sensing --classes aid -o sheet.html
    """
    guide = options.make_guide(settings, output)
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "predictions", guide.catalog, guide.domain.name)
    chosen = options.chosen_labels(settings)
    if top is None and (chosen["labels"] or not guide.offers_findings(chosen["classes"])):
        top = 1
    predictions = guide.classify(
        list(inputs),
        **chosen,
        threshold=threshold,
        top=top,
        calibration=settings["calibration"],
        thumbnails=output is not None and output.suffix.lower() in (".html", ".htm"),
    )
    failed = [(row.path, row.status, row.reason) for row in predictions if not row.guesses]
    if output is None:
        known = () if settings["calibration"] is None else ("threshold",)
        screen.print_table(predictions.records(), (*COLUMNS[:4], *known, *COLUMNS[4:]))
    else:
        predictions.write(output)
        screen.print_failures(failed)
    if not settings["quiet"]:
        where = "" if output is None else f"; written to {output}"
        click.echo(screen.summary_line(row.status for row in predictions) + where, err=True)
        if settings["model"] is None and settings["adapter"] is None:
            made = predictions.provenance
            say_better_model(guide.catalog, made["modality"], (made["model"] or {}).get("name"))
    code = screen.exit_code(len(predictions), len(failed), strict=settings["strict"])
    raise click.exceptions.Exit(code)
