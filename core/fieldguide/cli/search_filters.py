"""Options of ``search`` that narrow it to a place, to days and to taxa, and its second stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli.options import chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.retrieval.index import Index
    from fieldguide.retrieval.reranking import Rerank
    from fieldguide.retrieval.row_filters import RowFilter

filter_options = chain(
    click.option("--where", help='A filter, such as: cloud_cover < 10 and sensor == "NAIP"'),
    click.option("--near", metavar="LAT,LON", help="Only images taken near this place."),
    click.option("--within-km", type=float, metavar="KM", help="How near, in kilometres."),
    click.option("--after", metavar="DATE", help="Only images taken on this day or later."),
    click.option("--before", metavar="DATE", help="Only images taken before this day."),
    click.option("--months", metavar="M-M", help="Only of these months of any year: 5-7 or 11-2."),
    click.option(
        "--clade",
        "clades",
        multiple=True,
        metavar="NAME",
        help="Only images whose name is of a taxon such as Odonata, or of one of FILE.txt or .csv "
        "with names; repeat for more.",
    ),
    click.option(
        "--taxonomy",
        type=click.Path(exists=True, path_type=Path),
        metavar="FILE",
        help="The tree that --clade is of; else the domain's own.",
    ),
    click.option(
        "--taxon-column",
        metavar="NAME",
        help="Says what images show; else the domain's usual columns.",
    ),
)

rerank_options = chain(
    click.option(
        "--rerank-model",
        metavar="NAME",
        help="A second model, which puts the first answers in order; named as for --model.",
    ),
    click.option(
        "--rerank-top",
        type=click.IntRange(1),
        metavar="N",
        help="How many first answers it judges; else 100.",
    ),
    click.option(
        "--reranker", metavar="METHOD", help="How it judges them; else second_model: by cosine."
    ),
)


def chosen_filters(settings: Mapping[str, Any], index: Index) -> list[RowFilter]:
    """Return the filters that the options ask for.

    Raises:
        UsageError: one of them makes no sense, or half of a pair is missing.
    """
    from fieldguide.retrieval.row_filters import NearPlace, TakenWhen  # lancedb takes 2 s

    found: list[RowFilter] = []
    if (settings["near"] is None) != (settings["within_km"] is None):
        raise click.UsageError("--near and --within-km belong together: give both.")
    if settings["near"] is not None:
        found.append(NearPlace(settings["near"], settings["within_km"]))
    days = {name: settings[name] for name in ("after", "before", "months")}
    if any(value is not None for value in days.values()):
        found.append(TakenWhen(**days))
    if settings["clades"]:
        taxonomy, column = settings["taxonomy"], settings["taxon_column"]
        found.append(index.clade(*settings["clades"], taxonomy=taxonomy, column=column))
    elif settings["taxonomy"] is not None or settings["taxon_column"] is not None:
        raise click.UsageError("--taxonomy and --taxon-column are for --clade: name a taxon.")
    return found


def chosen_rerank(settings: Mapping[str, Any], index: Index) -> Rerank | None:
    """Return the second stage that the options ask for, or None.

    Raises:
        UsageError: an option is for a second stage and no model is named, or no such method.
    """
    model, top, method = (settings[name] for name in ("rerank_model", "rerank_top", "reranker"))
    if model is None:
        if top is not None or method is not None:
            raise click.UsageError("--rerank-top and --reranker are for --rerank-model NAME.")
        return None
    from fieldguide.retrieval.reranking import DEFAULT_TOP

    return index.second_stage(model, DEFAULT_TOP if top is None else top, method)
