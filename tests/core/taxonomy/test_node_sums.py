"""Sums of labels to taxa, label by label in the rows, against sums written out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.group_sums import MEMBERS_AT_ONCE, GroupSums
from fieldguide.taxonomy.node_sums import NodeSums
from fieldguide.taxonomy.prune import Pruned, prune
from fieldguide.taxonomy.tree import TreeInfo


@st.composite
def labelled_trees(draw: st.DrawFn) -> Pruned:
    """Return a ragged forest, some taxa of which, inner ones too, are labels."""
    size = draw(st.integers(1, 40))
    parents = [draw(st.integers(-1, node - 1)) for node in range(size)]
    texts = {
        "id": [str(node) for node in range(size)],
        "parent_id": [None if parent < 0 else str(parent) for parent in parents],
        "name": [f"taxon {node}" for node in range(size)],
        "rank": [None] * size,
    }
    table = pa.table({name: pa.array(column, pa.string()) for name, column in texts.items()})
    tree = build_tree(table, TreeInfo("test"), ("rank",))
    nodes = draw(st.sets(st.integers(0, size - 1), min_size=1))
    return prune(tree, np.array(sorted(nodes)))


@given(labelled_trees())
def test_the_weight_of_a_taxon_is_that_of_all_labels_within_it(pruned: Pruned) -> None:
    weights = np.random.default_rng(0).random((len(pruned.labels), 3), dtype=np.float32)
    nodes = np.arange(len(pruned.tree))

    sums = NodeSums(pruned)
    found = sums.pick(nodes, weights, sums(weights))

    for node in nodes:
        within = [pruned.tree.is_within(int(label), int(node)) for label in pruned.labels]
        assert found[node] == pytest.approx(weights[within].astype(float).sum(axis=0), rel=1e-5)


@given(st.lists(st.integers(-1, 5), min_size=1, max_size=60))
def test_a_group_has_the_sum_of_its_rows_and_an_empty_one_zero(owners: list[int]) -> None:
    rows = np.random.default_rng(0).random((len(owners), 2), dtype=np.float32)

    found = GroupSums(np.array(owners), 6)(rows)

    for group in range(6):
        members = [row for row, owner in zip(rows, owners, strict=True) if owner == group]
        assert found[group] == pytest.approx(np.sum(members, axis=0) if members else np.zeros(2))


def test_a_million_equal_rows_keep_the_digits_of_single_precision() -> None:
    count = MEMBERS_AT_ONCE**2 * 15 + 17
    rows = np.full((count, 1), 0.1, np.float32)

    (found,) = GroupSums(np.zeros(count, np.int64), 1)(rows)[:, 0]

    assert found == pytest.approx(count * float(np.float32(0.1)), rel=1e-5)
