"""The tree of taxa: order, gaps, homonyms, pruning and roll-up, against slow versions."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import UsageError
from fieldguide.taxonomy.at_rank import partition_at
from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.node_sums import NodeSums
from fieldguide.taxonomy.prune import prune
from fieldguide.taxonomy.taxon import taxon_of
from fieldguide.taxonomy.tree import Tree, TreeInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.taxonomy.prune import Pruned

RANKS = ("kingdom", "class", "order", "genus", "species")
INFO = TreeInfo("test", licence="CC0-1.0")
BIRDS = [
    {"kingdom": "Animalia", "class": "Aves", "order": "Passeriformes", "genus": "Oenanthe",
     "species": "Oenanthe oenanthe"},
    {"kingdom": "Animalia", "class": "Aves", "genus": "Corvus", "species": "Corvus corax"},
    {"kingdom": "Animalia", "class": "Aves", "order": "Passeriformes", "genus": "Corvus",
     "species": "Corvus corone"},
    {"kingdom": "Plantae", "order": "Apiales", "genus": "Oenanthe", "species": "Oenanthe crocata"},
    {"kingdom": "Animalia", "order": None, "genus": "Carassius", "species": "Carassius auratus"},
]  # fmt: skip


@st.composite
def forests(draw: st.DrawFn) -> list[int]:
    """Return the parents of up to 40 nodes; each stands after its parent or is a root."""
    size = draw(st.integers(1, 40))
    return [draw(st.integers(-1, node - 1)) for node in range(size)]


def tree_of(parents: list[int], *, shuffle: int = 0) -> Tree:
    order = np.random.default_rng(shuffle).permutation(len(parents))
    texts = {
        "id": [str(node) for node in order],
        "parent_id": [None if parents[node] < 0 else str(parents[node]) for node in order],
        "name": [f"taxon {node}" for node in order],
        "rank": [None if node % 3 == 0 else RANKS[node % len(RANKS)] for node in order],
    }
    table = pa.table({name: pa.array(column, pa.string()) for name, column in texts.items()})
    return build_tree(table, INFO, RANKS)


def named(tree: Tree, name: str, rank: str) -> list[int]:
    """Return the taxa of a name and rank, by looking at every one."""
    return [n for n in range(len(tree)) if (tree.name_of(n), tree.rank_of(n)) == (name, rank)]


def below(parents: list[int], node: int) -> set[int]:
    """Return a node and all below it, by following every node upwards."""
    found = set()
    for start in range(len(parents)):
        place = start
        while place >= 0 and place != node:
            place = parents[place]
        if place == node:
            found.add(start)
    return found


@given(forests(), st.integers(0, 5))
def test_a_subtree_is_one_slice_and_holds_what_leads_to_its_taxon(
    parents: list[int], shuffle: int
) -> None:
    tree = tree_of(parents, shuffle=shuffle)
    ids = [int(text) for text in tree.ids.to_pylist()]
    assert sorted(ids) == list(range(len(parents)))
    for node, identity in enumerate(ids):
        assert set(ids[tree.subtree(node)]) == below(parents, identity)
        parent = int(tree.parents[node])
        assert (-1 if parent < 0 else ids[parent]) == parents[identity]


@given(forests())
def test_depths_are_the_lengths_of_lineages(parents: list[int]) -> None:
    tree = tree_of(parents)
    assert [len(tree.lineage(node)) - 1 for node in range(len(tree))] == tree.depths.tolist()


def rolled_up(pruned: Pruned, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, M) probabilities of all taxa for (N, C) of the labels."""
    sums, weights = NodeSums(pruned), np.ascontiguousarray(probabilities.T)
    return sums.pick(np.arange(len(pruned.tree)), weights, sums(weights)).T


@given(forests(), st.data())
def test_children_sum_to_their_parent_and_nothing_is_lost(
    parents: list[int], data: st.DataObject
) -> None:
    tree = tree_of(parents)
    chosen = data.draw(st.sets(st.integers(0, len(tree) - 1), min_size=1))
    pruned = prune(tree, np.array(sorted(chosen)))
    seed = data.draw(st.integers(0, 2**16))
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(chosen)), 3).astype("f4")
    found = rolled_up(pruned, probabilities)
    small = pruned.tree
    for node in range(len(small)):
        inside = (pruned.labels >= node) & (pruned.labels < small.ends[node])
        np.testing.assert_allclose(found[:, node], probabilities[:, inside].sum(axis=1), atol=1e-5)
        children = small.children(node)
        own = probabilities[:, pruned.labels == node].sum(axis=1)
        np.testing.assert_allclose(found[:, node], own + found[:, children].sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(found[:, small.roots].sum(axis=1), 1, atol=1e-5)


@given(forests(), st.data())
def test_pruning_keeps_lineages_and_leaves_no_other_taxon(
    parents: list[int], data: st.DataObject
) -> None:
    tree = tree_of(parents)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(tree) - 1), min_size=1)))
    pruned = prune(tree, np.array(chosen))
    needed = {node for label in chosen for node in tree.lineage(label)}
    assert set(pruned.tree.names.to_pylist()) == {tree.name_of(node) for node in needed}
    for label, original in zip(pruned.labels, pruned.originals, strict=True):
        kept = [pruned.tree.name_of(node) for node in pruned.tree.lineage(label)]
        assert kept == [tree.name_of(node) for node in tree.lineage(original)]


@given(forests(), st.sampled_from(RANKS), st.data())
def test_a_partition_at_a_rank_gives_every_label_one_taxon_of_its_lineage(
    parents: list[int], rank: str, data: st.DataObject
) -> None:
    tree = tree_of(parents)
    chosen = data.draw(st.sets(st.integers(0, len(tree) - 1), min_size=1))
    pruned = prune(tree, np.array(sorted(chosen)))
    code = RANKS.index(rank)
    for label, found in zip(pruned.labels, partition_at(pruned, rank), strict=True):
        lineage = pruned.tree.lineage(label)
        fitting = [node for node in lineage if pruned.tree.rank_codes[node] >= code]
        assert found == (fitting[0] if fitting else label)


def test_a_gap_in_a_lineage_is_filled_by_a_row_that_knows_more() -> None:
    tree = tree_from_lineages(BIRDS, RANKS, INFO)
    crow = tree.names.to_pylist().index("Corvus corone")
    raven = tree.names.to_pylist().index("Corvus corax")
    assert tree.record(raven)["order"] == "Passeriformes"
    assert tree.parents[raven] == tree.parents[crow]


def test_homonyms_of_two_kingdoms_stay_apart() -> None:
    tree = tree_from_lineages(BIRDS, RANKS, INFO)
    genera = [node for node in range(len(tree)) if tree.name_of(node) == "Oenanthe"]
    assert {tree.record(node)["kingdom"] for node in genera} == {"Animalia", "Plantae"}
    assert [len(tree.children(node)) for node in genera] == [1, 1]


def test_a_species_without_class_and_order_is_kept() -> None:
    tree = tree_from_lineages(BIRDS, RANKS, INFO)
    goldfish = tree.names.to_pylist().index("Carassius auratus")
    assert tree.record(goldfish) == {
        "kingdom": "Animalia", "genus": "Carassius", "species": "Carassius auratus",
    }  # fmt: skip
    assert tree.ancestor_at(goldfish, "class") is None
    assert tree.ancestor_at(goldfish, "kingdom") == 0


def test_rows_that_several_lineages_would_fill_differently_stay_apart() -> None:
    rows = [
        {"class": "A", "order": "B", "genus": "G"},
        {"class": "A", "order": "C", "genus": "G"},
        {"class": "A", "genus": "G"},
    ]
    tree = tree_from_lineages(rows, ("class", "order", "genus"), INFO)
    assert sorted(map(str, (tree.record(n) for n in tree.leaves()))) == sorted(map(str, rows))


def test_a_common_name_whose_language_nobody_told_stands_where_the_language_has_none() -> None:
    table = pa.table({"id": ["a", "b"], "parent_id": pa.array([None, None], pa.string()),
                      "name": ["Pica pica", "Corvus corax"], "rank": ["species"] * 2})  # fmt: skip
    names = pa.table({
        "name": ["pie", "magpie", "raven"], "id": ["a", "a", "b"],
        "kind": ["common"] * 3, "language": ["", "en", ""],
    })  # fmt: skip
    tree = build_tree(table, INFO, RANKS, names)
    crow, magpie = (tree.names.to_pylist().index(name) for name in ("Corvus corax", "Pica pica"))
    assert [tree.common_name(magpie, code) for code in ("en", "de")] == ["magpie", "pie"]
    assert tree.common_name(crow, "en") == "raven"


def test_other_names_follow_their_taxon_through_pruning() -> None:
    table = pa.table({"id": ["a", "b", "c"], "parent_id": ["b", None, "b"],
                      "name": ["Pica pica", "Aves", "Corvus corax"],
                      "rank": ["species", "class", "species"]})  # fmt: skip
    names = pa.table({
        "name": ["raven", "Elster", "magpie"], "id": ["c", "a", "a"],
        "kind": ["common"] * 3, "language": ["en", "de", "en"],
    })  # fmt: skip
    tree = build_tree(table, INFO, RANKS, names)
    pruned = prune(tree, np.array([tree.names.to_pylist().index("Pica pica")]))
    found = taxon_of(pruned.tree, int(pruned.labels[0]), "de")
    assert (found.name, found.common_name) == ("Pica pica", "Elster")
    assert found.lineage == (("class", "Aves"), ("species", "Pica pica"))
    assert pruned.tree.other_names.num_rows == 2


@pytest.mark.parametrize(
    ("ids", "parents", "says"),
    [
        (["a", "a"], [None, None], "same id: a"),
        (["a", "b"], [None, "z"], "1 rows name a parent that has no row: z"),
        (["a", "b", "c"], ["b", "a", None], "circle of parents"),
        (["a"], ["a"], "circle of parents"),
    ],
)
def test_a_table_that_is_no_tree_is_refused_by_the_row(
    ids: list[str], parents: list[str | None], says: str
) -> None:
    table = pa.table({"id": ids, "parent_id": pa.array(parents, pa.string()), "name": ids,
                      "rank": ids})  # fmt: skip
    with pytest.raises(UsageError, match=says):
        build_tree(table, INFO, RANKS)


@pytest.mark.shared_data
def test_no_species_of_the_rare_species_table_is_dropped_for_a_null_rank(shared_data: Path) -> None:
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
    rows, images = [], defaultdict(int)
    with (shared_data / "biodiversity/taxonomy/rare_species.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            species = f"{row['genus']} {row['species']}"
            rows.append({**row, "class": row["cls"], "species": species})
            images[species] += 1
    assert sum(images.values()) == 11_983
    tree = tree_from_lineages(rows, ranks, INFO)
    pruned = prune(tree, tree.leaves())
    assert {tree.name_of(node) for node in tree.leaves()} == set(images)
    shares = np.array([[images[tree.name_of(node)] for node in pruned.originals]]) / 11_983
    rolled = rolled_up(pruned, shares.astype(np.float32))[0]
    for rank in ranks[:-1]:
        column = "cls" if rank == "class" else rank
        for name in {row[column] for row in rows}:
            expected = sum(row[column] == name for row in rows) / 11_983
            nodes = named(pruned.tree, name, rank)
            assert sum(rolled[nodes]) == pytest.approx(expected) or not name
