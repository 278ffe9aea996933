from __future__ import annotations

import math
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.tree import Tree, TreeInfo
from fieldguide_biodiversity.priors.presence import (
    FLOOR,
    NO_PARENT,
    counted_at,
    recorded_tree,
    scope_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

A = 10.0
RANKS = ("class", "family", "genus", "species")
BIRDS = [
    {"class": "Aves", "family": "Turdidae", "genus": "Turdus", "species": "Turdus merula"},
    {"class": "Aves", "family": "Turdidae", "genus": "Turdus", "species": "Turdus migratorius"},
    {"class": "Aves", "family": "Turdidae", "genus": "Catharus", "species": "Catharus ustulatus"},
    {"class": "Aves", "family": "Corvidae", "genus": "Pica", "species": "Pica pica"},
    {"class": "Insecta", "family": "Apidae", "genus": "Apis", "species": "Apis mellifera"},
]
TREE = tree_from_lineages(BIRDS, RANKS, TreeInfo("birds and a bee"))


def node(name: str, tree: Tree = TREE) -> int:
    return tree.names.to_pylist().index(name)


def log_priors(
    records: Mapping[str, float], labels: Sequence[str] | None = None, tree: Tree = TREE
) -> dict[str, float]:
    """Return the log prior of each label from records that are all in one place and month."""
    names = [row["species"] for row in BIRDS] if labels is None else labels
    nodes = np.array([node(name, tree) for name in names], np.int32)
    taxa = np.array([node(name, tree) for name in records], np.int32)
    counts = np.array(list(records.values()))
    return dict(zip(names, found_by(tree, nodes, taxa, counts).tolist(), strict=True))


def found_by(
    tree: Tree, nodes: NDArray[np.int32], taxa: NDArray[np.int32], counts: NDArray[np.float64]
) -> NDArray[np.float32]:
    scope = scope_of(tree, taxa, np.ceil(counts).astype(np.int64))
    counted = counted_at(tree, taxa, np.sort(nodes))
    used = counted >= 0
    recorded = recorded_tree(tree, np.unique(counted[used]), nodes, scope)
    places = np.searchsorted(recorded.nodes, counted[used])
    return recorded.log_prior(np.bincount(places, counts[used], len(recorded.nodes)))


class Slowly:
    """The formula of the module, taxon by taxon, from the root down; -1 stands above the roots."""

    def __init__(
        self, tree: Tree, nodes: NDArray[np.int32], taxa: NDArray[np.int32], counts: NDArray[Any]
    ) -> None:
        self.tree, self.labels = tree, nodes.tolist()
        self.scope = scope_of(tree, taxa, np.ceil(counts).astype(np.int64))
        self.own = dict.fromkeys(range(-1, len(tree)), 0.0)
        for taxon, count in zip(taxa.tolist(), counts.tolist(), strict=True):
            if (target := self.target(taxon)) is not None:
                self.own[target] += count

    def target(self, taxon: int) -> int | None:
        if any(self.tree.is_within(label, taxon) for label in self.labels):
            return taxon
        line = reversed(self.tree.lineage(taxon))
        return next((above for above in line if above in self.labels), None)

    def has_labels_below(self, v: int) -> bool:
        return any(self.tree.is_within(label, v) and label != v for label in self.labels)

    def below(self, v: int) -> float:
        return sum(self.own[i] for i in range(v, int(self.tree.ends[v])))

    def among(self, p: int) -> float:
        if p == -1:
            return sum(self.below(root) for root in self.tree.roots)
        if p in self.labels:
            return self.below(p) if self.has_labels_below(p) else 0.0
        return self.below(p) - self.own[p]

    def is_judged(self, v: int) -> bool:
        return self.scope == -1 or (v >= 0 and self.tree.is_within(v, self.scope))

    def presence(self, v: int) -> float:
        if v in (-1, self.scope) or not self.is_judged(v):
            return 1.0
        p = int(self.tree.parents[v])
        towards = self.presence(p) * A / (A + self.among(p) - self.below(v))
        return (self.below(v) + A * towards) / (self.below(v) + A)

    def of_label(self, v: int) -> float:
        if not self.has_labels_below(v) or not self.is_judged(v):
            return self.presence(v)
        towards = self.presence(v) * A / (A + self.among(v) - self.own[v])
        return (self.own[v] + A * towards) / (self.own[v] + A)

    def log_priors(self) -> list[float]:
        return [math.log(FLOOR + (1 - FLOOR) * self.of_label(v)) for v in self.labels]


def test_a_recorded_species_keeps_nearly_all_and_its_unseen_relative_loses_by_hand() -> None:
    # scope: Turdus holds all records. u(migratorius) = 10 / (10 + 90), u(merula) = 1
    found = log_priors({"Turdus merula": 90})
    # 100% of the records are of one species: of others the table does not speak
    assert found == dict.fromkeys(found, 0.0)
    # scope is Turdidae: R(Turdus) = (90 + 10 * 10 / 20) / 100 = 0.95
    found = log_priors({"Turdus merula": 90, "Catharus ustulatus": 10})
    presence = {
        "Turdus merula": (90 + 10 * 0.95) / 100,
        "Turdus migratorius": 0.95 * 10 / 100,
        "Catharus ustulatus": (10 + 10 * (10 + 10 * 10 / 100) / 20) / 20,
        "Pica pica": 1.0,
        "Apis mellifera": 1.0,
    }
    for name, expected in presence.items():
        assert found[name] == pytest.approx(math.log(0.01 + 0.99 * expected), abs=1e-6)


def test_records_of_a_genus_alone_help_all_of_its_species() -> None:
    records = {"Pica pica": 50.0, "Catharus ustulatus": 50.0}
    without = log_priors(records)
    helped = log_priors({**records, "Turdus": 50.0})
    for name in ("Turdus merula", "Turdus migratorius"):
        assert helped[name] > without[name] + 1
    assert helped["Turdus merula"] == helped["Turdus migratorius"]


def test_records_of_a_subspecies_count_for_its_species() -> None:
    rows = [*BIRDS, {**BIRDS[0], "subspecies": "Turdus merula merula"}]
    tree = tree_from_lineages(rows, (*RANKS, "subspecies"), TreeInfo("subspecies"))
    labels = [row["species"] for row in BIRDS]
    counted = log_priors({"Turdus merula merula": 30, "Pica pica": 5}, labels, tree)
    assert counted == log_priors({"Turdus merula": 30, "Pica pica": 5}, labels, tree)


def test_records_of_what_is_no_label_and_has_none_below_it_do_not_count() -> None:
    labels = ["Turdus merula", "Pica pica"]
    base = {"Turdus merula": 5.0, "Pica pica": 5.0}
    assert log_priors(base, labels) == log_priors({**base, "Catharus ustulatus": 90}, labels)


def test_a_table_of_birds_says_nothing_of_bees_even_with_a_stray_bee_in_it() -> None:
    found = log_priors({"Turdus merula": 300, "Pica pica": 300, "Apis mellifera": 1})
    assert found["Apis mellifera"] == 0
    assert found["Catharus ustulatus"] < math.log(0.05)


def test_many_records_of_relatives_make_an_unseen_label_a_hundred_times_less_likely_at_most() -> (
    None
):
    found = log_priors({"Turdus merula": 1e9, "Pica pica": 1e9})
    assert found["Turdus migratorius"] == pytest.approx(math.log(FLOOR), abs=1e-3)
    assert min(found.values()) >= math.log(FLOOR) - 1e-6


@st.composite
def worlds(
    draw: st.DrawFn,
) -> tuple[Tree, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """A ragged tree, some of its taxa as labels, and records of some."""
    size = draw(st.integers(2, 14))
    parents = [
        draw(st.one_of(st.none(), st.integers(0, i - 1))) if i else None for i in range(size)
    ]
    table = pa.table(
        {
            "id": pa.array([f"{i}" for i in range(size)]),
            "parent_id": pa.array([None if p is None else f"{p}" for p in parents], pa.string()),
            "name": pa.array([f"Taxon{i}" for i in range(size)]),
            "rank": pa.array([None] * size, pa.string()),
        }
    )
    tree = build_tree(table, TreeInfo("random"), ("species",))
    labels = draw(st.permutations(range(size)))[: draw(st.integers(1, size))]
    taxa = draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    counts = [draw(st.integers(1, 500)) for _ in taxa]
    return tree, np.array(labels, np.int32), np.array(taxa, np.int32), np.array(counts, np.float64)


def has_records(tree: Tree, nodes: NDArray[np.int32], taxa: NDArray[np.int32]) -> bool:
    return bool((counted_at(tree, taxa, np.sort(nodes)) >= 0).any())


@settings(deadline=None)
@given(worlds())
def test_on_any_ragged_tree_it_is_the_formula(
    world: tuple[Tree, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]],
) -> None:
    tree, nodes, taxa, _ = world
    if not has_records(tree, nodes, taxa) or outside(*world):
        return
    assert found_by(*world).tolist() == pytest.approx(Slowly(*world).log_priors(), abs=1e-5)


def outside(
    tree: Tree, nodes: NDArray[np.int32], taxa: NDArray[np.int32], counts: NDArray[np.float64]
) -> bool:
    """Whether the scope has no label, so that the table says nothing; the caller sees to that."""
    scope = scope_of(tree, taxa, counts.astype(np.int64))
    used = counted_at(tree, taxa, np.sort(nodes))
    return scope != NO_PARENT and not any(tree.is_within(int(u), scope) for u in used if u >= 0)


@settings(deadline=None)
@given(worlds(), st.integers(1, 500))
def test_more_records_of_a_label_never_make_it_less_likely(
    world: tuple[Tree, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]], more: int
) -> None:
    tree, nodes, taxa, counts = world
    if not has_records(tree, nodes, taxa):
        return
    counted = counted_at(tree, taxa, np.sort(nodes))
    recorded = recorded_tree(tree, np.unique(counted[counted >= 0]), nodes, NO_PARENT)
    places = np.searchsorted(recorded.nodes, counted[counted >= 0])
    own = np.bincount(places, counts[counted >= 0], len(recorded.nodes))
    before = recorded.log_prior(own)
    for place in np.flatnonzero(recorded.is_label):
        grown = own.copy()
        grown[place] += more
        label = recorded.order[recorded.first_label[place]]
        assert recorded.log_prior(grown)[label] >= before[label] - 1e-6


@settings(deadline=None)
@given(worlds())
def test_nothing_recorded_changes_nothing_and_all_log_priors_lie_between_the_floor_and_0(
    world: tuple[Tree, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]],
) -> None:
    tree, nodes, taxa, _ = world
    if not has_records(tree, nodes, taxa) or outside(*world):
        return
    found = found_by(*world)
    assert (found <= 1e-6).all()
    assert (found >= math.log(FLOOR) - 1e-6).all()
    counted = counted_at(tree, taxa, np.sort(nodes))
    recorded = recorded_tree(tree, np.unique(counted[counted >= 0]), nodes, NO_PARENT)
    assert np.abs(recorded.log_prior(np.zeros(len(recorded.nodes)))).max() < 1e-6


def test_half_a_million_labels_take_less_than_50_ms() -> None:
    counts = (1, 50, 5_000, 50_000, 500_000)
    ids = [[f"{level}-{i}" for i in range(count)] for level, count in enumerate(counts)]
    above = [
        [None if not level else ids[level - 1][i % counts[level - 1]] for i in range(count)]
        for level, count in enumerate(counts)
    ]
    flat = list(chain.from_iterable(ids))
    table = pa.table(
        {
            "id": pa.array(flat),
            "parent_id": pa.array(list(chain.from_iterable(above)), pa.string()),
            "name": pa.array(flat),
            "rank": pa.array([None] * len(flat), pa.string()),
        }
    )
    tree = build_tree(table, TreeInfo("wide"), ("species",))
    labels = tree.leaves().astype(np.int32)
    recorded = recorded_tree(tree, labels[::20], labels, 0)
    own = np.zeros(len(recorded.nodes))
    own[recorded.is_label] = 3.0
    took = []
    for _ in range(5):
        start = time.process_time()
        assert len(recorded.log_prior(own)) == 500_000
        took.append(time.process_time() - start)
    assert min(took) < 0.05
