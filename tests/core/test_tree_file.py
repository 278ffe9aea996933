from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.errors import UsageError
from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.lookup import meanings
from fieldguide.taxonomy.tree import Tree, TreeInfo
from fieldguide.taxonomy.tree_file import is_tree_file, read_tree, write_tree

if TYPE_CHECKING:
    from pathlib import Path

INFO = TreeInfo("birds", "2.0", "https://example.org/birds", "CC0-1.0")
RANKS = ("class", "genus", "species")
TAXA = pa.schema(
    [(name, pa.string()) for name in ("id", "parent_id", "name", "rank", "authorship")]
)
OTHER = pa.schema([(name, pa.string()) for name in ("id", "name", "kind", "language")])


def make_tree(taxa: list[tuple[str | None, ...]], other: list[tuple[str, ...]]) -> Tree:
    rows = [dict(zip(TAXA.names, row, strict=True)) for row in taxa]
    names = [dict(zip(OTHER.names, row, strict=True)) for row in other]
    return build_tree(
        pa.Table.from_pylist(rows, TAXA), INFO, RANKS, pa.Table.from_pylist(names, OTHER)
    )


@pytest.fixture
def tree() -> Tree:
    return make_tree(
        [
            ("a", None, "Aves", "class", ""),
            ("t", "a", "Turdus", "genus", "Linnaeus, 1758"),
            ("m", "t", "Turdus merula", "species", "Linnaeus, 1758"),
            ("x", "a", "incertae", None, ""),
            ("p", None, "Plantae", None, ""),
        ],
        [
            ("m", "Amsel", "common", "de"),
            ("m", "Merula vulgaris", "synonym", ""),
            ("a", "birds", "common", "en"),
        ],
    )


def assert_same(tree: Tree, other: Tree) -> None:
    assert (tree.info, tree.ranks) == (other.info, other.ranks)
    for name in ("names", "ids", "authorships", "other_names"):
        assert getattr(tree, name).equals(getattr(other, name)), name
    for name in ("rank_codes", "parents", "ends"):
        assert getattr(tree, name).dtype == getattr(other, name).dtype
        assert np.array_equal(getattr(tree, name), getattr(other, name)), name


def test_a_tree_comes_back_as_it_was(tree: Tree, tmp_path: Path) -> None:
    write_tree(tree, tmp_path / "birds.tree")
    assert_same(read_tree(tmp_path / "birds.tree"), tree)


def test_the_columns_of_a_read_tree_are_mapped_and_not_copied(tree: Tree, tmp_path: Path) -> None:
    write_tree(tree, tmp_path / "birds.tree")
    before = pa.total_allocated_bytes()
    read = read_tree(tmp_path / "birds.tree")
    assert not read.parents.flags.writeable
    # all that is made in memory: a node (4 bytes) for each other name
    assert pa.total_allocated_bytes() - before <= 64 * 4


def test_a_tree_file_is_known_by_how_it_begins(tree: Tree, tmp_path: Path) -> None:
    write_tree(tree, tmp_path / "birds.tree")
    (tmp_path / "other.tree").write_text("id,name\n")
    assert is_tree_file(tmp_path / "birds.tree")
    assert not is_tree_file(tmp_path / "other.tree")
    assert not is_tree_file(tmp_path / "missing.tree")
    assert not is_tree_file(tmp_path)


def test_another_suffix_is_refused_before_anything_is_written(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not end with \.tree"):
        write_tree(tree, tmp_path / "birds.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"id,name\n1,Aves\n", b"ARROW1\0\0", b"PK\x03\x04"])
def test_a_foreign_file_is_an_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "birds.tree"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"birds\.tree is no tree, or it is damaged"):
        read_tree(path)


def test_an_arrow_file_of_something_else_is_no_tree(tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    with pa.ipc.new_file(str(tmp_path / "a.tree"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UsageError, match="is no tree"):
        read_tree(tmp_path / "a.tree")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_tree(tmp_path / "a.tree")


def test_a_file_of_a_later_version_asks_for_an_upgrade(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "birds.tree"
    write_tree(tree, path)
    path.write_bytes(path.read_bytes().replace(b'"version": 1,', b'"version": 9,'))
    with pytest.raises(UsageError, match="pip install --upgrade"):
        read_tree(path)


def test_a_truncated_file_is_an_error_at_every_length(tree: Tree, tmp_path: Path) -> None:
    write_tree(tree, tmp_path / "whole.tree")
    content = (tmp_path / "whole.tree").read_bytes()
    path = tmp_path / "cut.tree"
    for length in range(0, len(content), 61):
        path.write_bytes(content[:length])
        with pytest.raises(UsageError):
            read_tree(path)


@pytest.mark.parametrize(
    ("column", "place", "value"),
    [
        ("parent", 2, 3),
        ("parent", 1, -2),
        ("end", 1, 5),
        ("end", 0, 3),
        ("end", 2, 2),
        ("rank", 0, 7),
    ],
)
def test_a_file_whose_numbers_make_no_tree_is_an_error(
    tree: Tree, tmp_path: Path, column: str, place: int, value: int
) -> None:
    path = tmp_path / "birds.tree"
    write_tree(tree, path)
    with pa.memory_map(str(path)) as mapped:
        table = pa.ipc.open_file(mapped).read_all()
        values = table.column(column).to_pylist()
        values[place] = value
        field = table.schema.field(column)
        changed = table.set_column(
            table.schema.get_field_index(column), field, pa.array(values, field.type)
        )
        with pa.ipc.new_file(str(tmp_path / "bad.tree"), table.schema) as writer:
            writer.write_table(changed)
    with pytest.raises(UsageError, match="damaged"):
        read_tree(tmp_path / "bad.tree")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_random_tree_comes_back_and_all_its_names_are_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    count = data.draw(st.integers(1, 30))
    parents = [data.draw(st.integers(-1, place - 1)) for place in range(count)]
    order = data.draw(st.permutations(range(count)))
    taxa = [
        (str(i), None if parents[i] < 0 else str(parents[i]), f"Taxon {i}", None, f"Author {i}")
        for i in order
    ]
    owners = data.draw(st.lists(st.integers(0, count - 1), max_size=10))
    other = [(str(i), f"name {k}", "common", "en") for k, i in enumerate(owners)]
    tree = make_tree(taxa, other)
    path = tmp_path_factory.mktemp("trees") / "a.tree"
    write_tree(tree, path)
    read = read_tree(path)
    assert_same(read, tree)
    asked = [f"taxon {i}" for i in range(count)] + [f"name {k}" for k in range(len(owners))]
    expected = [*map(str, range(count)), *map(str, owners)]
    found = meanings(read, asked)
    assert [[read.ids[node].as_py() for node in one.nodes] for one in found] == [
        [owner] for owner in expected
    ]
