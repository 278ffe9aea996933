"""The default tree: its tables agree with themselves, with ImageNet and with the data sets."""

from __future__ import annotations

import csv
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
import yaml

from fieldguide.errors import FieldguideError, UsageError
from fieldguide.taxonomy.lookup import find_taxon
from fieldguide_biodiversity.default_tree import (
    FOLDER,
    LANGUAGES,
    default_tree,
    imagenet_taxa,
    read_tables,
)
from fieldguide_biodiversity.taxa import RANKS

if TYPE_CHECKING:
    from pathlib import Path

TREE = default_tree()
NODES = range(len(TREE))
ORGANISMS = (*range(398), *range(936, 958), *range(984, 999))
"""Of ImageNet's classes in their order: animals, plants with fruit and vegetables, fungi."""


def imagenet_names() -> list[str]:
    text = files("fieldguide.models").joinpath("data/imagenet_class_names.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_every_organism_of_imagenet_has_a_taxon() -> None:
    by_class = imagenet_taxa(TREE)
    missing = []
    for number in ORGANISMS:
        name = imagenet_names()[number]
        try:
            by_class.get(name) or find_taxon(TREE, name)
        except FieldguideError as error:
            missing.append(str(error))
    assert not missing


@pytest.mark.parametrize(
    ("name", "taxon"),
    [
        ("tench", "Tinca tinca"),
        ("Border Collie", "Canis familiaris"),
        ("tabby cat", "Felis catus"),
        ("hummingbird", "Trochilidae"),
        ("trilobite", "Trilobita"),
        ("yellow lady's slipper", "Cypripedium parviflorum"),
        ("hen of the woods", "Grifola frondosa"),
    ],
)
def test_a_class_of_imagenet_is_the_taxon_that_wordnet_defines(name: str, taxon: str) -> None:
    assert TREE.name_of(find_taxon(TREE, name)) == taxon


def test_words_that_are_narrower_than_a_taxon_are_no_names_of_it() -> None:
    assert TREE.name_of(imagenet_taxa(TREE)["otter"]) == "Mustelidae"
    with pytest.raises(UsageError, match="Lutra lutra"):
        find_taxon(TREE, "otter")


def test_all_classes_of_the_table_are_classes_of_imagenet() -> None:
    assert set(imagenet_taxa(TREE)) <= set(imagenet_names())


def test_every_label_of_fish4knowledge_is_a_taxon_and_so_are_its_names() -> None:
    prompts = files("fieldguide_biodiversity").joinpath("prompts/fish4knowledge.yaml")
    for entry in yaml.safe_load(prompts.read_text("utf-8"))["classes"]:
        node = find_taxon(TREE, entry["label"])
        assert TREE.name_of(node) == entry["label"]
        assert {find_taxon(TREE, name) for name in entry["names"]} == {node}


@pytest.mark.parametrize(
    "name", ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]
)
def test_every_animal_of_coco_is_found(name: str) -> None:
    assert find_taxon(TREE, name) >= 0


@pytest.mark.parametrize(
    "text",
    ["common blackbird", "Amsel", "merle noir", "mirlo común", "TURDUS MERULA"],
)
def test_a_species_is_found_by_its_names_in_four_languages(text: str) -> None:
    assert TREE.name_of(find_taxon(TREE, text)) == "Turdus merula"


@pytest.mark.parametrize(
    ("old", "accepted"),
    [
        ("Parus caeruleus", "Cyanistes caeruleus"),
        ("Canis lupus familiaris", "Canis familiaris"),
        ("Felis concolor", "Puma concolor"),
        ("Citrus sinensis", "Citrus \u00d7 sinensis"),
        ("Compositae", "Asteraceae"),
    ],
)
def test_names_that_are_still_typed_lead_to_the_accepted_ones(old: str, accepted: str) -> None:
    assert TREE.name_of(find_taxon(TREE, old)) == accepted


def test_the_genus_of_a_species_is_the_first_word_of_its_name() -> None:
    for node in NODES:
        if TREE.rank_of(node) == "species":
            assert TREE.name_of(TREE.parents[node]) == TREE.name_of(node).split()[0]


def test_every_taxon_has_a_rank_below_that_of_its_parent() -> None:
    for node in NODES:
        lineage = [RANKS.index(TREE.rank_of(above)) for above in TREE.lineage(node)]
        assert lineage == sorted(set(lineage))


def test_no_name_stands_twice_in_a_kingdom() -> None:
    counts = Counter((TREE.lineage(node)[0], TREE.name_of(node)) for node in NODES)
    assert counts.most_common(1)[0][1] == 1


def test_only_three_families_of_reef_fish_have_no_order() -> None:
    lacking = {
        TREE.name_of(node)
        for node in NODES
        if TREE.rank_of(node) == "family" and TREE.ancestor_at(node, "order") is None
    }
    assert lacking == {"Pomacentridae", "Pomacanthidae", "Siganidae"}


def test_every_species_has_an_english_name() -> None:
    unnamed = [
        TREE.name_of(node)
        for node in NODES
        if TREE.rank_of(node) == "species" and not TREE.common_name(node, "en")
    ]
    assert not unnamed


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_common_name_means_two_taxa(language: str) -> None:
    owners: dict[str, set[int]] = {}
    for row in TREE.other_names.to_pylist():
        if row["language"] == language:
            owners.setdefault(row["name"].casefold(), set()).add(row["node"])
    assert not {name for name, nodes in owners.items() if len(nodes) > 1}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.csv")), ids=lambda path: path.name)
def test_no_row_of_a_table_has_too_many_cells_or_spaces_around_names(path: Path) -> None:
    header, *rows = csv.reader(path.read_text("utf-8").splitlines())
    for row in rows:
        assert len(row) <= len(header)
        assert all(cell == cell.strip() for cell in row)


def test_a_family_without_a_row_is_named(tmp_path: Path) -> None:
    for name, header in (
        ("higher", "name,rank,parent,en,de,fr,es,synonyms\nAves,class,,birds,,,,"),
        ("taxa", "name,family,en,de,fr,es,synonyms\nPica pica,Corvidae,magpie,,,,"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.csv").write_text(header, "utf-8")
    with pytest.raises(UsageError, match="Corvidae"):
        read_tables(tmp_path)


def test_the_licence_of_the_tables_is_stated() -> None:
    assert TREE.info.licence == "CC0-1.0"
    assert "CC0" in (FOLDER / "README.md").read_text("utf-8")
