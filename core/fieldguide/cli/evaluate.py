"""``fieldguide evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fieldguide.cli import evaluate_taxa, options, screen, taxa_options
from fieldguide.cli.evaluate_findings import evaluate_findings, refuse_options

COLUMNS = ("label", "support", "precision", "recall", "f1")


@click.command(cls=options.PriorCommand)
@click.argument("manifest", metavar="MANIFEST")
@options.label_options
@taxa_options.taxa_options
@click.option("--label-column", default="label", show_default=True, help="The true label.")
@click.option("--group-column", help="Rows that share its value are resampled together.")
@click.option("--where", help='Only these rows, such as: split == "test"')
@click.option("--uncertain", type=click.Choice(("ignore", "positive", "negative")),
              help="What a label of -1 of a finding counts as.")  # fmt: skip
@click.option("--threshold", type=click.FloatRange(0, 1),
              help="From which probability a finding counts as present; else as the calibration "
                   "says, or 0.5.")  # fmt: skip
@options.calibration_option
@click.option("--write-calibration", type=click.Path(path_type=Path), metavar="FILE",
              help="Fit a calibration of the findings or taxa on these rows.")  # fmt: skip
@click.option("--nulls", multiple=True, metavar="PATH",
              help="Pictures that show none of the taxa, for 'none of these'; repeat.")  # fmt: skip
@click.option("--false-alarms", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Share of those that may be named by mistake. [default: 0.05]")  # fmt: skip
@options.output_option
@options.domain_options
@options.adapter_options
@options.run_options
def evaluate(manifest: str, output: Path | None, **settings: Any) -> None:
    """Compare zero-shot answers with the labels of a CSV or JSONL manifest.

    Prints accuracy, macro recall and calibration with 95 % bootstrap intervals, and a row a class;
    .html adds the confusion matrix and reliability. With a class set of findings the manifest has
    one column a finding (1, 0, -1 or nothing) and figures are AUROC, F1, precision and recall.
    With taxa of a tree the label is a taxon of any rank, and figures say how often answers are
    given and right at each rank and confidence.

    \b
    fieldguide evaluate tiles.csv --domain medical --group-column slide -o report.html
    fieldguide evaluate scans.csv --domain medical --classes ct_rate_18 --group-column patient
    fieldguide evaluate photos.csv --domain biodiversity --clade Aves --write-calibration birds.json
    """
    guide = options.make_guide(settings, output)
    if guide.offers_findings(settings["classes"]):
        evaluate_findings(guide, manifest, output, settings)
    taxa = taxa_options.named_taxa(guide, settings)
    if taxa is not None:
        evaluate_taxa.evaluate_taxa(guide, manifest, taxa, output, settings)
    refuse_options(settings)
    evaluate_taxa.refuse_options(settings)
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "evaluation", guide.catalog)
    result = guide.evaluate(
        manifest,
        **options.chosen_labels(settings),
        label_column=settings["label_column"],
        group_column=settings["group_column"],
        where=settings["where"],
    )
    if output is None:
        screen.print_table(result.records(), COLUMNS)
    else:
        result.write(output)
    failed = [(row.path, row.status, row.reason) for row in result.predictions if not row.guesses]
    screen.print_failures(failed)
    if not settings["quiet"]:
        click.echo(f"accuracy        {result.accuracy}")
        click.echo(f"top-5 accuracy  {result.top5_accuracy}")
        click.echo(f"macro recall    {result.macro_recall}")
        click.echo(f"calibration     {result.expected_calibration_error:.3f} expected error")
        click.echo(f"{result.classified} classified in {result.groups} groups, "
                   f"{result.unclassified} not", err=True)  # fmt: skip
    code = screen.exit_code(len(result.predictions), len(failed), strict=settings["strict"])
    raise click.exceptions.Exit(code)
