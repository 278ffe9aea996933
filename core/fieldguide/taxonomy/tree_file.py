"""A tree as one file, ``NAME.tree``: Arrow IPC, mapped into memory when it is read.

One row a taxon in the tree's order; its other names are a list in its row. Any reader of Arrow
files opens it. What the columns mean is noted in the schema's metadata, with a version.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fieldguide.data.files import atomic_path, require_file
from fieldguide.errors import LoadError, UsageError
from fieldguide.taxonomy.tree import NO_PARENT, OTHER_NAMES, UNRANKED, Tree, TreeInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIX = ".tree"
FORMAT, VERSION = "fieldguide-tree", 1
METADATA_KEY = b"fieldguide"
MAGIC = b"ARROW1"
MAX_DEPTH = 1000
"""Taxa above each other; the deepest published checklists have some 40."""

_OTHER = pa.list_(
    pa.struct(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("language", pa.string(), nullable=False),
        ]
    )
)
SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("rank", pa.int8(), nullable=False),
        pa.field("parent", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("authorship", pa.string(), nullable=False),
        pa.field("other_names", _OTHER, nullable=False),
    ]
)
"""Of the file's one batch; rank is a place in the ranks of the metadata, -1 for none."""
_BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a damaged file raises."""


def write_tree(tree: Tree, path: Path) -> None:
    """Write a tree; the file is there whole or not at all.

    Args:
        tree: any.
        path: ends with ``.tree``.

    Raises:
        UsageError: the path does not end so.
        StoreError: the file cannot be written.
    """
    require_suffix(path)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "ranks": tree.ranks,
        "info": asdict(tree.info),
    }
    columns = [
        tree.names,
        pa.array(tree.rank_codes, pa.int8()),
        pa.array(tree.parents, pa.int32()),
        pa.array(tree.ends, pa.int32()),
        tree.ids,
        tree.authorships,
        _listed(tree),
    ]
    schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(about, ensure_ascii=False).encode()})
    batch = pa.record_batch(columns, schema=schema)
    with atomic_path(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        writer.write_batch(batch)


def require_suffix(path: Path) -> None:
    """Raise UsageError unless a path ends with ``.tree``."""
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{path} does not end with {SUFFIX}. Choose another --output.")


def is_tree_file(path: Path) -> bool:
    """Return whether a file begins as one written by :func:`write_tree` does; never raises."""
    try:
        require_file(path)
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except (OSError, LoadError):
        return False


def read_tree(path: Path) -> Tree:
    """Return the tree of a file; its columns stay on disk until they are looked at.

    Everything is checked before: that the file is whole, that texts are texts, and that parents
    and ends make a tree, so that a damaged file is an error and never a wrong lineage.

    Raises:
        UsageError: there is no such file, it is damaged, or no tree, or of a later version.
    """
    try:
        require_file(path)
        with pa.memory_map(str(path)) as mapped:
            table = pa.ipc.open_file(mapped).read_all().combine_chunks()
        about = _about(table.schema)
        if table.schema.remove_metadata() != SCHEMA:
            raise ValueError("other columns")
        table.validate(full=True)
        tree = _tree(table, about)
        _check(tree)
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path} {error}") from error
    except _BROKEN as error:
        raise UsageError(
            f"{path} is no tree, or it is damaged ({type(error).__name__}: {_first_line(error)}). "
            "Build it again from its source."
        ) from error
    return tree


def _about(schema: pa.Schema) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((schema.metadata or {})[METADATA_KEY])
    if about["format"] != FORMAT:
        raise ValueError("another format")
    if about["version"] > VERSION:
        raise UsageError(
            f"was written by a newer fieldguide (format {about['version']}, this one reads up to "
            f"{VERSION}). Run: pip install --upgrade fieldguide"
        )
    return about


def _tree(table: pa.Table, about: dict[str, Any]) -> Tree:
    columns = {name: _array(table.column(name)) for name in table.column_names}
    lists = columns["other_names"]
    counts = np.diff(lists.offsets.to_numpy())
    names = lists.flatten()
    nodes = np.repeat(np.arange(len(lists), dtype=np.int32), counts)
    other_names = pa.Table.from_arrays(
        [names.field("name"), pa.array(nodes), names.field("kind"), names.field("language")],
        schema=OTHER_NAMES,
    )
    return Tree(
        info=TreeInfo(**{name: str(value) for name, value in about["info"].items()}),
        ranks=tuple(map(str, about["ranks"])),
        names=columns["name"],
        rank_codes=columns["rank"].to_numpy(),
        parents=columns["parent"].to_numpy(),
        ends=columns["end"].to_numpy(),
        ids=columns["id"],
        authorships=columns["authorship"],
        other_names=other_names,
    )


def _check(tree: Tree) -> None:
    """Raise ValueError unless parents and ends make a tree in depth-first order.

    Each subtree must lie within its parent's, which makes it at least as large as it should be;
    that all sizes together are what the depths say then makes each exactly so.
    """
    places = np.arange(len(tree))
    if np.any((tree.parents < NO_PARENT) | (tree.parents >= places)):
        raise ValueError("a parent stands behind its child")
    if np.any((tree.rank_codes < UNRANKED) | (tree.rank_codes >= len(tree.ranks))):
        raise ValueError("a rank that is not listed")
    below = tree.parents != NO_PARENT
    limits = np.where(below, tree.ends[tree.parents], len(tree))
    if np.any((tree.ends <= places) | (tree.ends > limits)):
        raise ValueError("a taxon ends outside its parent")
    if int((tree.ends - places).sum()) != _sum_of_depths(tree.parents):
        raise ValueError("subtrees do not fit together")


def _sum_of_depths(parents: NDArray[np.int32]) -> int:
    """Return how many taxa stand above all taxa, themselves included."""
    total, above = 0, np.arange(len(parents), dtype=np.int32)
    for _ in range(MAX_DEPTH):
        if not len(above):
            return total
        total += len(above)
        above = parents[above]
        above = above[above != NO_PARENT]
    raise ValueError(f"deeper than {MAX_DEPTH} taxa")


def _listed(tree: Tree) -> pa.ListArray:
    """Return the other names of each taxon as a list."""
    counts = np.bincount(tree.other_names.column("node").to_numpy(), minlength=len(tree))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    columns = [_array(tree.other_names.column(field.name)) for field in _OTHER.value_type]
    names = pa.StructArray.from_arrays(columns, fields=list(_OTHER.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names, type=_OTHER)


def _array(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
