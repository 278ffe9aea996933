"""From a table of taxa and their parents to a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import UsageError
from fieldguide.taxonomy.order import depth_first
from fieldguide.taxonomy.tree import OTHER_NAMES, Tree, TreeInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NAMED = 3
"""How many rows a complaint names."""


def build_tree(
    table: pa.Table, info: TreeInfo, ranks: Sequence[str], other_names: pa.Table | None = None
) -> Tree:
    """Return the tree of a table with one row a taxon.

    Args:
        table: columns ``id``, ``parent_id`` (null of roots), ``name``, ``rank`` (null or not in
            ``ranks``: unranked) and, where authors are known, ``authorship``; all of them text.
        info: where it comes from.
        ranks: wide to narrow.
        other_names: columns ``name``, ``id`` of the taxon, ``kind`` and ``language``.

    Raises:
        UsageError: an id stands twice, a parent or taxon is not there, or parents form a circle.
    """
    ids = _texts(table, "id")
    doubled = _doubled(ids)
    if len(doubled):
        raise UsageError(f"Several rows have the same id: {_some(doubled)}. Give each its own.")
    parent_ids = _texts(table, "parent_id")
    parents = _places(parent_ids, ids)
    lost = pc.filter(parent_ids, pa.array((parents < 0) & _known(parent_ids)))
    if len(lost):
        raise UsageError(
            f"{len(lost)} rows name a parent that has no row: {_some(lost)}. Add its row, or leave "
            "parent_id empty for a root."
        )
    order, new_parents, ends = depth_first(parents)
    if len(order) < len(ids):
        missing = np.setdiff1d(np.arange(len(ids)), order)
        raise UsageError(
            f"{len(missing)} rows hang on a circle of parents, such as the id "
            f"{ids[int(missing[0])].as_py()}. Correct its parent_id."
        )
    authorship = "authorship" if "authorship" in table.column_names else None
    return Tree(
        info=info,
        ranks=tuple(ranks),
        names=_texts(table, "name").take(order),
        rank_codes=_rank_codes(_texts(table, "rank"), ranks)[order],
        parents=new_parents,
        ends=ends,
        ids=ids.take(order),
        authorships=pa.array([""] * len(ids), pa.string())
        if authorship is None
        else pc.fill_null(_texts(table, authorship), "").take(order),
        other_names=_named(other_names, ids.take(order)),
    )


def no_other_names() -> pa.Table:
    """Return the table of a tree without synonyms and common names."""
    return OTHER_NAMES.empty_table()


def _named(other_names: pa.Table | None, ids: pa.StringArray) -> pa.Table:
    """Return the other names with nodes in place of ids, in the order of the nodes."""
    if other_names is None:
        return no_other_names()
    owners = _texts(other_names, "id")
    nodes = _places(owners, ids)
    lost = pc.filter(owners, pa.array(nodes < 0))
    if len(lost):
        raise UsageError(
            f"{len(lost)} other names are of a taxon that has no row: {_some(lost)}. Add its row."
        )
    order = np.argsort(nodes, kind="stable")
    columns = [
        _texts(other_names, "name").take(order),
        pa.array(nodes[order].astype(np.int32)),
        _texts(other_names, "kind").take(order),
        pc.fill_null(_texts(other_names, "language"), "").take(order),
    ]
    return pa.Table.from_arrays(columns, schema=OTHER_NAMES)


def _texts(table: pa.Table, column: str) -> pa.StringArray:
    found = table.column(column).cast(pa.string()).combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def _known(texts: pa.StringArray) -> NDArray[np.bool_]:
    return np.asarray(pc.is_valid(texts).to_numpy(zero_copy_only=False), bool)


def _places(texts: pa.StringArray, among: pa.StringArray) -> NDArray[np.int64]:
    """Return where each text stands among others; -1 where it does not."""
    found = pc.fill_null(pc.index_in(texts, value_set=among, skip_nulls=True), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def _rank_codes(given: pa.StringArray, ranks: Sequence[str]) -> NDArray[np.int8]:
    return _places(given, pa.array(list(ranks), pa.string())).astype(np.int8)


def _doubled(ids: pa.StringArray) -> pa.Array:
    counts = pc.value_counts(ids)
    return pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))


def _some(texts: pa.Array) -> str:
    shown = ", ".join(map(str, texts[:NAMED].to_pylist()))
    return shown if len(texts) <= NAMED else f"{shown} ..."
