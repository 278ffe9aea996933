"""What ``--clade`` names: taxa, files with lists of names, and regions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.taxonomy.lookup import find_taxon, meanings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree

LIST_SUFFIXES = (".txt", ".csv", ".tsv")
MAX_LIST_BYTES = 64 * 2**20
NAME_COLUMNS = ("name", "scientificname", "scientific_name", "species", "taxon", "label")
REGION = "region:"
SHOWN = 5

Regions = Callable[["Tree", str], "NDArray[np.integer]"]
"""Returns the taxa of a tree that are known from a region; raises UsageError for no such region."""


def labels_within(
    tree: Tree,
    clades: Sequence[str],
    regions: Regions | None = None,
    among: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Return the taxa of a tree within what the user named, ascending.

    Taxa and lists of names are united; regions are united too, and only what is in both is left.

    Args:
        tree: to choose from.
        clades: names of taxa; ``FILE.txt`` with a name a line, or ``FILE.csv`` with a column of
            names; ``region:CODE``. Without any, the whole tree.
        regions: knows which taxa a region has.
        among: the taxa that may be chosen, ascending; by default those with none below them.

    Raises:
        UsageError: a name means no taxon or several, a file cannot be read, or nothing is left.
    """
    found = tree.leaves() if among is None else among
    places = [text.removeprefix(REGION) for text in clades if text.startswith(REGION)]
    named = [text for text in clades if not text.startswith(REGION)]
    if named:
        found = found[_inside(tree, named_taxa(tree, named))[found]]
    if places:
        if regions is None:
            raise UsageError(
                f"No list of the taxa of {places[0]!r} is there. Name one: --occurrences FILE."
            )
        there = np.concatenate([regions(tree, place) for place in places])
        found = found[_inside(tree, there)[found]]
    if not len(found):
        where = " and ".join(clades) or tree.info.name
        raise UsageError(f"Nothing of the tree {tree.info.name!r} is in {where}. Name another.")
    return found


def read_names(path: Path) -> list[str]:
    """Return the names of a list: one a line, or the column of names of a CSV or TSV file.

    Lines that start with # are left out.

    Raises:
        UsageError: the file cannot be read, or has no such column or no name.
    """
    try:
        text = read_bounded(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except (LoadError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text: {error}") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    suffix = path.suffix.lower()
    names = lines if suffix == ".txt" else _column(path, lines, "\t" if suffix == ".tsv" else ",")
    found = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise UsageError(f"{path} has no name. Write one a line.")
    return found


def named_taxa(tree: Tree, texts: Sequence[str]) -> list[int]:
    """Return the taxa that names, and files of names, stand for.

    Raises:
        UsageError: a name means no taxon or several, or a file cannot be read.
    """
    found = []
    for text in texts:
        if text.lower().endswith(LIST_SUFFIXES):
            found += _listed(tree, Path(text))
        else:
            found.append(find_taxon(tree, text))
    return found


def _listed(tree: Tree, path: Path) -> list[int]:
    """Return the taxa of a list; names that the tree does not have are all told at once."""
    names = read_names(path)
    found, unclear = [], []
    for name, meaning in zip(names, meanings(tree, names), strict=True):
        if len(meaning.nodes) == 1:
            found.append(meaning.nodes[0])
        else:
            unclear.append(name)
    if unclear:
        shown = "\n".join(_fault(tree, name) for name in unclear[:SHOWN])
        raise UsageError(
            f"{len(unclear)} of the {len(names)} names of {path} are not one taxon of "
            f"the tree {tree.info.name!r}:\n{shown}\nCorrect or remove their lines."
        )
    return found


def _fault(tree: Tree, name: str) -> str:
    """Return why a name is not one taxon, with the nearest names; slow in a large tree."""
    try:
        find_taxon(tree, name)
    except UsageError as error:
        return str(error)
    return name


def _inside(tree: Tree, nodes: Sequence[int] | NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (N,) whether each taxon is one of some or belongs to one."""
    edges = np.zeros(len(tree) + 1, np.int64)
    np.add.at(edges, np.asarray(nodes, np.int64), 1)
    np.subtract.at(edges, tree.ends[np.asarray(nodes, np.int64)], 1)
    return np.cumsum(edges[:-1]) > 0


def _column(path: Path, lines: Sequence[str], delimiter: str) -> list[str]:
    reader = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    try:
        return _cells(path, reader)
    except csv.Error as error:
        raise UsageError(f"{path} is no table that can be read: {error}.") from error


def _cells(path: Path, reader: csv.DictReader[str]) -> list[str]:
    fields = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
    column = next((fields[name] for name in NAME_COLUMNS if name in fields), None)
    if column is None:
        raise UsageError(
            f"{path} has no column of names. Call one of them: {', '.join(NAME_COLUMNS)}."
        )
    return [row[column] or "" for row in reader]
