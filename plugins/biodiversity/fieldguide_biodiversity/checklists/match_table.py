"""A table of names with what each means in a tree beside it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import read_bounded
from fieldguide.data.manifests import FAULT, MAX_BYTES, read_table
from fieldguide.errors import LoadError, UsageError
from fieldguide.results import Rows
from fieldguide.taxonomy.lookup import describe
from fieldguide.writers.provenance import make_provenance
from fieldguide_biodiversity.checklists.match import NameMatch, accept_suggestion, match_names
from fieldguide_biodiversity.taxa import RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.taxonomy.tree import Tree

COLUMNS = ("name_match", "accepted_name", "accepted_rank", "accepted_id")
"""Of each row, before the ranks of its lineage."""

Row = dict[str, Any]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class MatchTable(Rows[tuple[Row, NameMatch]]):
    """The rows of the user's table, each with what its name means.

    Args:
        rows: as they were read, with their matches.
        tree: in which they were looked for.
        provenance: how it was made.
    """

    kind = "name_matches"

    def __init__(
        self,
        rows: Sequence[tuple[Row, NameMatch]],
        tree: Tree,
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(rows, provenance)
        self.tree = tree

    def records(self) -> list[Row]:
        """Return the rows with ``COLUMNS``, the ranks and suggestions after their own columns."""
        return [row | self._found(match) for row, match in self._rows]

    def counts(self) -> dict[str, int]:
        """Return how many rows were found by which kind of name."""
        found: dict[str, int] = {}
        for _, match in self._rows:
            found[match.how] = found.get(match.how, 0) + 1
        return found

    def _found(self, match: NameMatch) -> Row:
        tree, node = self.tree, match.node
        record = {} if node is None else tree.record(node)
        values = (None,) * 3 if node is None else (
            tree.name_of(node), tree.rank_of(node), str(tree.ids[node].as_py())
        )  # fmt: skip
        ranks = [rank for rank in RANKS if rank in tree.ranks]
        others = [describe(tree, other) for other in match.nodes] if node is None else []
        near = [near.name for near in match.suggestions] if match.how == "none" else []
        return {
            **dict(zip(COLUMNS, (match.how, *values), strict=True)),
            **{f"accepted_{rank}": record.get(rank) for rank in ranks},
            "name_suggestions": " | ".join(near or others) or None,
            "name_note": match.note or None,
        }


def match_table(
    path: Path, tree: Tree, column: str, *, accept_suggestions: bool = False, suggestions: int = 3
) -> MatchTable:
    """Return a table with what the names in one of its columns mean.

    Args:
        path: a .csv, .tsv or .jsonl file.
        tree: to look in.
        column: that holds the names.
        accept_suggestions: whether the nearest name is taken where it is near and the only one.
        suggestions: how many at most for a name that is not found.

    Raises:
        UsageError: the table cannot be read, or has no such column.
    """
    rows = _rows(path)
    if not any(column in row for row in rows):
        there = ", ".join(map(repr, rows[0]))
        raise UsageError(f"{path} has no column {column!r}. It has {there}: name one by --column.")
    texts = ["" if row.get(column) is None else str(row[column]) for row in rows]
    found = match_names(tree, texts, suggestions=suggestions)
    if accept_suggestions:
        found = [accept_suggestion(match) for match in found]
    provenance = make_provenance(
        domain="biodiversity",
        taxonomy=tree.info.name,
        taxonomy_version=tree.info.version,
        taxonomy_licence=tree.info.licence,
        column=column,
        rows=len(rows),
    )
    return MatchTable(list(zip(rows, found, strict=True)), tree, provenance)


def _rows(path: Path) -> list[Row]:
    """Return the rows of a table; cells of CSV stay the texts that they are."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        rows = [row for _, row in read_table(path)]
        faults = [row[FAULT] for row in rows if set(row) == {FAULT}]
        if faults:
            raise UsageError(f"{path}: {faults[0]}")
        return rows
    if suffix not in _DELIMITERS:
        raise UsageError(f"{path} is no table of names. Name a .csv, .tsv or .jsonl file.")
    try:
        rows = _delimited_rows(read_bounded(path, MAX_BYTES), _DELIMITERS[suffix])
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    if not rows:
        raise UsageError(f"{path} has no rows. Name a table that has some.")
    return rows


def _delimited_rows(content: bytes, delimiter: str) -> list[Row]:
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, delimiter=delimiter, strict=True)
        rows: list[Row] = list(reader)
    except UnicodeDecodeError as error:
        raise LoadError(f"it is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise LoadError(f"it is not CSV: {error}. Save it again as CSV.") from error
    names = reader.fieldnames or ()
    if len(set(names)) < len(names):
        raise LoadError("two of its columns have one name. Give each a name of its own.")
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise LoadError(f"row {number} has more cells than the header. Quote such cells.")
    return rows
