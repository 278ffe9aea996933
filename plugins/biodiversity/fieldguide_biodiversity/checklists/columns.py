"""Arithmetic on columns of text: where a text stands among others, and texts by their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

NOWHERE = -1


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def places_of(texts: pa.Array, among: pa.Array) -> NDArray[np.int64]:
    """Return (N,) where each of N texts first stands among others; -1 where it does not."""
    found = pc.index_in(one_array(texts), value_set=one_array(among), skip_nulls=True)
    return np.asarray(pc.fill_null(found, NOWHERE).to_numpy(zero_copy_only=False), np.int64)


def are_known(texts: pa.Array) -> NDArray[np.bool_]:
    """Return (N,) which texts are not null."""
    return np.asarray(one_array(pc.is_valid(texts)).to_numpy(zero_copy_only=False), bool)


def by_kind(texts: pa.Array, judge: Callable[[str | None], str | None]) -> pa.Array:
    """Return what each text is judged to be; each different text is judged once."""
    encoded = one_array(texts).dictionary_encode()
    judged = [judge(text) for text in encoded.dictionary.to_pylist()]
    whole = pa.array([*judged, judge(None)], pa.string())
    return whole.take(pc.fill_null(encoded.indices, len(judged)))


def take_or_null(texts: pa.Array, places: NDArray[np.int64]) -> pa.Array:
    """Return texts by their places; null where a place is -1."""
    return texts.take(pa.array(places, mask=places == NOWHERE))


def without_doubles(table: pa.Table, keys: list[str]) -> pa.Table:
    """Return the first row of each combination of some columns, in order."""
    numbered = table.append_column("#", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(keys, use_threads=False).aggregate([("#", "min")])
    return table.take(pa.array(np.sort(first.column("#_min").to_numpy())))


def counts_above_zero(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {what: count for what, count in counts.items() if count}
