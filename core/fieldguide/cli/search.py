"""``fieldguide search``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from pathlib import Path

METADATA_SHOWN = 3


@click.command()
@click.argument("index", metavar="INDEX")
@click.argument("text", required=False)
@click.option("--image", help="Search with an image in place of a text.")
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--where", help='A filter, such as: cloud_cover < 10 and sensor == "NAIP"')
@options.output_option
@options.adapter_options
@options.run_options
def search(index: str, text: str | None, output: Path | None, **settings: Any) -> None:
    """Find the images of an index that are nearest to a text or to an image.

    \b
    fieldguide search scenes.fg "an airport with many planes" -k 20
    fieldguide search scenes.fg --image ref.tif --where 'cloud_cover < 10' -o hits.html
    """
    from fieldguide.guides import open_index  # imports torch, so only when the command runs

    opened = open_index(
        index,
        runtime=options.make_runtime(settings),
        adapter=settings["adapter"],
        strength=settings["strength"],
    )
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "matches", opened.guide.catalog, opened.guide.domain.name)
    found = opened.search(text, image=settings["image"], k=settings["k"], where=settings["where"])
    if output is None:
        rows = found.records()
        extra = list(dict.fromkeys(name for row in rows for name in row))[3 : 3 + METADATA_SHOWN]
        screen.print_table(rows, ["rank", "similarity", "path", *extra])
    else:
        found.write(output)
    if not settings["quiet"]:
        where = "" if output is None else f"; written to {output}"
        click.echo(f"{len(found)} of {len(opened)}{where}", err=True)
        if opened.guide.adapter is not None:
            return
        planner = opened.guide.planner
        name = None if planner.modality is None else planner.modality.name
        by = "index again with --model"
        say_better_model(opened.guide.catalog, name, planner.model, by=by)
