"""Many queries at once: a table of texts in, one table of answers out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError
from fieldguide.results import Match, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.results import Matches

QUERY_COLUMNS = ("query", "query_text", "text")
SUFFIXES = (".csv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Query:
    """One text to look for, and what else its table says of it."""

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read_queries(path: Path) -> list[Query]:
    """Return the queries of a CSV or JSON Lines file, one a row.

    The text stands in a column ``query``, ``query_text`` or ``text``; all other columns come out
    again beside the answers.

    Raises:
        UsageError: the file cannot be read, has no such column, or a row has no text.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no table of queries. Give a .csv or .jsonl file.")
    rows = read_table(path)
    for number, row in rows:
        if fault := row.get(FAULT):
            raise UsageError(f"{path}, line {number}: {fault}")
    names = {name for _, row in rows for name in row}
    column = next((name for name in QUERY_COLUMNS if name in names), None)
    if column is None:
        raise UsageError(f"{path} has no column {', '.join(QUERY_COLUMNS)}. Name one of them so.")
    queries = []
    for number, row in rows:
        text = str(row.get(column) or "").strip()
        if not text:
            raise UsageError(
                f"{path}, line {number}, has no text in the column {column!r}. Fill it."
            )
        about = {name: value for name, value in row.items() if name and name != column}
        queries.append(Query(text, about))
    return queries


class QueryMatches(Rows[Match]):
    """The answers to several queries, in their order, each best first.

    Attributes:
        query: how many there were, in words.
        queries: one for each match.
    """

    kind = "matches"

    def __init__(
        self, answers: Sequence[tuple[Query, Matches]], provenance: Mapping[str, Any]
    ) -> None:
        super().__init__([match for _, found in answers for match in found], provenance)
        self.query = f"{len(answers)} queries"
        self.queries = [query for query, found in answers for _ in found]

    def records(self) -> list[dict[str, Any]]:
        """Return query, what its table says of it, and rank, path, similarity of each match.

        Columns of the images come last, and none that is there already.
        """
        rows = []
        for query, match in zip(self.queries, self._rows, strict=True):
            own = {"rank": match.rank, "path": match.path, "similarity": match.similarity}
            row = {"query": query.text, **own, **match.terms}
            row |= {f"query_{n.removeprefix('query_')}": v for n, v in query.metadata.items()}
            rows.append(row | {n: v for n, v in match.metadata.items() if n not in row})
        return rows
