"""``fieldguide medical series``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from fieldguide.cli import screen

SCREEN = ("item", "series", "modality", "kind", "slices", "shape", "spacing_mm", "orientation")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="A table, .csv.")
@click.option("--show-paths", is_flag=True, help="Name folders by their paths, not by ids.")
def series(folder: Path, output: Path | None, show_paths: bool) -> None:
    """List the DICOM series below a folder, and say which can be read as CT volumes.

    One line a series: its number in its folder, what it is, its size, spacing and orientation, and
    whether it is ready, repaired by name, or refused and why. No name, date or identifier of the
    files is shown; folders go by ids, which the other commands take too. Headers are read, and no
    pixels but those of slices at the same place; units are judged when a volume is read.

    \b
    fieldguide medical series study/
    fieldguide medical series study/ --output series.csv
    fieldguide show study/ --domain medical --series 2
    """
    from fieldguide.plugins import get_catalog  # imports pydantic, so only when the command runs
    from fieldguide.privacy.domains import names_of
    from fieldguide.writers.tables import write_csv
    from fieldguide_medical.series_table import list_series

    if output is not None and output.suffix.lower() != ".csv":
        raise click.UsageError("The table is CSV: give --output a name that ends with .csv.")
    catalog = get_catalog()
    private = None if show_paths else names_of(catalog.domains["medical"])
    with nullcontext() if private is None else private.kept_out_of_errors():
        if private is not None:
            private.typed(folder)
            if output is not None:
                private.keep_beside(output)
        table = list_series(folder, catalog.loaders["dicom_series"], private)
        if output is not None:
            write_csv(table, output)
    screen.print_table(table.records(), SCREEN)
    for row in table.rows:
        number = "" if row.series is None else f" series {row.series}"
        click.echo(screen.clean(f"{row.item}{number}: {row.verdict}"))
    click.echo(f"{table.ready} of {len(table.rows)} series can be read as they are.")
