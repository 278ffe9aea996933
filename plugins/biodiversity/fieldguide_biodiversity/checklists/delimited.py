"""Columns of text out of delimited tables of any size, by Arrow's reader, part by part."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container

Wanted = Mapping[str, Sequence[str | int]]
"""What to call columns, by the names that they may have (lower case) or their places."""

BLOCK_BYTES = 8 * 2**20
"""Read at a time; no row may be longer."""
MAX_ROWS = 20_000_000
MAX_COLUMNS = 2_000
MAX_KEPT_BYTES = 6 * 2**30
"""Of the wanted columns; those of GBIF's backbone have some 700 MiB."""


@dataclass(frozen=True)
class Dialect:
    r"""How a table is written.

    Attributes:
        delimiter: one character.
        quote: one character, or empty.
        encoding: of the text.
        header_lines: lines before the first row, the names of columns included.
        names: of the columns; None to take them from the header.
        nulls: texts that stand for nothing.
        backslashes: whether ``\t``, ``\n`` and ``\\`` stand for what they do elsewhere.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header_lines: int = 1
    names: tuple[str, ...] | None = None
    nulls: tuple[str, ...] = ("",)
    backslashes: bool = False


@dataclass(frozen=True)
class Columns:
    """What was read.

    Attributes:
        table: the wanted columns, all of them text; those that the file lacks are null throughout.
        there: which of the wanted columns the file has.
        skipped: rows that have more or fewer cells than the table has columns.
        first_skipped: number of the first such row, from 1, headers not counted.
    """

    table: pa.Table
    there: frozenset[str]
    skipped: int = 0
    first_skipped: int | None = None


def read_columns(container: Container, name: str, dialect: Dialect, wanted: Wanted) -> Columns:
    """Return some columns of a table.

    Args:
        container: holds the file.
        name: of the file.
        dialect: how it is written.
        wanted: what to call a column, by the names it may have in the file, the surest first;
            capitals do not matter, nor does what stands before a colon or a slash. A number is
            a place among the columns.

    Raises:
        LoadError: it is no such table, is not text of that encoding, or a row is too long.
    """
    try:
        named = named_dialect(container, name, dialect)
        chosen = choose_columns(named.names or (), wanted)
        return _read(container, name, named, wanted, chosen) if chosen else _nothing(wanted)
    except (pa.ArrowException, csv.Error, UnicodeError, LookupError, OSError) as error:
        why = str(error).partition("\n")[0][:300]
        raise LoadError(
            f"it cannot be read at {name!r}: {why}. Check that it is the right table, and whole."
        ) from error


def sniffed(container: Container, name: str) -> Dialect:
    """Return how a table is written: by what parts its header; tabs come without quotes."""
    with container.open(name) as stream:
        line = stream.readline(2**20).decode("utf-8", "replace")
    delimiter = max(",\t;", key=line.count)
    return Dialect(delimiter=delimiter, quote="" if delimiter == "\t" else '"')


def named_dialect(container: Container, name: str, dialect: Dialect) -> Dialect:
    """Return a dialect with names of all columns: as described, else those of the header.

    A description may leave out the last ones.

    Raises:
        LoadError: there is no header, or it is too long.
    """
    if dialect.names is None:
        return replace(dialect, names=tuple(header(container, name, dialect)))
    first = _cells(container, name, dialect, dialect.header_lines + 1)
    more = range(len(dialect.names), len(first))
    return replace(dialect, names=(*dialect.names, *(f"#{place}" for place in more)))


def header(container: Container, name: str, dialect: Dialect) -> list[str]:
    """Return the names of a table's columns: its first line.

    Raises:
        LoadError: it has none, or it is too long.
    """
    return _cells(container, name, dialect, max(dialect.header_lines, 1))


def _cells(container: Container, name: str, dialect: Dialect, number: int) -> list[str]:
    """Return the cells of a line, from 1; of the last one where there are fewer."""
    line = b""
    with container.open(name) as stream:
        for _ in range(number):
            line = stream.readline(BLOCK_BYTES) or line
    text = line.decode(dialect.encoding).removeprefix("\ufeff").rstrip("\r\n")
    if dialect.quote:
        try:
            reader = csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote)
            cells = next(reader, [])
        except csv.Error as error:
            raise LoadError(
                f"it cannot be read at {name!r}, whose header is no line of a table: {error}."
            ) from error
    else:
        cells = text.split(dialect.delimiter)
    names = [cell.strip() for cell in cells]
    if not text or len(names) > MAX_COLUMNS:
        raise LoadError(f"it cannot be read at {name!r}, which has no header. Add one.")
    return names


def choose_columns(names: Sequence[str], wanted: Wanted) -> dict[str, int]:
    """Return the places of wanted columns among the names that a file has."""
    places: dict[str | int, int] = {place: place for place in range(len(names))}
    for place, name in enumerate(names):
        places.setdefault(plain_name(name), place)
    found = {
        key: next((places[alias] for alias in aliases if alias in places), None)
        for key, aliases in wanted.items()
    }
    return {key: place for key, place in found.items() if place is not None}


def plain_name(column: str) -> str:
    """Return a column's name without its vocabulary.

    >>> plain_name("dwc:taxonID"), plain_name("http://rs.tdwg.org/dwc/terms/taxonRank")
    ('taxonid', 'taxonrank')
    """
    name = column.strip().replace("#", "/").rpartition("/")[2].rpartition(":")[2]
    return name.lower().replace(" ", "_")


def _read(
    container: Container,
    name: str,
    dialect: Dialect,
    wanted: Wanted,
    chosen: Mapping[str, int],
) -> Columns:
    bad: list[int] = []

    def count(row: pacsv.InvalidRow) -> str:
        bad.append(row.number or 0)
        return "skip"

    with container.open(name) as stream:
        reader = open_table(stream, dialect, list(chosen.values()), count, BLOCK_BYTES)
        batches, rows, size = [], 0, 0
        for batch in reader:
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows > MAX_ROWS or size > MAX_KEPT_BYTES:
                raise LoadError(
                    f"it is longer than {MAX_ROWS} rows, or than {MAX_KEPT_BYTES >> 30} GiB, at "
                    f"{name!r}. It is no checklist."
                )
            batches.append(batch)
    table = pa.Table.from_batches(batches, reader.schema)
    columns = {
        key: _clean(table.column(str(chosen[key])), dialect)
        if key in chosen
        else pa.nulls(table.num_rows, pa.string())
        for key in wanted
    }
    first = bad[0] - dialect.header_lines if bad and bad[0] else None
    return Columns(pa.table(columns), frozenset(chosen), len(bad), first)


def open_table(
    stream: IO[bytes],
    dialect: Dialect,
    places: Sequence[int],
    on_bad: Callable[[pacsv.InvalidRow], str],
    block_bytes: int,
) -> pacsv.CSVStreamingReader:
    """Return a reader of some columns, as texts, part by part; each is called by its place.

    Args:
        stream: of the file, at its start.
        dialect: with the names of all columns.
        places: of the columns that are read.
        on_bad: is given rows with more or fewer cells, and says "skip" or "error".
        block_bytes: read at a time; no row may be longer.
    """
    codecs.lookup(dialect.encoding)
    inside = [str(place) for place in dict.fromkeys(places)]
    return pacsv.open_csv(
        stream,
        pacsv.ReadOptions(
            use_threads=False,  # so that rows have numbers
            block_size=block_bytes,
            skip_rows=dialect.header_lines,
            column_names=[str(place) for place in range(len(dialect.names or ()))],
            encoding=dialect.encoding,
        ),
        pacsv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=bool(dialect.quote),
            invalid_row_handler=on_bad,
        ),
        pacsv.ConvertOptions(
            include_columns=inside,
            column_types=dict.fromkeys(inside, pa.string()),
            null_values=list(dialect.nulls),
            strings_can_be_null=True,
        ),
    )


def _clean(column: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray:
    """Return texts without spaces around them; where nothing is left, null."""
    if dialect.backslashes and pc.any(pc.match_substring(column, "\\")).as_py():
        for written, meant in (("\\t", " "), ("\\n", " "), ("\\r", " "), ("\\\\", "\\")):
            column = pc.replace_substring(column, written, meant)
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _nothing(wanted: Wanted) -> Columns:
    return Columns(pa.table({key: pa.array([], pa.string()) for key in wanted}), frozenset())
