"""The prompts of a taxon of a tree, against BioCLIP's rules worked out by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from fieldguide.data.routing import RoutedReader
from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.planning import Plan
from fieldguide.plugins import get_catalog
from fieldguide.taxonomy.build import build_tree
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.lookup import find_taxon
from fieldguide.taxonomy.prune import prune
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.zeroshot.choose_taxa import texts_of
from fieldguide.zeroshot.taxa import Taxa
from fieldguide_biodiversity.captions import captions_of
from fieldguide_biodiversity.default_tree import default_tree
from fieldguide_biodiversity.label_texts import label_texts, names_in
from fieldguide_biodiversity.taxa import RANKS
from fieldguide_biodiversity.text_types import FIVE

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.taxonomy.tree import Tree

WITH_SUBFAMILY = ("kingdom", "class", "order", "family", "subfamily", "genus", "species")
ROWS = [
    {"kingdom": "Animalia", "class": "Aves", "order": "Passeriformes", "family": "Muscicapidae",
     "subfamily": "Erithacinae", "genus": "Erithacus", "species": "Erithacus rubecula"},
    {"kingdom": "Animalia", "class": "Aves", "genus": "Pica"},
]  # fmt: skip
TAXA = [
    ("1", None, "Animalia", "kingdom"), ("2", "1", "Aves", "class"),
    ("3", "2", "Erithacus", "genus"), ("4", "3", "Erithacus rubecula", "species"),
    ("5", "4", "Erithacus rubecula superbus", "subspecies"),
]  # fmt: skip


@pytest.fixture(scope="module")
def birds() -> Tree:
    return tree_from_lineages(ROWS, WITH_SUBFAMILY, TreeInfo("birds"))


@pytest.fixture(scope="module")
def robins() -> Tree:
    """A tree with common names in two languages."""
    columns = dict(zip(("id", "parent_id", "name", "rank"), zip(*TAXA, strict=True), strict=True))
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    named = [("European robin", "en"), ("Rotkehlchen", "de"), ("redbreast", "en")]
    others = pa.table({
        "id": ["4"] * 3, "name": [name for name, _ in named], "kind": ["common"] * 3,
        "language": [language for _, language in named],
    })  # fmt: skip
    ranks = ("kingdom", "class", "genus", "species", "subspecies")
    return build_tree(table, TreeInfo("robins"), ranks, others)


@pytest.mark.parametrize(
    ("name", "taxonomic"),
    [
        ("Erithacus rubecula",
         "Animalia Aves Passeriformes Muscicapidae Erithacus rubecula"),
        ("Erithacinae", "Animalia Aves Passeriformes Muscicapidae Erithacinae"),
        ("Pica", "Animalia Aves Pica"),
        ("Animalia", "Animalia"),
    ],
)  # fmt: skip
def test_the_taxonomic_name_has_the_seven_ranks_and_the_taxon_itself(
    birds: Tree, name: str, taxonomic: str
) -> None:
    node = find_taxon(birds, name)
    assert label_texts(birds, node, "taxon") == [taxonomic]
    assert label_texts(birds, node, "sci") == [name]


def test_a_subspecies_says_its_genus_once(robins: Tree) -> None:
    node = find_taxon(robins, "Erithacus rubecula superbus")
    assert label_texts(robins, node, "taxon") == ["Animalia Aves Erithacus rubecula superbus"]


def test_common_names_come_in_the_language_that_is_asked_for(robins: Tree) -> None:
    robin = find_taxon(robins, "Erithacus rubecula")
    assert label_texts(robins, robin, "com") == ["European robin"]
    assert label_texts(robins, robin, "com", language="de") == ["Rotkehlchen"]
    assert label_texts(robins, robin, "com", language="fr") == ["Erithacus rubecula"]
    assert label_texts(robins, robin, "sci_com", language="de") == [
        "Erithacus rubecula with common name Rotkehlchen"
    ]


def test_by_default_all_common_names_and_the_group_are_prompts(robins: Tree) -> None:
    names = pa.table({"name": ["European robin", "robin redbreast", "Rotkehlchen"],
                      "node": pa.array([3, 3, 3], pa.int32()), "kind": ["common"] * 3,
                      "language": ["en", "en", "de"]})  # fmt: skip
    tree = replace(robins, other_names=names)
    robin = find_taxon(tree, "Erithacus rubecula")
    assert label_texts(tree, robin) == ["European robin", "robin redbreast", "bird"]
    assert label_texts(tree, robin, language="de") == ["Rotkehlchen"]


def test_a_common_name_whose_language_nobody_told_is_a_prompt_where_no_other_is(
    robins: Tree,
) -> None:
    names = pa.table({"name": ["robin"], "node": pa.array([3], pa.int32()),
                      "kind": ["common"], "language": [""]})  # fmt: skip
    tree = replace(robins, other_names=names)
    assert label_texts(tree, find_taxon(tree, "robin"), "com") == ["robin"]


def test_a_taxon_without_a_common_name_is_called_by_its_group(robins: Tree, birds: Tree) -> None:
    assert label_texts(robins, find_taxon(robins, "European robin"), "kind") == [
        "European robin, a kind of bird"
    ]
    assert label_texts(birds, find_taxon(birds, "Pica"), "kind") == ["Pica, a kind of bird"]
    assert label_texts(birds, find_taxon(birds, "Pica"), "kind", language="de") == ["Pica"]


def test_by_default_each_common_name_and_the_group_is_a_prompt(robins: Tree) -> None:
    robin = find_taxon(robins, "Erithacus rubecula")
    assert label_texts(robins, robin) == ["European robin", "redbreast", "bird"]
    assert label_texts(robins, robin, language="de") == ["Rotkehlchen"]
    assert label_texts(robins, find_taxon(robins, "Erithacus")) == ["Erithacus", "bird"]


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        ("bioclip", None, ["Animalia Aves Erithacus rubecula with common name European robin"]),
        ("bioclip_2", "sci", ["Erithacus rubecula"]),
        ("embedded_conse", None, ["European robin", "redbreast", "bird"]),
        ("embedded_conse", "sci", ["Erithacus rubecula"]),
    ],
)
def test_prompts_are_of_the_text_type_that_the_user_names_else_of_the_models(
    robins: Tree, model: str, said: str | None, expected: list[str]
) -> None:
    catalog = get_catalog()
    plan = Plan(RoutedReader({}, {}), None, catalog.registry.model(model), None, {})
    robin = prune(robins, np.array([find_taxon(robins, "Erithacus rubecula")]))
    texts = texts_of(catalog.domains["biodiversity"], said, "en")
    assert list(Taxa(robin, texts, text_type=said).prompts(plan)) == [expected]


def test_every_template_is_filled_with_every_text(robins: Tree) -> None:
    robin = find_taxon(robins, "Erithacus rubecula")
    assert label_texts(robins, robin, "sci_com", ["{}", "a photo of {}."]) == [
        "Erithacus rubecula with common name European robin",
        "a photo of Erithacus rubecula with common name European robin.",
    ]
    assert len(label_texts(robins, robin, "mix", ["openai_imagenet"])) == 5 * 80


def test_a_wrong_template_or_text_type_is_refused(robins: Tree) -> None:
    with pytest.raises(UsageError, match="needs exactly one"):
        label_texts(robins, 0, "com", ["a bird"])
    with pytest.raises(UnknownNameError, match="There are: com, sci, taxon"):
        label_texts(robins, 0, "latin")


def test_every_species_of_the_tree_that_ships_is_of_a_group_that_everybody_knows() -> None:
    tree = default_tree()
    without = [
        tree.name_of(int(node))
        for node in tree.leaves()
        if names_in(tree, int(node)).group in ("", "animal")
    ]
    assert without == []
    whale = find_taxon(tree, "grey whale")
    assert label_texts(tree, whale, "kind") == ["grey whale"]  # its name says it
    snipe = find_taxon(tree, "common snipe")
    assert label_texts(tree, snipe, "kind") == ["common snipe, a kind of bird"]


@pytest.mark.shared_data
def test_a_tree_of_the_rare_species_says_what_the_rows_say(shared_data: Path) -> None:
    path = shared_data / "biodiversity" / "taxonomy" / "rare_species.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list({row["class"]: row for row in csv.DictReader(stream)}.values())
    records: list[dict[str, Any]] = [
        {**row, "class": row["cls"], "species": f"{row['genus']} {row['species']}"} for row in rows
    ]
    tree = tree_from_lineages(records, RANKS, TreeInfo("rare species"))
    for row, record in zip(rows, records, strict=True):
        node = find_taxon(tree, record["species"], rank="species")
        names = names_in(tree, node)
        alone = {**row, "common_name": None}
        for text_type in ("sci", "taxon"):
            assert captions_of(alone, text_type) == (f"a photo of {FIVE[text_type](names)}.",)
