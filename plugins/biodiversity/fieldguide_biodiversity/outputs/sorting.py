"""Which picture goes into which folder, by a table that ``classify`` wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import exists
from fieldguide.data.inputs import items_of_rows
from fieldguide.data.manifests import MANIFEST_SUFFIXES, path_column, read_table
from fieldguide.errors import UsageError
from fieldguide.results import NONE_OF_THESE
from fieldguide_biodiversity.checklists.ranks import RANK_ORDER
from fieldguide_biodiversity.outputs.folder_names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fieldguide.data.inputs import Item

NONE_FOLDER = "_none of these"
UNSURE_FOLDER = "_unsure"
"""Names of taxa never begin so: see :func:`safe_name`."""
LEFT_OUT = "left out"
FAILED = "failed"
NEEDED = ("label", "status")
SORTED_SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Wish:
    """Where one row wants its picture.

    Attributes:
        path: as the table writes it.
        source: the picture; None where the row is left out, or where its picture is not found.
        folder: below the output, from wide to narrow.
        label: what was named.
        probability: of it; None where there is none.
        why: why there is no source.
    """

    path: str
    source: Path | None
    folder: tuple[str, ...]
    label: str
    probability: float | None
    why: str = ""

    @property
    def no_source(self) -> str:
        """What a log calls a row without a source: only one that was named should have one."""
        return FAILED if self.label else LEFT_OUT


@dataclass(frozen=True)
class Layout:
    """Which folder belongs to which answer.

    Attributes:
        rank: one level of folders, by the taxon of this rank; None for the whole lineage.
        min_probability: answers below it go into UNSURE_FOLDER.
    """

    rank: str | None = None
    min_probability: float = 0.0

    def folder(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the folder of a row that was classified, from wide to narrow."""
        label = str(row["label"])
        if label == NONE_OF_THESE:
            return (NONE_FOLDER,)
        probability = number_of(row.get("probability"))
        if probability is None or probability < self.min_probability:
            return (UNSURE_FOLDER,)
        lineage = {rank: str(row[rank]) for rank in RANK_ORDER if row.get(rank) not in (None, "")}
        if self.rank is not None:
            name = lineage.get(self.rank)
            return (safe_name(name),) if name else (f"_no {safe_name(self.rank)}",)
        names = [*lineage.values(), *([label] if label not in lineage.values() else [])]
        return tuple(map(safe_name, names))


def read_wishes(table: Path, layout: Layout, roots: Sequence[Path] = ()) -> list[Wish]:
    """Return where the rows of a table want their pictures, each once a folder.

    The best answer of each row counts.

    Args:
        table: CSV, JSON Lines or Parquet of ``classify -o``.
        layout: of the folders.
        roots: folders that the table may name files of, beside its own and the current one.

    Raises:
        UsageError: it is no such table, or has no taxon of the rank.
    """
    rows = list(_best_rows(table))
    _check(table, [row for _, row in rows], layout)
    items = items_of_rows(table, rows, roots)
    search = _Search(
        table.parent, tuple(whole(folder) for folder in (table.parent, Path(), *roots))
    )
    pairs = zip(items, rows, strict=True)
    wishes = [_wish(item, row, layout, search) for item, (_, row) in pairs]
    return list({_place_of(wish, number): wish for number, wish in enumerate(wishes)}.values())


def _place_of(wish: Wish, number: int) -> object:
    """Return what two wishes share where one placing fulfils both: animals of one kind."""
    return number if wish.source is None else (wish.source, wish.folder)


@dataclass(frozen=True, slots=True)
class _Search:
    """Where the pictures of a table may be.

    Attributes:
        beside: the folder of the table.
        allowed: folders of which it may name files.
    """

    beside: Path
    allowed: tuple[Path, ...]

    def find(self, path: str) -> list[Path]:
        """Return the pictures that a path may mean: from the table, and from the current folder."""
        meant = dict.fromkeys((whole(self.beside / path), whole(Path(path))))
        inside = [p for p in meant if any(p.is_relative_to(folder) for folder in self.allowed)]
        return [p for p in inside if exists(p)]


def _best_rows(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in _rows(table):
        if row.get("rank") in (None, "", 1):
            yield number, row


def _rows(table: Path) -> list[tuple[int, dict[str, Any]]]:
    suffix = table.suffix.lower()
    if suffix not in SORTED_SUFFIXES:
        raise UsageError(
            f"{table} is no table that can be sorted by. Name one of 'classify -o': "
            f"{' '.join(SORTED_SUFFIXES)}"
        )
    if suffix in MANIFEST_SUFFIXES:
        return read_table(table)
    try:
        rows = pq.read_table(table).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{table} cannot be read as Parquet ({error}). Write it again: "
            f"fieldguide classify ... -o {table.name}"
        ) from error
    return list(enumerate(rows, start=1))


def _check(table: Path, rows: Sequence[Mapping[str, Any]], layout: Layout) -> None:
    """Refuse a table that says no answers, before anything is copied."""
    known = {name for row in rows for name in row}
    if missing := [name for name in NEEDED if name not in known]:
        raise UsageError(
            f"{table} has no column {', '.join(missing)}: it is no table of predictions. Write one "
            "first: fieldguide classify photos/ --domain biodiversity --clade Animalia -o found.csv"
        )
    if not any(path_column(row) for row in rows):
        raise UsageError(f"{table} names no pictures. Name a table of 'classify -o'.")
    if layout.rank is not None and layout.rank not in known:
        has = [rank for rank in RANK_ORDER if rank in known]
        raise UsageError(
            f"{table} has no column {layout.rank!r}. It has: {', '.join(has) or 'no ranks'}."
        )


def _wish(item: Item, row: Mapping[str, Any], layout: Layout, search: _Search) -> Wish:
    column = path_column(row)
    path = item.name if column is None else str(row[column])
    label, probability = str(row.get("label") or ""), number_of(row.get("probability"))
    if not label:
        why = ": ".join(str(row[name]) for name in ("status", "reason") if row.get(name))
        return Wish(path, None, (), label, probability, why or item.fault or "it names nothing")
    found = [] if column is None else search.find(path)
    if len(found) > 1 and not found[0].samefile(found[1]):
        why = f"it may be {found[0]} or {found[1]}. Run this in another folder."
        return Wish(path, None, (), label, probability, why)
    if not found:
        nowhere = f"no such file, neither from {search.beside} nor from the current folder."
        return Wish(path, None, (), label, probability, item.fault or nowhere)
    return Wish(path, found[0], layout.folder(row), label, probability)


def number_of(value: Any) -> float | None:
    """Return a finite number that is none of the truth values, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None


def whole(path: Path) -> Path:
    """Return an absolute path without ``..``; links stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
