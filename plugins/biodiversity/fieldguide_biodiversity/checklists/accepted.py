"""Which taxon each name belongs to: synonyms are followed, and parents that are synonyms too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import LoadError, UsageError
from fieldguide_biodiversity.checklists.columns import (
    NOWHERE,
    are_known,
    one_array,
    places_of,
    take_or_null,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

MAX_CHAIN = 100
"""Synonyms of synonyms that are followed; the longest published chains have 3."""


@dataclass(frozen=True)
class Accepted:
    """The taxon of each name.

    Attributes:
        targets: (N,) int64 row of the accepted taxon, of taxa their own; -1 where there is none.
        lost: how many synonyms have none.
    """

    targets: NDArray[np.int64]
    lost: int


@dataclass(frozen=True)
class Hung:
    """The parent of each taxon.

    Attributes:
        parent_ids: (N,) null of roots and of names that are no taxa.
        notes: how many parents were not what the source says, by why.
    """

    parent_ids: pa.Array
    notes: Mapping[str, int] = field(default_factory=dict)


def follow(
    usages: pa.Table, is_taxon: NDArray[np.bool_], is_synonym: NDArray[np.bool_]
) -> Accepted:
    """Follow each synonym to its accepted taxon, through other synonyms if need be.

    Raises:
        LoadError: synonyms point at each other in a circle.
    """
    own = np.arange(usages.num_rows)
    named = places_of(usages.column("accepted_id"), usages.column("id"))
    direct = np.where(is_taxon, own, np.where(is_synonym, named, NOWHERE))
    targets = direct
    for _ in range(MAX_CHAIN):
        waiting = np.flatnonzero((targets != NOWHERE) & ~is_taxon[targets])
        if not len(waiting):
            return Accepted(targets, int((is_synonym & (targets == NOWHERE)).sum()))
        targets = targets.copy()
        targets[waiting] = direct[targets[waiting]]
    stuck = usages.column("id")[int(waiting[0])].as_py()
    raise LoadError(
        f"it has {len(waiting)} synonyms that point at each other in a circle, such as the id "
        f"{stuck}. Correct its acceptedNameUsageID."
    )


def hang(
    usages: pa.Table,
    is_taxon: NDArray[np.bool_],
    targets: NDArray[np.int64],
    *,
    orphans_as_roots: bool,
) -> Hung:
    """Find the taxon above each taxon; a synonym named as parent stands for its accepted taxon.

    Raises:
        UsageError: a parent has no row, and orphans are not to be roots.
    """
    ids, parent_ids = one_array(usages.column("id")), one_array(usages.column("parent_id"))
    parents = places_of(parent_ids, ids)
    parents[parents == np.arange(len(parents))] = NOWHERE  # some roots name themselves
    meant = np.where(parents == NOWHERE, NOWHERE, targets[parents])
    moved = int((is_taxon & (meant != parents) & (meant != NOWHERE)).sum())
    asked = are_known(parent_ids) & (places_of(parent_ids, ids) != np.arange(len(parents)))
    orphans = np.flatnonzero(is_taxon & asked & (meant == NOWHERE))
    if len(orphans) and not orphans_as_roots:
        first = int(orphans[0])
        raise UsageError(
            f"{len(orphans)} taxa name a parent that has no row, such as {parent_ids[first]} of "
            f"the id {ids[first]}. Add the rows, or let these taxa be roots: --orphans-as-roots"
        )
    above = np.where(is_taxon, meant, NOWHERE)
    notes = {
        "taxa below a synonym, now below its accepted taxon": moved,
        "taxa whose parent has no row, now roots": len(orphans),
    }
    return Hung(take_or_null(ids, above), notes)
