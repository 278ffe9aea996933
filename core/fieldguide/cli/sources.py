"""``fieldguide sources``."""

from __future__ import annotations

from pathlib import Path

import click

from fieldguide.cli import screen

COLUMNS = ("id", "path", "columns")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="ID_OR_FILE...")
@click.option("--in", "place", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Beside an output or index: its folder, or the sources.parquet itself. Else the "
              "list of results that only went to the screen.")  # fmt: skip
def sources(names: tuple[str, ...], place: Path | None) -> None:
    """Say which file an id of a private domain means, or which id a file has.

    Shows names that results, logs and errors keep out: for your own eyes.

    \b
    fieldguide sources item-3f9a1c07d2e4b586
    fieldguide sources item-3f9a1c07d2e4b586 --in results/
    fieldguide sources scan.nii.gz --in results/
    """
    from fieldguide.privacy.look_up import look_up  # pyarrow: only when it runs

    screen.print_table(look_up(names, place), COLUMNS)
