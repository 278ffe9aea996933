"""The store of an index on disk: vectors, metadata and thumbnails in one LanceDB table.

Every batch of rows is one commit of the table, so a kill loses at most the batch under way.
Searches scan all vectors exactly.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lancedb
import pyarrow as pa

from fieldguide.data.embedding_file import vector_array
from fieldguide.data.files import (
    atomic_path,
    exists,
    is_folder,
    is_link,
    only_writer,
    read_bounded,
    unwritten,
    utf8_text,
)
from fieldguide.errors import LoadError, StoreError, UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId, require_same_space
from fieldguide.retrieval.lance_filter import column_name, field_of, metadata_columns, to_lance
from fieldguide.retrieval.match_rows import MATCH_COLUMNS, make_match
from fieldguide.retrieval.panics import engine, silent_panics
from fieldguide.retrieval.where import parse_where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fieldguide.data.pipeline import Row
    from fieldguide.results import Match
    from fieldguide.retrieval.conditions import Condition

ABOUT_FILE = "index.json"
TABLE = "items"
FORMAT = 1
ALWAYS_LATEST = datetime.timedelta(0)
"""Look for commits of other processes before every read; what they remove is never asked for."""
KEEP_VERSIONS = datetime.timedelta(minutes=1)
"""Old versions stay this long for searches that run in other processes."""
_IDS_PER_DELETE = 500
_SQL_TYPES = {"b_": "boolean", "n_": "double", "t_": "string"}
MAX_ABOUT_BYTES = 2**20
ROWS_A_BATCH = 4096


class LanceIndex:
    """A folder of vectors of one space.

    Make one with :meth:`create`, open one with :func:`open_lance_index`.

    Attributes:
        folder: where it lives.
        space: the space of all its vectors.
        about: domain, modality and model it was made with.
    """

    def __init__(self, folder: Path, space: SpaceId, about: Mapping[str, Any], table: Any) -> None:
        self.folder = folder
        self.space = space
        self.about = about
        self._table = table
        self._stack = contextlib.ExitStack()

    @classmethod
    def create(cls, folder: Path, space: SpaceId, about: Mapping[str, Any]) -> LanceIndex:
        """Open the index of a folder, or make an empty one.

        Raises:
            SpaceMismatchError: the folder holds an index of another space.
            StoreError: the folder holds something else or cannot be written.
        """
        if exists(folder / ABOUT_FILE):
            index = open_lance_index(folder)
            require_same_space(index.space, space, f"The index {folder}")
            return index
        if exists(folder) and not _is_free(folder):
            raise StoreError(f"{folder} exists and is not an index. Name a new folder.")
        content = {"format": FORMAT, "space": space.model_dump(), **about}
        with atomic_path(folder / ABOUT_FILE) as temporary:
            temporary.write_text(json.dumps(content, indent=2), "utf-8")
        return open_lance_index(folder)

    def __enter__(self) -> LanceIndex:
        """Take the lock for writing."""
        self._stack.enter_context(only_writer(self.folder / ".lock", self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._stack.close()

    def __len__(self) -> int:
        """Return the number of rows."""
        with engine(self.folder):
            return int(self._table.count_rows())

    def known(self) -> dict[str, str]:
        """Return the fingerprint of every row by id."""
        with engine(self.folder):
            query = self._table.search().select(["id", "fingerprint"]).limit(len(self) or 1)
            table = query.to_arrow()
        ids, prints = table["id"].to_pylist(), table["fingerprint"].to_pylist()
        return dict(zip(ids, prints, strict=True))

    def add(self, rows: Sequence[Row], fingerprints: Sequence[str], vectors: Embeddings) -> None:
        """Commit rows in one step; a row whose id is there takes its place.

        Raises:
            SpaceMismatchError: the vectors are of another space.
            StoreError: the disk is full, or the folder cannot be written.
        """
        require_same_space(self.space, vectors.space, f"The index {self.folder}")
        filters = [metadata_columns(row.metadata) for row in rows]
        data: dict[str, Any] = {
            "id": [utf8_text(row.item.id) for row in rows],
            "path": [utf8_text(row.item.name) for row in rows],
            "vector": vector_array(vectors),
            "fingerprint": list(fingerprints),
            "metadata": [json.dumps(row.metadata, default=str) for row in rows],
            "thumbnail": [row.thumbnail for row in rows],
        }
        with engine(self.folder):
            self._widen({name for columns in filters for name in columns})
            schema = self._table.schema
            for name in schema.names:
                if name not in data:
                    data[name] = [columns.get(name) for columns in filters]
            batch = pa.table({name: data[name] for name in schema.names}, schema=schema)
            merge = self._table.merge_insert("id")
            merge.when_matched_update_all().when_not_matched_insert_all().execute(batch)

    def delete(self, ids: Iterable[str] = (), *, where: str | None = None) -> int:
        """Remove rows by id or by a where expression; return how many went.

        Raises:
            WhereError: the expression cannot be read.
        """
        before = len(self)
        names = ["'" + utf8_text(name).replace("'", "''") + "'" for name in ids]
        condition = None if where is None else self._filter(parse_where(where))
        with engine(self.folder):
            for start in range(0, len(names), _IDS_PER_DELETE):
                some = ", ".join(names[start : start + _IDS_PER_DELETE])
                self._table.delete(f"id IN ({some})")
            if condition is not None:
                self._table.delete(condition)
        return before - len(self)

    def search(
        self, query: Embeddings, k: int = 10, where: str | Condition | None = None
    ) -> list[Match]:
        """Return the k rows nearest to a query, best first; an exact scan.

        Args:
            query: one vector of the index's space.
            k: how many; fewer come when fewer fit.
            where: a filter on metadata, applied before the k best are taken.

        Raises:
            SpaceMismatchError: the query is of another space; both are named.
            WhereError: the filter cannot be read.
        """
        self.check_query(query, k)
        parsed = parse_where(where) if isinstance(where, str) else where
        condition = None if parsed is None else self._filter(parsed)
        with engine(self.folder):
            scan = self._table.search(query.vectors[0], vector_column_name="vector")
            scan = scan.distance_type("dot").bypass_vector_index().limit(k)
            scan = scan.select([*MATCH_COLUMNS, "_distance"])
            if condition is not None:
                scan = scan.where(condition, prefilter=True)
            rows = scan.to_list()
            rows.sort(key=lambda row: (row["_distance"], row["id"]))
            return [
                make_match(row, rank, 1.0 - row["_distance"])
                for rank, row in enumerate(rows, start=1)
            ]

    def check_query(self, query: Embeddings, k: int) -> None:
        """Raise SpaceMismatchError or UsageError unless one vector of this space asks for rows."""
        require_same_space(self.space, query.space, f"The index {self.folder}")
        if len(query) != 1:
            raise UsageError(f"{len(query)} query vectors where one belongs. Search one by one.")
        if k < 1:
            raise UsageError(f"k is {k}. Ask for one result or more.")

    def count(self, condition: Condition) -> int:
        """Return how many rows satisfy a condition."""
        with engine(self.folder):
            return int(self._table.count_rows(self._filter(condition)))

    def fields(self, kind: str) -> tuple[str, ...]:
        """Return the metadata keys that hold values of a kind: "boolean", "number" or "text"."""
        with engine(self.folder):
            known = map(field_of, self._table.schema.names)
            return tuple(each[0] for each in known if each is not None and each[1] == kind)

    def texts(self, field: str) -> Counter[str]:
        """Return every text of a metadata key with the number of rows that have it."""
        found: Counter[str] = Counter()
        for batch in self.scan([column_name(field, "text")]):
            found.update(text for text in batch.column(0).to_pylist() if text is not None)
        return found

    def snapshot(self) -> LanceIndex:
        """Return the index as it is now, for reading: later commits do not change it."""
        table = _table_of(self.folder, self.space)
        with engine(self.folder):
            table.checkout(table.version)
        return LanceIndex(self.folder, self.space, self.about, table)

    def commit(self) -> str:
        """Return the number and time of the last commit; every change of the rows makes another."""
        with engine(self.folder):
            number = self._table.version
            times = {each["version"]: each["timestamp"] for each in self._table.list_versions()}
        return f"{number} {times.get(number)}"

    def scan(
        self, columns: Sequence[str], condition: Condition | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the columns of all rows, or of those that fit, in batches of bounded size."""
        with engine(self.folder):
            rows = self._table.search().select(list(columns))
            if condition is not None:
                rows = rows.where(self._filter(condition))
            yield from rows.to_batches(ROWS_A_BATCH)

    def vectors(self) -> tuple[list[str], Embeddings]:
        """Return all ids and vectors, in the order of the table."""
        with engine(self.folder):
            table = self._table.to_arrow().select(["id", "vector"])
            flat = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return table["id"].to_pylist(), Embeddings(flat.reshape(-1, self.space.dim), self.space)

    def compact(self) -> None:
        """Merge small fragments and remove old versions, which would double the disk use."""
        with engine(self.folder):
            self._table.optimize(cleanup_older_than=KEEP_VERSIONS)

    def _filter(self, condition: Condition) -> str:
        with engine(self.folder):
            return to_lance(condition, frozenset(self._table.schema.names))

    def _widen(self, names: set[str]) -> None:
        """Add the metadata columns that the table does not have yet."""
        new = sorted(names - set(self._table.schema.names))
        if new:
            self._table.add_columns({n: f"cast(NULL as {_SQL_TYPES[n[:2]]})" for n in new})


def open_lance_index(folder: str | Path) -> LanceIndex:
    """Open an index that ``fieldguide index`` made.

    Raises:
        StoreError: there is none, or it is broken.
    """
    folder = Path(folder)
    if not exists(folder / ABOUT_FILE):
        raise StoreError(
            f"{folder} is not an index. Make one: fieldguide index IMAGES --output {folder}"
        )
    try:
        content = read_bounded(folder / ABOUT_FILE, MAX_ABOUT_BYTES)
        about = dict(json.loads(content.decode("utf-8")))
        space = SpaceId.model_validate(about.pop("space"))
    except (LoadError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{folder / ABOUT_FILE} cannot be read: {error}. Index the images again."
        ) from error
    if about.get("format") != FORMAT:
        raise StoreError(
            f"{folder} has format {about.get('format')}, this fieldguide reads {FORMAT}. "
            "Run: pip install --upgrade fieldguide"
        )
    return LanceIndex(folder, space, about, _table_of(folder, space))


def _is_free(folder: Path) -> bool:
    """Return whether an index can be made there: nothing but what a killed job left."""
    try:
        return is_folder(folder) and all(path.name.startswith(".") for path in folder.iterdir())
    except OSError as error:
        raise unwritten(folder, error) from error


def _table_of(folder: Path, space: SpaceId) -> Any:
    table = folder / f"{TABLE}.lance"
    for path in (table, *table.rglob("*")):
        if is_link(path):  # what is added would be written elsewhere
            raise StoreError(f"{path} is a link, which no index holds. Name another index.")
        if exists(path) and not path.is_file() and not path.is_dir():  # it would be waited for
            raise StoreError(f"{path} is no file. Name another index.")
    with engine(folder), silent_panics():
        database = lancedb.connect(str(folder), read_consistency_interval=ALWAYS_LATEST)
        if any((table / "_versions").glob("*.manifest")):
            return database.open_table(TABLE)
        return database.create_table(TABLE, schema=_schema(space))  # also where a kill left a stub


def _schema(space: SpaceId) -> pa.Schema:
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            ("path", pa.string()),
            ("vector", pa.list_(pa.float32(), space.dim)),
            ("fingerprint", pa.string()),
            ("metadata", pa.string()),
            ("thumbnail", pa.binary()),
        ]
    )
