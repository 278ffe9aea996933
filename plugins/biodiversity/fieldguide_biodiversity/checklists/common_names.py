"""Common names and synonyms of taxa, each once; preferred common names come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.taxonomy.tree import COMMON, SYNONYM
from fieldguide_biodiversity.checklists.columns import (
    NOWHERE,
    by_kind,
    one_array,
    places_of,
    without_doubles,
)
from fieldguide_biodiversity.checklists.languages import language_code

if TYPE_CHECKING:
    from numpy.typing import NDArray

_YES = ("true", "t", "1", "yes", "y")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("name", "id", "kind", "language")])


def common_names(
    vernaculars: pa.Table, ids: pa.Array, targets: NDArray[np.int64]
) -> tuple[pa.Table, int]:
    """Return common names by the ids of their accepted taxa, and how many have none.

    Args:
        vernaculars: see ``checklist.VERNACULARS``.
        ids: (N,) of all names.
        targets: (N,) rows of their accepted taxa; see ``accepted.Accepted``.
    """
    named = places_of(vernaculars.column("id"), ids)
    owners = np.where(named == NOWHERE, NOWHERE, targets[named] if len(targets) else NOWHERE)
    has_name = np.asarray(pc.is_valid(vernaculars.column("name")).to_numpy(), bool)
    rows = np.flatnonzero((owners != NOWHERE) & has_name)
    preferred = by_kind(
        vernaculars.column("preferred"), lambda text: "a" if (text or "").lower() in _YES else "b"
    )
    rank = np.asarray(pc.equal(preferred, "b").to_numpy(zero_copy_only=False), bool)[rows]
    rows = rows[np.argsort(rank, kind="stable")]
    languages = by_kind(vernaculars.column("language"), language_code)
    columns = [
        one_array(vernaculars.column("name")).take(rows),
        ids.take(owners[rows]),
        pa.array([COMMON]).take(np.zeros(len(rows), np.int64)),
        languages.take(rows),
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    return without_doubles(table, ["name", "id", "language"]), int((owners == NOWHERE).sum())


def synonyms(names: pa.Array, ids: pa.Array, targets: NDArray[np.int64]) -> pa.Table:
    """Return the synonyms of accepted taxa by their ids; those written like the taxon are not told.

    Args:
        names: (N,) canonical.
        ids: (N,).
        targets: (N,) rows of accepted taxa.
    """
    rows = np.flatnonzero((targets != NOWHERE) & (targets != np.arange(len(targets))))
    found, owners = names.take(rows), targets[rows]
    other = pc.not_equal(found, names.take(owners)).to_numpy(zero_copy_only=False)
    count = int(other.sum())
    columns = [
        found.filter(pa.array(other, pa.bool_())),
        ids.take(owners[np.asarray(other, bool)]),
        pa.array([SYNONYM]).take(np.zeros(count, np.int64)),
        pa.array([""]).take(np.zeros(count, np.int64)),
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    return without_doubles(table, ["name", "id"])
