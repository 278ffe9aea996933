"""``fieldguide index``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fieldguide.cli import boxes, options, screen
from fieldguide.cli.better_model import say_better_model


@click.command(cls=options.DomainCommand)
@click.argument("inputs", nargs=-1, metavar="INPUTS...")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="The index: a folder to make or to extend.")  # fmt: skip
@click.option("--window", "windows", multiple=True, metavar="SIZE",
              help="Index windows of large files, with their places: 224 (pixels), 600m, usual "
              "(what suits the model); repeat for several.")  # fmt: skip
@click.option("--overlap", type=click.FloatRange(0, 0.9),
              help="Of neighbouring windows; else 0.5.")  # fmt: skip
@click.option("--remove", metavar="WHERE", help="Remove the rows that fit, instead of adding.")
@boxes.box_options
@options.domain_options
@options.adapter_options
@options.run_options
def index(
    inputs: tuple[str, ...], output: Path, windows: tuple[str, ...], overlap: float | None,
    remove: str | None, **settings: Any,
) -> None:  # fmt: skip
    """Embed images into an index that can be searched.

    Columns of a manifest and what the files say of themselves become filters of 'search'. Given
    again, the command adds what is new or has changed; a killed job goes on where it stopped.

    \b
    fieldguide index scenes/ --domain remote_sensing -o scenes.fg
    fieldguide index huge.tif --domain remote_sensing --window 600m -o archive.fg
    fieldguide index -o scenes.fg --remove 'path like "old/%"'
    """
    if remove is not None:
        _remove(inputs, output, remove, settings)
        return
    if not inputs:
        raise click.UsageError("Name images to index, or --remove WHERE.")
    made = options.make_guide(settings, output).index(
        boxes.boxed_inputs(inputs, settings), output, windows=windows, overlap=overlap
    )
    report = made.report
    if report is None:
        raise RuntimeError("a job that stored gave no report")
    if not settings["quiet"] and settings["model"] is None and settings["adapter"] is None:
        facts = report.provenance
        say_better_model(made.guide.catalog, facts["modality"], (facts["model"] or {}).get("name"))
    screen.end_store_job(report, "indexed", quiet=settings["quiet"], strict=settings["strict"])


def _remove(inputs: tuple[str, ...], output: Path, where: str, settings: dict[str, Any]) -> None:
    if inputs:
        raise click.UsageError("Either add images or --remove; give one of them.")
    from fieldguide.retrieval.lance_index import open_lance_index  # only when the command runs

    with open_lance_index(output) as store:
        gone = store.delete(where=where)
    if not settings["quiet"]:
        click.echo(f"{gone} removed; {len(store)} in {output}", err=True)
