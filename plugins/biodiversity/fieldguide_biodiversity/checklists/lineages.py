"""Checklists whose rows have a column for each rank instead of a parent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide.taxonomy.lineages import place_lineages
from fieldguide.taxonomy.tree import OTHER_NAMES, Tree
from fieldguide_biodiversity.checklists.accepted import follow
from fieldguide_biodiversity.checklists.assemble import Assembled, known_ranks, standings_of
from fieldguide_biodiversity.checklists.canonical import CanonicalNames, canonical_names
from fieldguide_biodiversity.checklists.columns import NOWHERE, counts_above_zero, one_array
from fieldguide_biodiversity.checklists.common_names import common_names, synonyms
from fieldguide_biodiversity.checklists.ranks import RANK_ORDER, SPECIES
from fieldguide_biodiversity.taxa import ALIASES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide_biodiversity.checklists.checklist import Aliases, Checklist

HIGHER_RANKS = RANK_ORDER[: RANK_ORDER.index(SPECIES)]
MAX_ROWS = 1_000_000
"""Lineages are told apart one by one; larger checklists have parent ids."""
MAX_ROWS_AT_ONCE = 4096

Record = dict[str, str]


def lineage_aliases() -> Aliases:
    """Return how the columns of ranks above the species are written, in lower case."""
    return {rank: ALIASES.get(rank, (rank,)) for rank in HIGHER_RANKS}


def lineages_of(table: pa.Table) -> pa.Table:
    """Return the columns of ranks in which something stands."""
    there = [
        rank
        for rank in RANK_ORDER
        if rank in table.column_names and table.column(rank).null_count < table.num_rows
    ]
    return table.select(there)


def assemble_lineages(checklist: Checklist) -> Assembled:
    """Make a tree of a checklist whose rows have a column for each rank; gaps drop nothing.

    Raises:
        LoadError: it has no rows, no column of a rank, or too many rows.
    """
    usages, columns = checklist.usages, checklist.lineages
    if columns is None or not columns.num_columns or not usages.num_rows:
        raise LoadError(
            "it has neither parents nor columns of ranks such as family and genus. Name a "
            "checklist that has one or the other."
        )
    if usages.num_rows > MAX_ROWS:
        raise LoadError(f"it has more than {MAX_ROWS} rows without parents. Name them by id.")
    standings = standings_of(usages)
    is_taxon = (standings == "taxon") | (standings == "doubtful")
    ranks, _ = known_ranks(usages.column("rank"))
    names = _names(usages)
    records, rankless = _records(columns, ranks, names)
    targets = follow(usages, is_taxon, standings == "synonym").targets
    taxa = np.flatnonzero(is_taxon)
    used = {rank for row in taxa.tolist() for rank in records[row]}
    order = [rank for rank in RANK_ORDER if rank in used]
    placed = place_lineages((records[row] for row in taxa.tolist()), order, checklist.info)
    nodes = np.full(len(records), NOWHERE)
    nodes[taxa] = placed.nodes
    tree, lost = _with_other_names(placed.tree, checklist, names, targets, nodes)
    left_out = {
        "names without a rank that is known": rankless,
        "synonyms and common names of a taxon that has no row": lost,
        "misapplied and bare names": int(np.isin(standings, ("misapplied", "bare")).sum()),
    }
    notes = {"doubtful": int((standings == "doubtful").sum())}
    notes |= {} if names is None else names.notes
    return Assembled(
        tree, counts_above_zero(notes), counts_above_zero(left_out), dict(checklist.unread)
    )


def _names(usages: pa.Table) -> CanonicalNames | None:
    """Return the names of the rows; None where the columns of ranks say all."""
    named = pc.coalesce(usages.column("name"), usages.column("full_name"))
    return None if named.null_count == len(named) else canonical_names(usages)


def _records(
    columns: pa.Table, ranks: pa.Array, names: CanonicalNames | None
) -> tuple[list[Record], int]:
    """Return each row's names by rank, wide to narrow, and how many have a name without a rank."""
    once: dict[str, str] = {}  # a family's name is kept once, and not once a row
    records: list[Record] = [
        {rank: once.setdefault(name, name) for rank, name in row.items() if name}
        for batch in columns.to_batches(MAX_ROWS_AT_ONCE)
        for row in batch.to_pylist()
    ]
    if names is None:
        return records, 0
    rankless = 0
    for record, rank, name in zip(
        records, ranks.to_pylist(), names.canonical.to_pylist(), strict=True
    ):
        own = rank or _rank_by_form(name)
        if own is None:
            rankless += name not in record.values()
        else:
            record[own] = name
    return records, rankless


def _rank_by_form(name: str) -> str | None:
    """Return the rank of a binomial; one word may be of any rank."""
    return SPECIES if len(name.split()) == 2 else None


def _with_other_names(
    tree: Tree,
    checklist: Checklist,
    names: CanonicalNames | None,
    targets: NDArray[np.int64],
    nodes: NDArray[np.int64],
) -> tuple[Tree, int]:
    """Return the tree with authors, synonyms and common names, and how many found no taxon."""
    ids = one_array(checklist.usages.column("id"))
    other, lost = common_names(checklist.vernaculars, ids, targets)
    if names is not None:
        other = pa.concat_tables([other, synonyms(names.canonical, ids, targets)])
        tree = _with_authors(tree, names.authorship, nodes)
    rows = np.asarray(pc.index_in(other.column("id"), value_set=ids).to_numpy(), np.int64)
    owners = nodes[rows]
    order = np.argsort(owners, kind="stable")
    order = order[owners[order] != NOWHERE]
    columns = [
        one_array(other.column("name")).take(order),
        pa.array(owners[order], pa.int32()),
        one_array(other.column("kind")).take(order),
        one_array(other.column("language")).take(order),
    ]
    told = pa.Table.from_arrays(columns, schema=OTHER_NAMES)
    return replace(tree, other_names=told), lost + len(owners) - len(order)


def _with_authors(tree: Tree, authors: pa.Array, nodes: NDArray[np.int64]) -> Tree:
    written = [""] * len(tree)
    for node, author in zip(nodes.tolist(), authors.to_pylist(), strict=True):
        if node != NOWHERE and author:
            written[node] = author
    return replace(tree, authorships=pa.array(written, pa.string()))
