"""``sources.parquet``: which file an id means; private, and never part of a result."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import atomic_path, exists, require_file, unwritten, utf8_text
from fieldguide.errors import LoadError, StoreError
from fieldguide.privacy.salt import OTHERS, SECONDS_TO_WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = "sources.parquet"
_MARK = b"fieldguide_sources"
_SCHEMA = pa.schema(
    [("id", pa.string()), ("path", pa.string()), ("columns", pa.string())],
    metadata={_MARK: b"1"},
)


@dataclass(frozen=True, slots=True)
class Source:
    """What an id stands for.

    Attributes:
        path: absolute, links resolved; or what the manifest calls the row.
        columns: what the manifest says of it and is not shown.
    """

    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def state_sources() -> Path:
    """Return where the map of results is kept that only go to the screen: with the user's state.

    ``$XDG_STATE_HOME/fieldguide``, else ``~/.local/state/fieldguide``.
    """
    base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    return (base / "fieldguide" / SOURCES).expanduser().absolute()


def read_sources(path: Path) -> dict[str, Source]:
    """Return what the ids of a file mean; nothing where there is no file.

    Raises:
        StoreError: it is another file, or damaged.
    """
    if not exists(path):
        return {}
    try:
        require_file(path)
        table = pq.read_table(path)
        if _MARK not in (table.schema.metadata or {}):
            raise ValueError("it was not written by fieldguide")
        rows = table.select(_SCHEMA.names).to_pylist()
        return {row["id"]: Source(row["path"], json.loads(row["columns"])) for row in rows}
    except (OSError, LoadError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is no list of sources ({type(error).__name__}), and this name is kept for "
            "one. Move it away, or choose another folder for the --output."
        ) from error


def add_sources(path: Path, new: Mapping[str, Source]) -> None:
    """Merge what ids mean into a file that only the user may read.

    Raises:
        StoreError: an id would mean two files; the file is another's, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.parent / f".{path.name}.lock"
        with filelock.FileLock(lock, timeout=SECONDS_TO_WAIT, mode=0o600):
            known = read_sources(path)
            merged = merge(known, new)
            if merged != known:
                _write(path, merged)
            elif exists(path) and path.stat().st_mode & OTHERS:
                path.chmod(0o600)
    except filelock.Timeout as error:
        raise StoreError(f"{path} is held by another process. Wait until it is done.") from error
    except OSError as error:
        raise unwritten(path, error) from error


def merge(known: Mapping[str, Source], new: Mapping[str, Source]) -> dict[str, Source]:
    """Return both; of an id in both the columns are joined.

    Raises:
        StoreError: an id would mean two files.
    """
    merged = dict(known)
    for name, source in new.items():
        before = merged.get(name, source)
        if before.path != source.path:
            raise StoreError(
                f"Two sources would have the id {name}. Choose another salt: FIELDGUIDE_SALT_FILE "
                "names its file."
            )
        merged[name] = Source(source.path, {**before.columns, **source.columns})
    return merged


def _write(path: Path, sources: Mapping[str, Source]) -> None:
    table = pa.table(
        {
            "id": list(sources),
            "path": [utf8_text(source.path) for source in sources.values()],
            "columns": [json.dumps(dict(s.columns), default=str) for s in sources.values()],
        },
        schema=_SCHEMA,
    )
    with atomic_path(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        pq.write_table(table, temporary)
