"""``fieldguide search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen, search_filters
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.results import Matches
    from fieldguide.retrieval.index import Index
    from fieldguide.retrieval.query_batch import QueryMatches

METADATA_SHOWN = 3


@click.command()
@click.argument("index", metavar="INDEX")
@click.argument("text", required=False)
@click.option("--image", help="Search with an image; with a text too, for both together.")
@click.option("--queries", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="Many texts: a CSV with a column query.")  # fmt: skip
@click.option("--composer", metavar="NAME", help="How image and text make one score; else weicom.")
@click.option("--text-weight", type=click.FloatRange(0, 1),
              help="Of the text beside an image; else 0.5.")  # fmt: skip
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@search_filters.filter_options
@search_filters.rerank_options
@options.output_option
@options.adapter_options
@options.run_options
def search(index: str, text: str | None, output: Path | None, **settings: Any) -> None:
    """Find the images of an index that are nearest to a text, to an image, or to both together.

    \b
    fieldguide search scenes.fg "an airport with many planes" -k 20
    fieldguide search scenes.fg --image ref.tif --where 'cloud_cover < 10' -o hits.html
    fieldguide search scenes.fg "with a river" --image ref.tif --text-weight 0.3
    fieldguide search photos.fg "mating" --near 51.5,-0.1 --within-km 50 --months 5-7
    fieldguide search photos.fg --queries queries.csv --rerank-model NAME -o matches.csv
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
    found = _ask(opened, text, settings)
    if output is None:
        _show(found)
    else:
        found.write(output)
    if not settings["quiet"]:
        _say(opened, found, output)


def _ask(opened: Index, text: str | None, settings: Mapping[str, Any]) -> Matches | QueryMatches:
    given = {
        "k": settings["k"],
        "where": settings["where"],
        "filters": search_filters.chosen_filters(settings, opened),
        "rerank": search_filters.chosen_rerank(settings, opened),
    }
    if settings["queries"] is None:
        return opened.search(
            text,
            image=settings["image"],
            composer=settings["composer"],
            weight=settings["text_weight"],
            **given,
        )
    alone = (text, settings["image"], settings["composer"], settings["text_weight"])
    if any(value is not None for value in alone):
        raise click.UsageError("--queries has the texts: give no other text and no image.")
    from fieldguide.retrieval.query_batch import read_queries

    return opened.search_all(read_queries(settings["queries"]), **given)


def _show(found: Matches | QueryMatches) -> None:
    rows = found.records()
    terms = list(found[0].terms) if len(found) else []
    names = dict.fromkeys(name for row in rows for name in row)
    first = [name for name in ("query",) if name in names]
    extra = [n for n in names if n not in ("query", "rank", "path", "similarity", *terms)]
    shown = [*first, "rank", "similarity", *terms, "path", *extra[:METADATA_SHOWN]]
    screen.print_table(rows, shown)


def _say(opened: Index, found: Matches | QueryMatches, output: Path | None) -> None:
    for note in found.provenance.get("filter_notes", ()):
        click.echo(screen.clean(note), err=True)
    where = "" if output is None else f"; written to {output}"
    click.echo(f"{len(found)} of {len(opened)}{where}", err=True)
    if opened.guide.adapter is None:
        planner = opened.guide.planner
        name = None if planner.modality is None else planner.modality.name
        by = "index again with --model"
        say_better_model(opened.guide.catalog, name, planner.model, by=by)
