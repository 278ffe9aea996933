"""``fieldguide biodiversity sort``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), required=True,
              metavar="FOLDER",
              help="In which the folders of taxa are; new or used before.")  # fmt: skip
@click.option("--copy/--link", "copies", default=True, show_default="copy",
              help="Copy pictures, or make symbolic links to them.")  # fmt: skip
@click.option("--rank", help="One level of folders, such as family; else the whole lineage.")
@click.option("--min-probability", type=click.FloatRange(0, 1), default=0.0, metavar="P",
              help="Pictures whose answer has less go into '_unsure'.")  # fmt: skip
@click.option("--root", "roots", multiple=True, type=click.Path(path_type=Path), metavar="FOLDER",
              help="The table may name pictures of this folder too, beside its own and the "
                   "current one; repeat.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would go where; write nothing.")
def sort(predictions: Path, output: Path, copies: bool, dry_run: bool, **settings: Any) -> None:
    """Put pictures into folders by taxon: Animalia/Chordata/Aves/.../Turdus merula.

    PREDICTIONS is a table of 'classify -o': .csv .jsonl .parquet. The best answer of each row
    counts; a picture with several animals goes into the folder of each. "none of these" goes into
    '_none of these'; what could not be used is left out. Pictures are never moved or overwritten,
    and a second run keeps what is there. FOLDER/sorted.csv says what went where.

    \b
    fieldguide biodiversity sort found.csv -o sorted/
    fieldguide biodiversity sort found.csv -o sorted/ --link --rank family --min-probability 0.6
    fieldguide biodiversity sort found.csv -o sorted/ --dry-run

    Ends with 3 where pictures could not be placed, with 1 where none could.
    """
    from fieldguide.cli import screen
    from fieldguide.writers.provenance import make_provenance, write_provenance
    from fieldguide.writers.tables import write_csv_rows
    from fieldguide_biodiversity.outputs.placing import (
        COLUMNS,
        LOG_NAME,
        Copies,
        Links,
        place_all,
        planned,
    )
    from fieldguide_biodiversity.outputs.sorting import FAILED, Layout, read_wishes

    layout = Layout(settings["rank"], settings["min_probability"])
    wishes = read_wishes(predictions, layout, settings["roots"])
    if dry_run:
        found = planned(wishes)
    else:
        found = place_all(wishes, output, Copies() if copies else Links())
        write_csv_rows(output / LOG_NAME, COLUMNS, found)
        about = make_provenance(
            domain="biodiversity", predictions=str(predictions), copies=copies, **settings
        )
        write_provenance({**about, "counts": _counts(found, "action")}, output / LOG_NAME)
    _say(found, output, dry_run=dry_run)
    failed = sum(row["action"] == FAILED for row in found)
    raise click.exceptions.Exit(screen.exit_code(len(found), failed, strict=False))


def _counts(found: list[dict[str, Any]], column: str) -> dict[str, int]:
    from collections import Counter

    return dict(Counter(row[column] for row in found))


def _say(found: list[dict[str, Any]], output: Path, *, dry_run: bool) -> None:
    """Print the counts by folder or by action, and what was not placed."""
    from fieldguide.cli import screen

    if dry_run:
        for folder, count in sorted(_counts(found, "folder").items()):
            click.echo(screen.clean(f"{count:>6} {folder or '(left out)'}"))
    screen.print_failures((r["path"], r["action"], r["why"]) for r in found if r["why"])
    actions = ", ".join(f"{count} {name}" for name, count in _counts(found, "action").items())
    where = "nothing was written" if dry_run else f"the log is {output / 'sorted.csv'}"
    click.echo(screen.clean(f"{actions}; {where}"), err=True)
