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
@click.option("--image", help="Search with an image; with a text too, for both together.")
@click.option("--composer", metavar="NAME", help="How image and text make one score; else weicom.")
@click.option("--text-weight", type=click.FloatRange(0, 1),
              help="Of the text beside an image; else 0.5.")  # fmt: skip
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--where", help='A filter, such as: cloud_cover < 10 and sensor == "NAIP"')
@options.output_option
@options.adapter_options
@options.run_options
def search(index: str, text: str | None, output: Path | None, **settings: Any) -> None:
    """Find the images of an index that are nearest to a text, to an image, or to both together.

    \b
    fieldguide search scenes.fg "an airport with many planes" -k 20
    fieldguide search scenes.fg --image ref.tif --where 'cloud_cover < 10' -o hits.html
    fieldguide search scenes.fg "with a river" --image ref.tif --text-weight 0.3
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
    found = opened.search(
        text,
        image=settings["image"],
        k=settings["k"],
        where=settings["where"],
        composer=settings["composer"],
        weight=settings["text_weight"],
    )
    if output is None:
        rows = found.records()
        terms = list(found[0].terms) if len(found) else []
        names = dict.fromkeys(name for row in rows for name in row)
        extra = [name for name in names if name not in ("rank", "path", "similarity", *terms)]
        shown = ["rank", "similarity", *terms, "path", *extra[:METADATA_SHOWN]]
        screen.print_table(rows, shown)
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
