"""Search among the rows whose names belong to a clade of a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.plugins import get_catalog
from fieldguide.retrieval.in_clade import InClade
from fieldguide.retrieval.lance_index import LanceIndex
from fieldguide.retrieval.row_filters import NearPlace, narrowed
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.tree import Tree, TreeInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SPACE = SpaceId(model="small", encoder="e1", contract="c", pooling="p", dim=4)
RANKS = ("kingdom", "class", "order", "family", "genus", "species")
LINEAGES = [
    ("Animalia", "Insecta", "Odonata", "Aeshnidae", "Anax", "Anax imperator"),
    ("Animalia", "Insecta", "Odonata", None, None, "Ischnura elegans"),
    ("Animalia", "Insecta", "Lepidoptera", "Pieridae", "Pieris", "Pieris rapae"),
    ("Animalia", "Aves", "Suliformes", "Sulidae", "Morus", "Morus bassanus"),
    ("Plantae", None, "Rosales", "Moraceae", "Morus", "Morus alba"),
]
ROWS: list[dict[str, Any]] = [
    {"scientificName": "Anax imperator"},
    {"scientificName": "  ANAX imperator"},
    {"scientificName": "Ischnura_elegans"},
    {"scientificName": "Pieris rapae"},
    {"scientificName": "Morus"},
    {"scientificName": "Morus", "order": "Suliformes"},
    {"scientificName": "Nessie's o'Loch\"; DROP TABLE items"},
    {"order": "Odonata"},
    {"note": "a stone"},
    {"scientificName": 7},
]


@pytest.fixture(scope="module")
def tree() -> Tree:
    records = [dict(zip(RANKS, lineage, strict=True)) for lineage in LINEAGES]
    return tree_from_lineages(records, RANKS, TreeInfo("a small tree"))


@pytest.fixture
def index(tmp_path: Path) -> LanceIndex:
    return an_index(tmp_path / "photos.fg", ROWS)


def an_index(folder: Path, metadata: Sequence[Mapping[str, Any]]) -> LanceIndex:
    raw = np.random.default_rng(0).normal(size=(len(metadata), 4))
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    rows = [Row(Item(f"{n}", f"{n}.jpg"), metadata=dict(m)) for n, m in enumerate(metadata)]
    index = LanceIndex.create(folder, SPACE, {"domain": "biodiversity"})
    with index:
        index.add(rows, ["" for _ in rows], Embeddings(unit, SPACE))
    return index


def found(index: LanceIndex, *filters: Any, k: int = 100) -> tuple[set[int], tuple[str, ...]]:
    condition, notes = narrowed(index, get_catalog().domains["biodiversity"], None, filters)
    query = Embeddings(np.eye(4, dtype=np.float32)[:1], SPACE)
    return {int(match.id) for match in index.search(query, k, condition)}, notes


@pytest.mark.parametrize(
    ("clades", "rows"),
    [
        (("Odonata",), {0, 1, 2, 7}),
        (("insecta",), {0, 1, 2, 3, 7}),
        (("Anax imperator",), {0, 1}),
        (("Aves",), {5}),  # by its order; "Morus" alone is a bird and a mulberry
        (("Aves/Morus",), set()),
        (("Lepidoptera", "Aves"), {3, 5}),
        (("Animalia", "Plantae"), {0, 1, 2, 3, 4, 5, 7}),
    ],
)
def test_rows_of_a_clade_are_found_however_they_are_named(
    index: LanceIndex, tree: Tree, clades: tuple[str, ...], rows: set[int]
) -> None:
    assert found(index, InClade(tree, clades))[0] == rows


def test_a_list_of_names_is_a_clade_too(index: LanceIndex, tree: Tree, tmp_path: Path) -> None:
    names = tmp_path / "wanted.txt"
    names.write_text("Odonata\nPieris rapae\n")
    assert found(index, InClade(tree, (str(names),)))[0] == {0, 1, 2, 3, 7}


def test_names_that_say_nothing_are_counted(index: LanceIndex, tree: Tree) -> None:
    _, notes = found(index, InClade(tree, ("Aves",), column="scientificname"))
    assert notes[0] == "3 rows have no scientificName and cannot be found"
    assert notes[1].startswith("1 name is not in a small tree (1 times in the index): ")
    assert notes[2].startswith("1 name is of several taxa, not all in the clade")


def test_the_clade_comes_before_the_best_are_taken(tmp_path: Path, tree: Tree) -> None:
    rows = [{"label": "Pieris rapae" if n % 97 else "Anax imperator"} for n in range(970)]
    filters = (InClade(tree, ("Odonata",)),)
    assert len(found(an_index(tmp_path / "many.fg", rows), *filters, k=10)[0]) == 10


def test_a_clade_and_a_place_apply_together(tmp_path: Path, tree: Tree) -> None:
    rows = [{"label": name, "decimalLatitude": lat, "decimalLongitude": 0.0}
            for name in ("Anax imperator", "Pieris rapae") for lat in (10.0, 60.0)]  # fmt: skip
    index = an_index(tmp_path / "photos.fg", rows)
    assert found(index, InClade(tree, ("Odonata",)), NearPlace("60,0", 5)) == ({1}, ())


@pytest.mark.parametrize(
    "name", ["Odonatta", "Morus", "'; DROP TABLE items --", "", "region:GB", "no.csv"]
)
def test_a_clade_that_names_no_one_taxon_is_refused(tree: Tree, name: str) -> None:
    with pytest.raises(UsageError) as error:
        InClade(tree, (name,))
    if name == "Odonatta":
        assert "Odonata" in str(error.value)


def test_an_index_without_names_says_which_columns_it_has(tmp_path: Path, tree: Tree) -> None:
    index = an_index(tmp_path / "photos.fg", [{"note": "x", "city": "Rome"}])
    with pytest.raises(UsageError, match=r"city, note.*--taxon-column"):
        found(index, InClade(tree, ("Aves",)))
    with pytest.raises(UsageError, match="no column 'nam'"):
        found(index, InClade(tree, ("Aves",), column="nam"))
