"""Finds tables of occurrences, in archives or alone, and reads them in parts, in bounded memory.

What is read: the simple download of GBIF, which holds lines with tabs and no quotes whatever its
ending says; Darwin Core archives by their meta.xml; and CSV with quotes, such as iNaturalist's
export.
"""

from __future__ import annotations

import contextlib
import csv
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa

from fieldguide.errors import LoadError, UsageError
from fieldguide_biodiversity.checklists.container import find_name, opened, read_small
from fieldguide_biodiversity.checklists.delimited import (
    Dialect,
    named_dialect,
    open_table,
    sniffed,
)
from fieldguide_biodiversity.checklists.meta_xml import NAME, DescribedTable, read_descriptor
from fieldguide_biodiversity.priors.columns import choose_columns

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow.csv as pacsv

    from fieldguide_biodiversity.checklists.container import Container

BLOCK_BYTES = 2 << 20
"""Read at once; a line must fit into it. Arrow reads up to 32 of them ahead."""
WRONG_LENGTH = "with another number of columns than the first line"

_ENDINGS = (".txt", ".tsv", ".csv")
_BESIDE = ("verbatim.txt", "multimedia.txt", "citations.txt", "rights.txt", "readme.txt")
_ROW_TYPE = "occurrence"


@dataclass(frozen=True)
class _File:
    """One file of a table of occurrences, how it is written, and what all of its rows have."""

    name: str
    dialect: Dialect
    defaults: Mapping[str, str]


def read_batches(path: Path, dropped: Counter[str]) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns of a table in parts, as texts, by what they hold.

    Args:
        path: a text file, packed by gzip or not, or a zip or folder with one.
        dropped: counts lines that cannot be read, by reason.

    Raises:
        UsageError: it is not there, cannot be read, or is no table of occurrences.
    """
    with _in_our_words(path), opened(path) as container:
        for file in _files(container):
            yield from _read(container, file, dropped)


def _read(
    container: Container, file: _File, dropped: Counter[str]
) -> Iterator[dict[str, pa.Array]]:
    dialect = replace(named_dialect(container, file.name, file.dialect), nulls=())
    names = list(dialect.names or ())
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    columns = choose_columns([*names, *(term for term in file.defaults if term not in places)])
    inside = sorted({places[name] for name in columns.values() if name in places})

    def skip(_row: pacsv.InvalidRow) -> str:
        dropped[WRONG_LENGTH] += 1
        return "skip"

    with container.open(file.name) as stream:
        for batch in open_table(stream, dialect, inside, skip, BLOCK_BYTES):
            if not batch.num_rows:  # a part may hold nothing but blank or wrong lines
                continue
            yield {
                thing: batch.column(str(places[name]))
                if name in places
                else pa.array([file.defaults[name]] * len(batch), pa.string())
                for thing, name in columns.items()
            }


def _files(container: Container) -> list[_File]:
    """Return the files of the table that a meta.xml describes, else the one that there is."""
    place = find_name(container, NAME)
    if place is None:
        name = _only_table(container)
        return [_File(name, sniffed(container, name), {})]
    folder = place[: -len(NAME)]
    descriptor = read_descriptor(read_small(container, place))
    for table in (descriptor.core, *descriptor.extensions):
        if table.row_type == _ROW_TYPE:
            return [_File(folder + name, table.dialect, _defaults(table)) for name in table.files]
    raise LoadError(
        f"it is an archive of {descriptor.core.row_type or 'nothing named'}, without occurrences. "
        "Name one of occurrences."
    )


def _defaults(table: DescribedTable) -> Mapping[str, str]:
    """Return what all rows have; terms with a column of their own have that alone."""
    own = table.dialect.names or ()
    return {term: value for term, value in table.defaults.items() if term not in own}


def _only_table(container: Container) -> str:
    names = container.names()
    if len(names) == 1:
        return names[0]
    tables = [
        name
        for name in names
        if (last := PurePosixPath(name.lower()).name).endswith(_ENDINGS) and last not in _BESIDE
    ]
    named = [name for name in tables if PurePosixPath(name.lower()).stem == _ROW_TYPE]
    found = named or tables
    if len(found) != 1:
        raise LoadError(
            f"it holds {len(found)} tables, and none of them is called occurrence.txt. Unpack it, "
            "and name the table of occurrences."
        )
    return found[0]


@contextlib.contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (LoadError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, pa.ArrowException, csv.Error, UnicodeError, LookupError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(
            f"{path}: it cannot be read as a table of occurrences ({reason}). Download it again."
        ) from error
