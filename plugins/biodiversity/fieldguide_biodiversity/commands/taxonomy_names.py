"""``fieldguide biodiversity taxonomy find`` and ``match``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fieldguide.taxonomy.tree import Tree
    from fieldguide_biodiversity.checklists.match import NameMatch

taxonomy_option = click.option(
    "--taxonomy", type=click.Path(path_type=Path), metavar="FILE",
    help="A tree of 'taxonomy build', or a small source; by default the domain's own.",
)  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@taxonomy_option
@click.option("--rank", help="Only taxa of this rank, such as genus.")
def find(names: tuple[str, ...], taxonomy: Path | None, rank: str | None) -> None:
    """Say what names mean: taxon, lineage, synonyms, common names. Typing errors get suggestions.

    \b
    fieldguide biodiversity taxonomy find "Turdus merula" --taxonomy gbif.tree
    fieldguide biodiversity taxonomy find Oenanthe --taxonomy gbif.tree
    fieldguide biodiversity taxonomy find Plantae/Oenanthe genus:Oenanthe id:2490719

    Ends with 3 where a name means none or several taxa, with 1 where all do.
    """
    from fieldguide.cli import screen
    from fieldguide_biodiversity.checklists.match import match_names
    from fieldguide_biodiversity.checklists.open_tree import chosen_tree

    tree = chosen_tree(taxonomy)
    found = match_names(tree, names, rank=rank, suggestions=5)
    for match in found:
        for line in _lines(tree, match):
            click.echo(screen.clean(line))
    unclear = sum(match.node is None for match in found)
    raise click.exceptions.Exit(screen.exit_code(len(found), unclear, strict=False))


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The table to write: .csv .jsonl .json .parquet.")  # fmt: skip
@click.option("--column", default="scientificName", show_default=True, help="Holds the names.")
@taxonomy_option
@click.option("--suggestions", type=click.IntRange(0, 20), default=3, show_default=True,
              help="For each name that is not found; 0 is faster.")  # fmt: skip
@click.option("--accept-suggestions", is_flag=True,
              help="Take the nearest name if it is near and alone, and say so.")  # fmt: skip
def match(
    table: Path,
    output: Path,
    column: str,
    taxonomy: Path | None,
    suggestions: int,
    accept_suggestions: bool,
) -> None:
    """Add to a table of names what each means: accepted name, lineage, and how it was found.

    The column name_match says how: exact, synonym, common (a common name), ambiguous (several
    taxa, listed), none (with suggestions) or, with --accept-suggestions, suggested.

    \b
    fieldguide biodiversity taxonomy match names.csv -o matched.csv --taxonomy gbif.tree
    fieldguide biodiversity taxonomy match plots.csv -o out.csv --column species --suggestions 0

    Ends with 3 where a name means none or several taxa, with 1 where all do.
    """
    from fieldguide.cli import screen
    from fieldguide.plugins import get_catalog
    from fieldguide.writers import writer_for
    from fieldguide_biodiversity.checklists.match_table import MatchTable, match_table
    from fieldguide_biodiversity.checklists.open_tree import chosen_tree

    writer_for(output, MatchTable.kind, get_catalog(), "biodiversity")  # fail before the work
    matched = match_table(
        table,
        chosen_tree(taxonomy),
        column,
        accept_suggestions=accept_suggestions,
        suggestions=max(suggestions, 2 if accept_suggestions else 0),
    )
    matched.write(output)
    counts = matched.counts()
    click.echo(f"{output}: " + ", ".join(f"{count} {how}" for how, count in counts.items()))
    unclear = counts.get("none", 0) + counts.get("ambiguous", 0)
    raise click.exceptions.Exit(screen.exit_code(len(matched), unclear, strict=False))


def _lines(tree: Tree, match: NameMatch) -> list[str]:
    from fieldguide.taxonomy.lookup import MAX_LISTED, describe_kind, ways_to_type

    if not match.nodes:
        near = [f"{near.name} ({describe_kind(tree, near)})" for near in match.suggestions]
        return [f"{match.text}: no such name. Nearest: {', '.join(near) or 'none is like it'}"]
    lines = []
    if match.node is None:
        ways = ways_to_type(tree, match.nodes[:MAX_LISTED])
        lines = [f"{match.text}: {len(match.nodes)} taxa. Choose by: {', '.join(ways)}"]
    for node in match.nodes[:MAX_LISTED]:
        lines += _taxon_lines(tree, node)
    if len(match.nodes) > MAX_LISTED:
        lines.append(f"  and {len(match.nodes) - MAX_LISTED} more taxa")
    if match.how in ("synonym", "common"):
        lines.append(
            f"  found by: {match.how} name {match.text}".replace("synonym name", "synonym")
        )
    return [*lines, f"  note: {match.note}"] if match.note else lines


def _taxon_lines(tree: Tree, node: int) -> list[str]:
    author = tree.authorships[node].as_py()
    names = [f"{name} ({language})" if language else name
             for language, name in tree.common_names(node)]  # fmt: skip
    below = int(tree.ends[node]) - node - 1
    lineage = " > ".join(
        f"{tree.rank_of(above)} {tree.name_of(above)}".strip() for above in tree.lineage(node)
    )
    facts = {
        "lineage": lineage,
        "author": author,
        "synonyms": ", ".join(tree.synonyms(node)),
        "common names": ", ".join(names),
        "id": tree.ids[node].as_py(),
        "taxa below": f"{below:,}" if below else "",
    }
    head = f"{tree.name_of(node)}, {tree.rank_of(node) or 'unranked'}"
    return [head, *(f"  {what}: {value}" for what, value in facts.items() if value)]
