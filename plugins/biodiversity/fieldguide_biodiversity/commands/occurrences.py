"""``fieldguide biodiversity occurrences``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fieldguide.cli import screen

if TYPE_CHECKING:
    from fieldguide_biodiversity.priors.table import OccurrenceTable


@click.group()
def occurrences() -> None:
    """Tables of where and when species were recorded, for priors of place and season."""


@occurrences.command()
@click.argument("downloads", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="The table, FILE.prior.")  # fmt: skip
def build(downloads: tuple[Path, ...], output: Path) -> None:
    """Count the records of DOWNLOADS by taxon, place and month.

    DOWNLOADS are occurrence downloads of GBIF (simple or Darwin Core archive, zipped or not),
    observation exports of iNaturalist, or CSV with Darwin Core's column names. They are read once,
    in bounded memory. Absences, impossible places, fossils and captive animals are left out, and
    counted.

    \b
    fieldguide biodiversity occurrences build 0001234-260601.zip -o uk.prior
    fieldguide classify photos/ --domain biodiversity --clade Aves --occurrences uk.prior \\
        --place 51.5,-0.1 --date 2026-06-01
    """
    from fieldguide_biodiversity.priors.build import build_table
    from fieldguide_biodiversity.priors.table import SUFFIX

    if output.suffix.lower() != SUFFIX:
        raise click.UsageError(f"Give --output a name that ends with {SUFFIX}.")
    table = build_table(downloads)
    table.write(output)
    _print_counts(table)
    click.echo(f"written to {output}", err=True)


@occurrences.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--place", metavar="LAT,LON", help="Only records around it, the near ones first.")
@click.option("--date", help="Only records of this season: 2026-06-01 or 2026-06.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Taxa to list.")
def show(table: Path, place: str | None, date: str | None, top: int) -> None:
    """Tell what a TABLE holds, and which taxa were recorded most, here and now.

    The column ``weighted`` has the records by their distance in space and in months, as the prior
    counts them.

    \b
    fieldguide biodiversity occurrences show uk.prior
    fieldguide biodiversity occurrences show uk.prior --place 51.5,-0.1 --date 2026-06-01
    """
    from fieldguide.data.place_and_date import parse_month, parse_place
    from fieldguide_biodiversity.priors.build import open_occurrences
    from fieldguide_biodiversity.priors.nearest import most_recorded

    where = None if place is None else parse_place(place)
    month = None if date is None else parse_month(date)
    found = open_occurrences(table)
    _print_counts(found)
    rows = most_recorded(found, where, month, top)
    screen.print_table(rows, ("taxon", "above", "weighted", "records"))


def _print_counts(table: OccurrenceTable) -> None:
    about = table.about
    click.echo(
        f"{table.records} records of {len(table.taxa)} taxa, from {', '.join(about['sources'])} "
        f"({about['rows']} rows)"
    )
    if undated := about.get("without_month"):
        click.echo(f"  {undated} of them without a month, which tell of the place alone")
    for reason, count in sorted(about["left_out"].items(), key=lambda each: -each[1]):
        click.echo(f"  {count} rows left out: {reason}")
