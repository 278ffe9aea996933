"""``fieldguide biodiversity taxonomy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fieldguide_biodiversity.commands.taxonomy_names import find, match
from fieldguide_biodiversity.commands.taxonomy_vectors import vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.taxonomy.tree import TreeInfo


@click.group()
def taxonomy() -> None:
    """Build trees of taxa from checklists, and say what names mean in them."""


@taxonomy.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The tree to write, NAME.tree.")  # fmt: skip
@click.option("--name", help="Of the taxonomy; else what the source calls itself.")
@click.option("--licence", metavar="SPDX", help="Such as CC-BY-4.0; else what the source says.")
@click.option("--language", metavar="CODE", help="Of common names that do not say theirs.")
@click.option("--orphans-as-roots", is_flag=True,
              help="Taxa whose parent has no row become roots, and are no error.")  # fmt: skip
def build(
    source: Path,
    output: Path,
    name: str | None,
    licence: str | None,
    language: str | None,
    orphans_as_roots: bool,
) -> None:
    """Read a taxonomy as it is published, and write its tree as one file.

    SOURCE is a Darwin Core archive or its folder (GBIF, Catalogue of Life, iNaturalist), a ColDP
    archive, GBIF's simple.txt.gz, the JSON file of an iNaturalist competition, or a CSV, TSV or
    Parquet table with parents or with one column a rank.

    \b
    fieldguide biodiversity taxonomy build backbone.zip -o gbif.tree
    fieldguide biodiversity taxonomy build my_species.csv -o mine.tree --licence CC0-1.0

    Ends with 3 where rows could not be read.
    """
    from fieldguide.cli import screen
    from fieldguide.taxonomy.tree_file import require_suffix, write_tree
    from fieldguide.writers.provenance import make_provenance, write_provenance
    from fieldguide_biodiversity.checklists.read import build as build_tree

    def told(info: TreeInfo) -> TreeInfo:
        from dataclasses import replace

        given = {"name": name, "licence": licence}
        return replace(info, **{key: text for key, text in given.items() if text})

    require_suffix(output)  # fail before the work, not after it
    built = build_tree(source, info=told, language=language, orphans_as_roots=orphans_as_roots)
    write_tree(built.tree, output)
    counts = {"notes": built.notes, "left_out": built.left_out, "unread": built.unread}
    write_provenance(
        make_provenance(domain="biodiversity", source=str(source), taxa=len(built.tree), **counts),
        output,
    )
    info = built.tree.info
    click.echo(screen.clean(f"{output}: {len(built.tree):,} taxa, {info.name}, {info.licence}"))
    _say("in the tree", built.notes)
    _say("left out", built.left_out)
    _say("not read", built.unread)
    raise click.exceptions.Exit(screen.SOME_SKIPPED if built.unread else screen.ALL_DONE)


@taxonomy.command()
@click.argument("tree", type=click.Path(path_type=Path), required=False)
def show(tree: Path | None) -> None:
    """Say what a tree holds: taxa by rank, synonyms, languages, version and licence.

    \b
    fieldguide biodiversity taxonomy show gbif.tree
    fieldguide biodiversity taxonomy show
    """
    from fieldguide.cli import screen
    from fieldguide_biodiversity.checklists.open_tree import chosen_tree
    from fieldguide_biodiversity.checklists.overview import overview

    found = overview(chosen_tree(tree))
    for what, value in found.facts.items():
        click.echo(screen.clean(f"{what}: {value}"))
    screen.print_table(found.ranks, ("rank", "taxa", "without_children"))
    if found.languages:
        screen.print_table(found.languages, ("language", "common_names"))


@taxonomy.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("country", metavar="CODE")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The list to write, .csv.")  # fmt: skip
def region(source: Path, country: str, output: Path) -> None:
    """List the taxa that a checklist has in a country, for classify --clade.

    SOURCE is a Darwin Core or ColDP archive with distributions, CODE a country's ISO 3166 code.

    \b
    fieldguide biodiversity taxonomy region checklist.zip GB -o gb.csv
    fieldguide classify photos/ --domain biodiversity --clade gb.csv
    """
    from fieldguide.plugins import get_catalog
    from fieldguide.writers import writer_for
    from fieldguide_biodiversity.checklists.places import ResidentTable, residents

    writer_for(output, ResidentTable.kind, get_catalog(), "biodiversity")  # fail before the work
    found = residents(source, country)
    found.write(output)
    click.echo(f"{output}: {len(found):,} taxa in {country.upper()}")


def _say(what: str, counts: Mapping[str, int]) -> None:
    from fieldguide.cli import screen

    for why, count in counts.items():
        click.echo(screen.clean(f"  {what}: {count:,} {why}"), err=True)


taxonomy.add_command(find)
taxonomy.add_command(match)
taxonomy.add_command(vectors)
