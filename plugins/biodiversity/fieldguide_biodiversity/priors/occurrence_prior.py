"""The prior of some labels by place and month; computed once for each place of a kilometre."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fieldguide.data.place_and_date import Circumstances, Place, circumstances_of
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.zeroshot.priors import Belief
from fieldguide_biodiversity.prior_offers import DATE_COLUMNS, PLACE_COLUMNS
from fieldguide_biodiversity.priors.kernel import (
    NEAR_KM,
    REACH_KM,
    CellWeights,
    weight_of_distance,
    weight_of_months,
)
from fieldguide_biodiversity.priors.matching import match_taxa
from fieldguide_biodiversity.priors.presence import (
    RecordedTree,
    counted_at,
    recorded_tree,
    scope_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.priors import Candidates
    from fieldguide_biodiversity.priors.table import OccurrenceTable

KEPT = 32
"""Beliefs that are kept: 2 MB each for 500,000 labels."""
DECIMALS = 2
"""Of degrees: places nearer than about a kilometre share a belief."""


@dataclass(frozen=True, eq=False)
class Counted:
    """Records of the taxa of a recorded tree, those of one cell together.

    Attributes:
        weights: of the K cells.
        starts: (K + 1,) where the rows of each cell begin.
        taxa: (R,) int64 places in the recorded tree.
        months: (R,) 0 to 12.
        records: (R,) float64.
    """

    weights: CellWeights
    starts: NDArray[np.int64]
    taxa: NDArray[np.int64]
    months: NDArray[np.int8]
    records: NDArray[np.float64]

    @cached_property
    def by_cell(self) -> NDArray[np.float64]:
        """(K,) records of each cell."""
        sums = np.concatenate([[0.0], np.cumsum(self.records)])[self.starts]
        return np.diff(sums)


@dataclass(eq=False)
class OccurrencePrior:
    """What a table of occurrences says of some labels.

    Attributes:
        recorded: the part of the labels' tree that has records.
        counted: those records.
        usual: place and month of images that do not say them.
        strength: for the words of a belief.
    """

    recorded: RecordedTree
    counted: Counted
    usual: Circumstances
    strength: float
    _kept: OrderedDict[tuple[Place | None, int | None], Belief] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def belief(self, metadata: Mapping[str, Any]) -> Belief:
        """Return what is known of the place and season of an image, or of one of the two."""
        known = circumstances_of(metadata, self.usual, places=PLACE_COLUMNS, dates=DATE_COLUMNS)
        rounded = None if known.place is None else _rounded(known.place)
        if rounded is None and known.month is None:
            return Belief(None, "; ".join(("no prior: no place and no date", *known.notes)))
        with self._lock:  # an index may ask from several threads
            found = self._kept.pop((rounded, known.month), None)
            found = self._about(rounded, known.month) if found is None else found
            self._kept[rounded, known.month] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return replace(found, why="; ".join((_said(found, known), *known.notes)))

    def _about(self, place: Place | None, month: int | None) -> Belief:
        own, records = self.evidence(place, month)
        if not records:
            return Belief(None, f"no records within {REACH_KM:.0f} km")
        near = "records" if place is None else f"records within {NEAR_KM:.0f} km"
        words = f"strength {self.strength:g}, {self._near(place):.0f} {near}"
        return Belief(self.recorded.log_prior(own), words)

    def evidence(self, place: Place | None, month: int | None) -> tuple[NDArray[np.float64], float]:
        """Return (U,) weighted records of each taxon, and how many they are in all."""
        counted = self.counted
        if place is None:
            rows: Any = slice(None)
            weight = counted.records
        else:
            by_cell = weight_of_distance(counted.weights.distances_km(place))
            cells = np.flatnonzero(by_cell)
            lengths = counted.starts[cells + 1] - counted.starts[cells]
            rows = _ranges(counted.starts[cells], lengths)
            weight = counted.records[rows] * np.repeat(by_cell[cells], lengths)
        if month is not None:
            weight = weight * weight_of_months(month)[counted.months[rows]]
        count = len(self.recorded.nodes)
        own = np.asarray(np.bincount(counted.taxa[rows], weight, count), np.float64)
        return own, float(own.sum())

    def _near(self, place: Place | None) -> float:
        """Return how many records are near, in whatever month."""
        by_cell = self.counted.by_cell
        if place is None:
            return float(by_cell.sum())
        return float(by_cell[self.counted.weights.distances_km(place) <= NEAR_KM].sum())


@dataclass(frozen=True)
class NothingRecorded:
    """Says of each image that the table has no record of the labels."""

    def belief(self, _metadata: Mapping[str, Any]) -> Belief:
        """Return that nothing is known."""
        return Belief(None, "no prior: the occurrences have no record of these labels")


def prior_of_labels(
    table: OccurrenceTable, candidates: Candidates, usual: Circumstances, strength: float
) -> tuple[OccurrencePrior | NothingRecorded, tuple[str, ...]]:
    """Return the prior of some labels, and the names of their clade that their tree does not have.

    Args:
        table: of occurrences.
        candidates: labels; without a tree their names are read as genus and epithet.
        usual: place and month of images that do not say them.
        strength: for the words of a belief.
    """
    tree, nodes = _placed(candidates)
    matched = match_taxa(table, tree)
    missing = matched.missing(tree, nodes)
    taxa = table.taxa
    scope = scope_of(tree, matched.nodes, taxa.column("records").to_numpy())
    by_taxon = counted_at(tree, matched.nodes, np.sort(nodes))
    if scope >= 0:
        outside = (by_taxon < scope) | (by_taxon >= tree.ends[scope])
        by_taxon = np.where(outside, -1, by_taxon).astype(np.int32)
    if not (by_taxon >= 0).any():
        return NothingRecorded(), missing
    recorded = recorded_tree(tree, np.unique(by_taxon[by_taxon >= 0]), nodes, scope)
    counted = _counted(table, taxa, by_taxon, recorded)
    return OccurrencePrior(recorded, counted, usual, strength), missing


def _placed(candidates: Candidates) -> tuple[Tree, NDArray[np.int32]]:
    """Return the tree of the labels and their places; names alone become genera and species."""
    if candidates.tree is not None and candidates.nodes is not None:
        return candidates.tree, candidates.nodes
    records = [_lineage(label) for label in candidates.labels]
    tree = tree_from_lineages(records, ("genus", "species"), TreeInfo("the labels of this run"))
    place = {tree.name_of(node): node for node in range(len(tree))}
    names = [record.get("species", record["genus"]) for record in records]
    return tree, np.array([place[name] for name in names], np.int32)


def _lineage(label: str) -> dict[str, str]:
    name = " ".join(label.replace("_", " ").split())
    name = name[:1].upper() + name[1:]
    genus, _, epithet = name.partition(" ")
    return {"genus": genus, "species": name} if epithet else {"genus": name}


def _counted(
    table: OccurrenceTable, taxa: pa.Table, by_taxon: NDArray[np.int32], recorded: RecordedTree
) -> Counted:
    """Return the rows of a table that count, in the order of their cells."""
    row_taxon = _place_of_rows(table, taxa)
    node = by_taxon[row_taxon]
    kept = node >= 0
    cells = table.counts.column("cell").to_numpy()[kept]
    order = np.argsort(cells, kind="stable")
    distinct, starts = np.unique(cells[order], return_index=True)
    return Counted(
        CellWeights.of(distinct),
        np.append(starts, len(order)),
        np.searchsorted(recorded.nodes, node[kept][order]),
        table.counts.column("month").to_numpy()[kept][order],
        table.counts.column("records").to_numpy()[kept][order].astype(np.float64),
    )


def _place_of_rows(table: OccurrenceTable, taxa: pa.Table) -> NDArray[np.int64]:
    """Return which of the taxa each row of a table is of."""
    keys = ["taxon", "above"]
    numbered = taxa.select(keys).append_column("place", pa.array(np.arange(len(taxa))))
    rows = table.counts.select(keys).append_column("row", pa.array(np.arange(len(table.counts))))
    joined = rows.join(numbered, keys).sort_by("row")
    return np.asarray(joined.column("place").to_numpy())


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of several ranges, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths))


def _rounded(place: Place) -> Place:
    return Place(round(place.latitude_deg, DECIMALS), round(place.longitude_deg, DECIMALS))


def _said(found: Belief, known: Circumstances) -> str:
    start = "prior" if found.log_prior is not None else "no prior"
    return f"{start}: {known.words}, {found.why}"
