"""From a checklist to a tree: names made canonical, synonyms followed, and a count of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide.taxonomy.build import build_tree
from fieldguide_biodiversity.checklists.accepted import follow, hang
from fieldguide_biodiversity.checklists.canonical import canonical_names
from fieldguide_biodiversity.checklists.columns import (
    are_known,
    by_kind,
    counts_above_zero,
    one_array,
)
from fieldguide_biodiversity.checklists.common_names import common_names, synonyms
from fieldguide_biodiversity.checklists.ranks import RANK_ORDER, known_rank
from fieldguide_biodiversity.checklists.statuses import standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree
    from fieldguide_biodiversity.checklists.checklist import Checklist

UNRANKED = ("unranked", "no rank", "clade", "other")
"""Ranks by which sources say that there is none."""


@dataclass(frozen=True)
class Assembled:
    """A tree, and what is to be told of how it was made.

    Attributes:
        tree: of all taxa.
        notes: how many rows of the tree are special, by what is special about them.
        left_out: how many names are not in it, by the reason.
        unread: how many rows could not be read, by what is wrong with them.
    """

    tree: Tree
    notes: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)


def assemble(checklist: Checklist, *, orphans_as_roots: bool = False) -> Assembled:
    """Make a tree of a checklist whose usages name their parents by id.

    Args:
        checklist: without ``lineages``.
        orphans_as_roots: whether taxa whose parent has no row become roots; else they are an error.

    Raises:
        LoadError: a name is missing, or synonyms point at each other in a circle.
        UsageError: ids are doubled, parents are missing, or form a circle.
    """
    usages = checklist.usages
    ids = one_array(usages.column("id"))
    if not len(ids):
        raise LoadError("it holds no names. Name a checklist that has some.")
    if ids.null_count:
        raise LoadError(f"it has {ids.null_count} rows without an id. Give each its own.")
    standings = standings_of(usages)
    is_taxon = (standings == "taxon") | (standings == "doubtful")
    names = canonical_names(usages)
    accepted = follow(usages, is_taxon, standings == "synonym")
    hung = hang(usages, is_taxon, accepted.targets, orphans_as_roots=orphans_as_roots)
    ranks, unknown = known_ranks(usages.column("rank"))
    rows = np.flatnonzero(is_taxon)
    taxa = pa.table(
        {
            "id": ids.take(rows),
            "parent_id": hung.parent_ids.take(rows),
            "name": names.canonical.take(rows),
            "rank": ranks.take(rows),
            "authorship": names.authorship.take(rows),
        }
    )
    vernaculars, lost = common_names(checklist.vernaculars, ids, accepted.targets)
    other = pa.concat_tables([vernaculars, synonyms(names.canonical, ids, accepted.targets)])
    tree = build_tree(taxa, checklist.info, _present(taxa.column("rank")), other)
    notes = {
        "doubtful": int((standings == "doubtful").sum()),
        "with a rank that is not known, now unranked": unknown,
        **names.notes,
        **hung.notes,
    }
    left_out = {
        "misapplied names, which are no synonyms": int((standings == "misapplied").sum()),
        "bare names, which belong to no taxon": int((standings == "bare").sum()),
        "synonyms of a taxon that has no row": accepted.lost,
        "common names of a taxon that has no row": lost,
    }
    return Assembled(
        tree, counts_above_zero(notes), counts_above_zero(left_out), dict(checklist.unread)
    )


def standings_of(usages: pa.Table) -> NDArray[np.str_]:
    """Return (N,) what each name is; see ``statuses.Standing``."""
    accepted = one_array(usages.column("accepted_id"))
    other = pc.fill_null(pc.not_equal(accepted, one_array(usages.column("id"))), False)
    has_accepted = are_known(accepted) & np.asarray(other.to_numpy(zero_copy_only=False), bool)
    status = usages.column("status")
    alone = by_kind(status, lambda text: standing(text, has_accepted=False))
    pointing = by_kind(status, lambda text: standing(text, has_accepted=True))
    found = pc.if_else(pa.array(has_accepted), pointing, alone).dictionary_encode()
    kinds = np.array(found.dictionary.to_pylist(), np.str_)
    standings: NDArray[np.str_] = kinds[found.indices.to_numpy()]
    return standings


def known_ranks(written: pa.ChunkedArray) -> tuple[pa.Array, int]:
    """Return ranks as ``RANK_ORDER`` writes them, null if unknown, and how many are unknown."""
    ranks = by_kind(written, lambda text: known_rank(text) if text else None)
    unranked = by_kind(written, lambda text: "" if (text or "").lower() in ("", *UNRANKED) else "?")
    odd = pc.and_(pc.equal(unranked, "?"), pc.is_null(ranks))
    return ranks, int(pc.sum(odd).as_py() or 0)


def _present(ranks: pa.ChunkedArray) -> list[str]:
    present = set(pc.unique(ranks).to_pylist())
    return [rank for rank in RANK_ORDER if rank in present]
