"""Tables that people keep: CSV, TSV and Parquet, with parents or with a column for each rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fieldguide.errors import ContractError, LoadError
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide_biodiversity.checklists.checklist import (
    USAGE_ALIASES,
    USAGES,
    VERNACULARS,
    Checklist,
    text_table,
)
from fieldguide_biodiversity.checklists.container import Alone
from fieldguide_biodiversity.checklists.delimited import (
    MAX_ROWS,
    Columns,
    Wanted,
    choose_columns,
    header,
    read_columns,
    sniffed,
)
from fieldguide_biodiversity.checklists.lineages import HIGHER_RANKS, lineage_aliases, lineages_of
from fieldguide_biodiversity.checklists.names import parse_name
from fieldguide_biodiversity.checklists.ranks import SPECIES
from fieldguide_biodiversity.checklists.unread import Unread
from fieldguide_biodiversity.taxa import ALIASES, clean, taxon_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide_biodiversity.checklists.container import Container

MAX_PARQUET_BYTES = 4 * 2**30
BATCH_ROWS = 4096
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet")
_PARTS = ("species", "scientific_name", "common_name")
_RANKED: Wanted = {**lineage_aliases(), **{part: ALIASES[part] for part in _PARTS}}


def is_parent_table(container: Container) -> bool:
    """Return whether the one table has a column of parents."""
    names = _header(container)
    return "parent_id" in choose_columns(names, USAGE_ALIASES)


def is_rank_table(container: Container) -> bool:
    """Return whether the one table has a column of a rank, or of species."""
    found = choose_columns(_header(container), _RANKED)
    return any(name in found for name in (*HIGHER_RANKS, "species", "scientific_name"))


def read_parent_table(container: Container) -> Checklist:
    """Read rows with an id, a parent, a name and a rank; without ids, names are ids.

    Raises:
        LoadError: it is damaged, or no such table.
    """
    unread = Unread()
    name = _name(container)
    rows = unread.taken(name, _read(container, name, {**USAGE_ALIASES, **lineage_aliases()}))
    columns = {key: rows.column(key) for key in USAGES}
    named = pc.coalesce(columns["name"], columns["full_name"])
    if columns["id"].null_count == len(named):
        columns["id"] = named
    if not pc.any(pc.is_valid(columns["parent_id"])).as_py() and lineages_of(rows).num_columns:
        lineages = lineages_of(rows)
    else:
        lineages = None
    return Checklist(
        _info(container), text_table(USAGES, columns), lineages=lineages, unread=unread.counts
    )


def read_rank_table(container: Container) -> Checklist:
    """Read rows with one column a rank, as tables of images have them; equal rows count once.

    Columns are understood as in :func:`fieldguide_biodiversity.taxa.taxon_metadata`, and those of
    other ranks, such as tribe, as they stand. The common names' language is not known. Where each
    row has a name with its rank, as in GBIF's lists of species, rows are usages.

    Raises:
        LoadError: it is damaged, or no such table.
    """
    if {"full_name", "rank"} <= set(choose_columns(_header(container), USAGE_ALIASES)):
        return _read_named_ranks(container)
    unread = Unread()
    name = _name(container)
    rows = unread.taken(name, _read(container, name, _RANKED))
    rows = rows.group_by(rows.column_names, use_threads=False).aggregate([])
    records, common = [], []
    for row in _known_values(rows):
        try:
            record = _record(row)
        except ContractError as error:
            what = f"rows of {name} that contradict themselves ({error})"
            unread.counts[what] = unread.counts.get(what, 0) + 1
            continue
        if not record:
            continue
        text = clean(row.get("scientific_name"))
        if text and SPECIES not in record and parse_name(text).canonical not in record.values():
            what = f"names of one word in {name}, whose rank no column says"
            unread.counts[what] = unread.counts.get(what, 0) + 1
        records.append(record)
        common.append(clean(row.get("common_name")) or None)
    ids = pa.array([str(place) for place in range(len(records))], pa.string())
    ranks = [*HIGHER_RANKS, SPECIES]
    lineages = text_table(
        ranks, {rank: pa.array([each.get(rank) for each in records], pa.string()) for rank in ranks}
    )
    names = text_table(VERNACULARS, {"id": ids, "name": pa.array(common, pa.string())})
    return Checklist(
        info=_info(container),
        usages=text_table(USAGES, {"id": ids}),
        vernaculars=names.filter(pc.is_valid(names.column("name"))),
        lineages=lineages_of(lineages),
        unread=unread.counts,
    )


def _read_named_ranks(container: Container) -> Checklist:
    unread = Unread()
    name = _name(container)
    rows = unread.taken(name, _read(container, name, {**USAGE_ALIASES, **lineage_aliases()}))
    columns = {key: rows.column(key) for key in USAGES}
    if columns["id"].null_count:
        columns["id"] = pa.array([str(number) for number in range(rows.num_rows)], pa.string())
    usages = text_table(USAGES, columns)
    return Checklist(_info(container), usages, lineages=lineages_of(rows), unread=unread.counts)


def _known_values(rows: pa.Table) -> Iterator[dict[str, str]]:
    """Yield what stands in each row; a text that stands in many is kept once."""
    once: dict[str, str] = {}
    there = [name for name in rows.column_names if rows.column(name).null_count < rows.num_rows]
    for batch in rows.select(there).to_batches(BATCH_ROWS):
        for row in batch.to_pylist():
            yield {key: once.setdefault(text, text) for key, text in row.items() if text}


def _record(row: dict[str, str]) -> dict[str, str]:
    """Return the names of a row by rank, a species as its binomial.

    A scientific name of one word says nothing of its rank, unless it ends with sp. or cf.
    """
    parsed = parse_name(clean(row.get("scientific_name")))
    if " " not in parsed.canonical and not parsed.qualifier:
        row = {key: text for key, text in row.items() if key != "scientific_name"}
    found = taxon_metadata({"class_" if key == "class" else key: row[key] for key in row})
    record = {rank: name for rank in HIGHER_RANKS if rank in row and (name := clean(row[rank]))}
    record |= {rank: found[rank] for rank in HIGHER_RANKS if rank in found}
    if SPECIES in found and "genus" in found:
        record[SPECIES] = f"{found['genus']} {found[SPECIES]}"
    elif text := clean(row.get("species")):
        record[SPECIES] = text  # nothing is dropped for a genus that is not known
    return record


def _read(container: Container, name: str, wanted: Wanted) -> Columns:
    if name.lower().endswith(".parquet"):
        return _read_parquet(container, wanted)
    return read_columns(container, name, sniffed(container, name), wanted)


def _read_parquet(container: Container, wanted: Wanted) -> Columns:
    try:
        file = pq.ParquetFile(container.path, memory_map=True)
        if file.metadata.num_rows > MAX_ROWS:
            raise LoadError(f"it is longer than {MAX_ROWS} rows. It is no checklist.")
        names = file.schema_arrow.names
        chosen = choose_columns(names, wanted)
        found = _bounded(file, [names[place] for place in chosen.values()])
        columns = {
            key: pc.utf8_trim_whitespace(found.column(names[place]).cast(pa.string()))
            for key, place in chosen.items()
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LoadError(f"it is no Parquet table, or a damaged one ({error}).") from error
    return Columns(text_table(list(wanted), columns), frozenset(chosen))


def _bounded(file: pq.ParquetFile, columns: list[str]) -> pa.Table:
    """Return columns read part by part: a dictionary of long texts unpacks to any size."""
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
        size += batch.nbytes
        if size > MAX_PARQUET_BYTES:
            raise LoadError(f"it is larger than {MAX_PARQUET_BYTES >> 30} GiB unpacked.")
        batches.append(batch)
    schema = pa.schema([file.schema_arrow.field(name) for name in dict.fromkeys(columns)])
    return pa.Table.from_batches(batches, None if batches else schema)


def _header(container: Container) -> list[str]:
    try:
        name = _name(container)
        if name.lower().endswith(".parquet"):
            return list(pq.read_schema(container.path).names)
        return header(container, name, sniffed(container, name))
    except (LoadError, UnicodeError, pa.ArrowException, OSError, ValueError):
        return []


def _name(container: Container) -> str:
    """Return the one table that there is."""
    names = [name for name in container.names() if name.lower().endswith(SUFFIXES)]
    if isinstance(container, Alone) and not names:
        names = container.names()
    if len(names) != 1:
        raise LoadError(f"it holds {len(names)} tables, and it is not clear which is meant.")
    if names[0].lower().endswith(".parquet") and not isinstance(container, Alone):
        raise LoadError("it is an archive of Parquet. Unpack it, and name the file.")
    return names[0]


def _info(container: Container) -> TreeInfo:
    return TreeInfo(container.path.name)
