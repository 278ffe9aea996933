from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.errors import AmbiguousNameError, UnknownNameError, UsageError
from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.lookup import describe, find_taxon, meanings, suggest
from fieldguide.taxonomy.tree import Tree, TreeInfo

RANKS = ("kingdom", "class", "family", "genus", "subgenus", "species")

# id, parent, name, rank, authorship
TAXA = [
    ("1", None, "Animalia", "kingdom", ""),
    ("2", "1", "Aves", "class", ""),
    ("3", "2", "Muscicapidae", "family", ""),
    ("4", "3", "Oenanthe", "genus", "Vieillot, 1816"),
    ("5", "4", "Oenanthe oenanthe", "species", "(Linnaeus, 1758)"),
    ("6", "2", "Turdidae", "family", ""),
    ("7", "6", "Turdus", "genus", "Linnaeus, 1758"),
    ("8", "7", "Turdus", "subgenus", "Linnaeus, 1758"),
    ("9", "8", "Turdus merula", "species", "Linnaeus, 1758"),
    ("10", "8", "Turdus migratorius", "species", "Linnaeus, 1766"),
    ("11", "1", "Ursidae", "family", ""),
    ("12", "11", "Ursus arctos", "species", "Linnaeus, 1758"),
    ("20", None, "Plantae", "kingdom", ""),
    ("21", "20", "Apiaceae", "family", ""),
    ("22", "21", "Oenanthe", "genus", "L."),
    ("23", "21", "Cicuta", "genus", "L."),
    ("24", "21", "Cicuta", "genus", "Mill."),
    ("25", "20", "Grass/Shrub: mixed", None, ""),
]
OTHER = [
    ("Merula merula", "9", "synonym", ""),
    ("common blackbird", "9", "common", "en"),
    ("Amsel", "9", "common", "de"),
    ("Turdus", "12", "synonym", ""),
    ("robin", "10", "common", "en"),
    ("robin", "5", "common", "en"),
    ("Merula merula", "12", "common", "xx"),
]


@pytest.fixture(scope="module")
def tree() -> Tree:
    columns = ("id", "parent_id", "name", "rank", "authorship")
    taxa = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in TAXA])
    columns = ("name", "id", "kind", "language")
    other = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in OTHER])
    return build_tree(taxa, TreeInfo("a garden"), RANKS, other)


def source_id(tree: Tree, text: str, rank: str | None = None) -> str:
    found: str = tree.ids[find_taxon(tree, text, rank=rank)].as_py()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Aves", "2"),
        ("aVES", "2"),
        (" Turdus  merula ", "9"),
        ("Turdus_merula", "9"),
        ("Merula merula", "9"),  # the synonym comes before another's common name
        ("amsel", "9"),
        ("Common Blackbird", "9"),
        ("Turdus merula Linnaeus, 1758", "9"),
        ("Oenanthe L.", "22"),
        ("oenanthe vieillot, 1816", "4"),
        ("genus:Turdus", "7"),
        ("Genus: turdus", "7"),
        ("subgenus:Turdus", "8"),
        ("Plantae/Oenanthe", "22"),
        ("animalia/aves/oenanthe", "4"),
        ("genus:Apiaceae/Oenanthe", "22"),
        ("Muscicapidae/robin", "5"),
        ("id:24", "24"),
        ("Grass/Shrub: mixed", "25"),
    ],
)
def test_a_name_finds_its_taxon(tree: Tree, text: str, expected: str) -> None:
    assert source_id(tree, text) == expected


def test_a_parent_that_two_taxa_of_one_name_share_does_not_choose(tree: Tree) -> None:
    with pytest.raises(AmbiguousNameError):
        find_taxon(tree, "Aves/robin")


def test_an_error_lists_ten_taxa_and_counts_the_rest() -> None:
    rows = [{"id": str(i), "parent_id": None, "name": "Aa", "rank": "genus"} for i in range(13)]
    schema = pa.schema([(name, pa.string()) for name in rows[0]])
    tree = build_tree(pa.Table.from_pylist(rows, schema), TreeInfo("t"), ("genus",))
    with pytest.raises(AmbiguousNameError) as caught:
        find_taxon(tree, "aa")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("'aa' names 13 taxa")
    assert lines[1:3] == ["  'id:0': genus Aa", "  'id:1': genus Aa"]
    assert (len(lines), lines[-1]) == (12, "  and 3 more")


def test_a_canonical_name_comes_before_the_same_synonym(tree: Tree) -> None:
    assert source_id(tree, "Turdus", rank="genus") == "7"


def test_a_rank_chooses_among_homonyms(tree: Tree) -> None:
    assert source_id(tree, "Turdus", rank="subgenus") == "8"


def test_a_rank_lets_a_surer_name_of_another_rank_pass(tree: Tree) -> None:
    assert source_id(tree, "Turdus", rank="species") == "12"


def test_homonyms_are_listed_with_lineages_and_what_to_type(tree: Tree) -> None:
    with pytest.raises(UsageError) as caught:
        find_taxon(tree, "oenanthe")
    assert str(caught.value).splitlines() == [
        "'oenanthe' names 2 taxa in a garden. Choose one of:",
        "  'Muscicapidae/Oenanthe': genus Oenanthe (Animalia > Aves > Muscicapidae)",
        "  'Apiaceae/Oenanthe': genus Oenanthe (Plantae > Apiaceae)",
    ]


@pytest.mark.parametrize("text", ["oenanthe", "Turdus", "Cicuta", "robin"])
def test_what_an_error_offers_to_type_names_one_taxon_each(tree: Tree, text: str) -> None:
    with pytest.raises(AmbiguousNameError) as caught:
        find_taxon(tree, text)
    offered = [line.split("'")[1] for line in str(caught.value).splitlines()[1:]]
    found = {find_taxon(tree, typed) for typed in offered}
    assert len(found) == len(offered) == 2


def test_an_unknown_name_is_an_error_with_the_nearest_names(tree: Tree) -> None:
    with pytest.raises(UnknownNameError, match="no taxon called 'Ursus arctus'") as caught:
        find_taxon(tree, "Ursus arctus")
    assert "Ursus arctos (species)" in str(caught.value)


def test_a_name_like_no_other_says_so(tree: Tree) -> None:
    with pytest.raises(UnknownNameError, match="No name is like it"):
        find_taxon(tree, "xxxxxxxxxxxxxxxxxxxxxx")


def test_an_empty_name_finds_nothing(tree: Tree) -> None:
    with pytest.raises(UnknownNameError):
        find_taxon(tree, "  ")


def test_an_unknown_rank_lists_the_ranks(tree: Tree) -> None:
    with pytest.raises(UnknownNameError, match=r"no rank 'tribe'.*kingdom, class"):
        find_taxon(tree, "Aves", rank="tribe")


def test_swapped_letters_are_suggested_by_the_synonym_that_they_mean(tree: Tree) -> None:
    best = suggest(tree, "Merula merual", limit=1)[0]
    assert (best.name, tree.ids[best.node].as_py(), best.kind) == ("Merula merula", "9", "synonym")
    assert best.similarity == pytest.approx(1 - 1 / 13)  # one swap in 13 letters


def test_a_part_of_a_name_suggests_the_whole(tree: Tree) -> None:
    near = suggest(tree, "blackbird")[0]
    assert (near.name, near.similarity) == ("common blackbird", pytest.approx(9 / 16))


def test_suggestions_name_each_taxon_once_and_the_best_first(tree: Tree) -> None:
    found = suggest(tree, "Turdus merulq")
    assert len({near.node for near in found}) == len(found)
    assert [near.similarity for near in found] == sorted(
        (near.similarity for near in found), reverse=True
    )


def test_many_names_mean_what_each_means_alone(tree: Tree) -> None:
    texts = ["Aves", "nothing", "amsel", "oenanthe", "Plantae/Oenanthe", "Merula merula", "Aves"]
    assert meanings(tree, texts) == [meanings(tree, [text])[0] for text in texts]


def test_a_taxon_is_described_by_its_lineage(tree: Tree) -> None:
    assert describe(tree, find_taxon(tree, "Animalia")) == "kingdom Animalia"
    assert describe(tree, find_taxon(tree, "id:25")) == "unranked Grass/Shrub: mixed (Plantae)"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("aAbB_ é"), min_size=1, max_size=4), st.data())
def test_names_are_found_exactly_where_a_slow_search_finds_them(
    letters: list[str], data: st.DataObject
) -> None:
    words = st.text("aAbBé ", min_size=1, max_size=3).filter(str.strip)
    names = data.draw(st.lists(words, min_size=1, max_size=8))
    table = pa.table(
        {
            "id": [str(place) for place in range(len(names))],
            "parent_id": pa.array([None] * len(names), pa.string()),
            "name": names,
            "rank": pa.array([None] * len(names), pa.string()),
        }
    )
    tree = build_tree(table, TreeInfo("t"), ("r",))
    text = "".join(letters)

    def plain(name: str) -> str:
        return " ".join(name.replace("_", " ").split()).lower()

    expected = tuple(place for place, name in enumerate(names) if plain(name) == plain(text))
    assert meanings(tree, [text])[0].nodes == expected
