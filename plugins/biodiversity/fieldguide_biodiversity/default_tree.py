"""The tree of life in small that comes with the plugin: common taxa, named in four languages.

It is kept as tables that can be read and edited by hand, see docs/default_tree.md.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from fieldguide.errors import UsageError
from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.tree import COMMON, SYNONYM, TreeInfo
from fieldguide_biodiversity.taxa import RANKS

if TYPE_CHECKING:
    from fieldguide.taxonomy.tree import Tree

Row = dict[str, str]

FOLDER = Path(__file__).parent / "trees"
INFO = TreeInfo(
    name="fieldguide default tree",
    version="1",
    source="https://github.com/fieldguide/fieldguide/blob/main/docs/default_tree.md",
    licence="CC0-1.0",
)
LANGUAGES = ("en", "de", "fr", "es")
SEPARATOR = ";"
"""Between several names in one cell; the preferred one stands first."""


@functools.cache
def default_tree() -> Tree:
    """Return the tree that comes with the plugin; the first call takes a tenth of a second."""
    return read_tables(FOLDER)


def read_tables(folder: Path) -> Tree:
    """Return the tree of a folder of tables.

    Three folders are read, in the order of their files' names:

    * ``higher``: kingdoms to families, with the columns name, rank, parent;
    * ``taxa``: species, and genera of which no species is named, with the columns name, family. A
      name of one word is a genus; the genus of a species is the first word of its name;
    * ``names``: further common names, with the columns taxon, language, name.

    In the first two ``en``, ``de``, ``fr``, ``es`` and ``synonyms`` hold names, separated by
    semicolons, the preferred one first. Genera are told apart by their families, so that a bird
    and a plant may share a name.

    Raises:
        UsageError: a name stands twice, or a parent, a family or a taxon has no row.
    """
    higher, taxa = _rows(folder / "higher"), _rows(folder / "taxa")
    nodes = [(row["name"], row["parent"] or None, row["name"], row["rank"]) for row in higher]
    genera = {_genus_id(row): (row["family"], row["name"].split()[0]) for row in taxa}
    nodes += [(id_, family, genus, "genus") for id_, (family, genus) in genera.items()]
    nodes += [
        (row["name"], _genus_id(row), row["name"], "species") for row in taxa if not _is_genus(row)
    ]
    table = pa.table(
        {
            column: pa.array(values, pa.string())
            for column, values in zip(
                ("id", "parent_id", "name", "rank"), zip(*nodes, strict=True), strict=True
            )
        }
    )
    ids = {row["name"]: _genus_id(row) if _is_genus(row) else row["name"] for row in taxa}
    ids |= {row["name"]: row["name"] for row in higher}
    _refuse_doubled([*higher, *taxa])
    return build_tree(table, INFO, RANKS, _other_names([*higher, *taxa], folder / "names", ids))


def imagenet_taxa(tree: Tree) -> dict[str, int]:
    """Return the taxa in the default tree of ImageNet's classes that a name alone does not settle.

    ImageNet's other organisms are found by their names. A word that is narrower than any taxon
    (``otter``) is given the narrowest taxon that holds it all, so it is no name of that taxon.
    """
    rows = csv.DictReader((FOLDER / "imagenet.csv").read_text("utf-8").splitlines())
    nodes = dict(zip(tree.names.to_pylist(), range(len(tree)), strict=True))
    return {row["class"]: nodes[row["taxon"]] for row in rows}


def _other_names(rows: list[Row], more: Path, ids: dict[str, str]) -> pa.Table:
    found: list[tuple[str, str, str, str]] = []
    for row in rows:
        own = ids[row["name"]]
        for language in LANGUAGES:
            found += [(name, own, COMMON, language) for name in _cell(row, language)]
        found += [(name, own, SYNONYM, "") for name in _cell(row, "synonyms")]
    for row in _rows(more):
        if row["taxon"] not in ids:
            raise UsageError(
                f"{more} names {row['name']!r} for {row['taxon']!r}, which has no row. Add its row."
            )
        found.append((row["name"], ids[row["taxon"]], COMMON, row["language"]))
    columns = zip(*found, strict=True)
    return pa.table(
        {
            column: pa.array(values, pa.string())
            for column, values in zip(("name", "id", "kind", "language"), columns, strict=True)
        }
    )


def _refuse_doubled(rows: list[Row]) -> None:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = (row["name"], row.get("family", ""))
        if key in seen:
            raise UsageError(f"{row['name']!r} has two rows. Remove one.")
        seen.add(key)


def _rows(folder: Path) -> list[Row]:
    return [
        {column: value or "" for column, value in row.items()}
        for path in sorted(folder.glob("*.csv"))
        for row in csv.DictReader(path.read_text("utf-8").splitlines())
    ]


def _cell(row: Row, column: str) -> list[str]:
    return [name for part in row[column].split(SEPARATOR) if (name := part.strip())]


def _is_genus(row: Row) -> bool:
    return " " not in row["name"]


def _genus_id(row: Row) -> str:
    return f"{row['family']}/{row['name'].split()[0]}"
