"""``fieldguide evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("label", "support", "precision", "recall", "f1")


@click.command(cls=options.DomainCommand)
@click.argument("manifest", metavar="MANIFEST")
@options.label_options
@click.option("--label-column", default="label", show_default=True, help="The true label.")
@click.option("--group-column", help="Rows that share its value are resampled together.")
@click.option("--where", help='Only these rows, such as: split == "test"')
@options.output_option
@options.domain_options
@options.adapter_options
@options.run_options
def evaluate(manifest: str, output: Path | None, **settings: Any) -> None:
    """Compare zero-shot answers with the labels of a CSV or JSONL manifest.

    Prints accuracy, macro recall and calibration with 95 % bootstrap intervals, and a row a class;
    .html adds the confusion matrix and reliability.

    \b
    fieldguide evaluate tiles.csv --domain medical --group-column slide -o report.html
    """
    guide = options.make_guide(settings, output)
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
