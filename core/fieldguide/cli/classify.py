"""``fieldguide classify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import boxes, options, screen, taxa_options
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.guides import Guide
    from fieldguide.results import Predictions
    from fieldguide.zeroshot.run_report import RunReport

_NO_REPORT = "--report is for files that are classified by their windows: name a --window."
COLUMNS = ("path", "rank", "label", "probability", "status", "reason")
PLACE_COLUMNS = ("row_px", "column_px", "height_px", "width_px")
MORE_COLUMNS = ("threshold", "taxon_rank", "probability_without_prior", "common_name", "why")


@click.command(cls=options.PriorCommand)
@options.inputs
@options.label_options
@taxa_options.taxa_options
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0,
              help="Below this best probability the answer is 'none of these'; findings below it "
                   "are left out.")  # fmt: skip
@click.option("--top", type=click.IntRange(1),
              help="How many labels to give for each image; else 1, or all findings.")  # fmt: skip
@click.option("--window", metavar="SIZE",
              help="Classify each file by its windows: 224 (pixels), 112um. Slides always are. "
              "[default for them: what the model takes]")  # fmt: skip
@click.option("--overlap", type=click.FloatRange(0, 0.9),
              help="Of neighbouring windows. [default: 0]")  # fmt: skip
@click.option("--pool-top", type=click.IntRange(1), metavar="K",
              help="A label's score is the mean of its K best windows; more than there are: of "
              "all. [default: 10]")  # fmt: skip
@click.option("--vectors", type=click.Path(path_type=Path), metavar="FOLDER",
              help="In which FILE.windows keeps the vectors of windows; else here.")  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path),
              help="By windows: what became of each file and why: .csv .json .parquet")  # fmt: skip
@options.calibration_option
@options.output_option
@boxes.box_options
@boxes.guided_option
@options.domain_options
@options.adapter_options
@options.run_options
def classify(
    inputs: tuple[str, ...], output: Path | None, report: Path | None, pool_top: int | None,
    **settings: Any,
) -> None:  # fmt: skip
    """Say which label fits each image best, or which findings it has.

    INPUTS are files, folders, globs, CSV or JSONL manifests, or one .parquet file of 'embed'.
    The table has the columns path, rank, label, probability, status and reason. A class set of
    findings gives each finding a probability of its own.

    Slides, and other files with --window, are classified by their windows, whose vectors are kept:
    a killed run goes on, other labels take seconds, and several processes may share a list.

    With --boxes, each thing that a detector found is a row with its place. Domains with a tree of
    taxa answer by --clade, --rank, --confidence or --bins; without labels, all of it is offered.

    \b
    fieldguide classify photos/ --label cat --label dog
    fieldguide classify scenes/ --domain remote_sensing --classes aid -o sheet.html
    fieldguide classify photos/ --domain biodiversity --clade Insecta --confidence 0.8
    fieldguide classify photos/ --domain biodiversity --clade Mammalia --boxes md.json
    fieldguide classify mosaic.png --label forest --label water --window 224 --report run.csv
    """
    guide = options.make_guide(settings, output)
    from fieldguide.zeroshot.top_k_pooling import TopK

    _check_outputs(guide, output, report, settings["window"])
    predictions = guide.classify(
        boxes.boxed_inputs(inputs, settings),
        **_asked(guide, settings),
        thumbnails=output is not None and output.suffix.lower() in (".html", ".htm"),
        window=settings["window"],
        overlap=settings["overlap"],
        pool=None if pool_top is None else TopK(pool_top),
        vectors=settings["vectors"],
        guided=boxes.guidance(inputs, settings),
    )
    failed = [(row.path, row.status, row.reason) for row in predictions if not row.guesses
              and row.status != screen.EMPTY]  # fmt: skip
    if output is None:
        screen.print_table(rows := predictions.records(), _columns(rows))
    else:
        predictions.write(output)
        screen.print_failures(failed)
    if report is not None:
        _report_of(predictions).write(report)
    if not settings["quiet"]:
        _say(predictions, guide, output, settings)
    code = screen.exit_code(len(predictions), len(failed), strict=settings["strict"])
    raise click.exceptions.Exit(code)


def _asked(guide: Guide, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of :meth:`Guide.classify` that say what to choose from."""
    taxa = taxa_options.chosen_taxa(guide, settings)
    chosen = options.chosen_labels(settings)
    top = settings["top"]
    if taxa is not None:
        return {**chosen, "taxa": taxa}
    if top is None and (chosen["labels"] or not guide.offers_findings(chosen["classes"])):
        top = 1
    rest = {name: settings[name] for name in ("threshold", "calibration")}
    return {**chosen, **rest, "top": top}


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the columns that the screen shows: those of every job, and those that this one has."""
    known = {name for row in rows for name in row}
    place = [name for name in PLACE_COLUMNS if name in known]
    more = [name for name in MORE_COLUMNS if name in known]
    return (COLUMNS[0], *place, *COLUMNS[1:4], *more, *COLUMNS[4:])


def _say(
    predictions: Predictions, guide: Guide, output: Path | None, settings: dict[str, Any]
) -> None:
    """Say what was done, and name a better model where there is one."""
    where = "" if output is None else f"; written to {output}"
    click.echo(screen.summary_line(row.status for row in predictions) + where, err=True)
    made = predictions.provenance
    if without := made.get("descriptions", {}).get("without"):
        click.echo(f"no description of {len(without)} labels: {', '.join(without[:5])}", err=True)
    if settings["model"] is None and settings["adapter"] is None:
        say_better_model(guide.catalog, made["modality"], (made["model"] or {}).get("name"))


def _check_outputs(
    guide: Guide, output: Path | None, report: Path | None, window: str | None
) -> None:
    """Refuse files that could not be written, and a report of no windows, before the work."""
    from fieldguide.writers import writer_for

    for path, kind in ((output, "predictions"), (report, "run_report")):
        if path is not None:
            writer_for(path, kind, guide.catalog, guide.domain.name)
    cuts = window is not None or any(m.by_windows for m in guide.domain.modalities)
    if report is not None and not cuts:
        raise click.UsageError(_NO_REPORT)


def _report_of(predictions: Predictions) -> RunReport:
    from fieldguide.zeroshot.run_report import WindowPredictions

    if not isinstance(predictions, WindowPredictions):
        raise click.UsageError(_NO_REPORT)
    return predictions.report
