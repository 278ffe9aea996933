"""Files of sentences about classes: what is read, what is refused, what matches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide.zeroshot.description_files import load_descriptions, read_descriptions

if TYPE_CHECKING:
    from pathlib import Path


def test_sentences_are_matched_by_any_name_without_case_spaces_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "birds.json"
    path.write_text(json.dumps({"Black_footed_Albatross": ["a large dark seabird"], "Ani": ["b"]}))
    found = read_descriptions(path).match(
        {"black-footed albatross": [], "Crotophaga": ["ani"], "Puffin": []}
    )
    assert found.found["black-footed albatross"].texts() == ("a large dark seabird",)
    assert found.found["Crotophaga"].texts() == ("b",)
    assert found.without == ("Puffin",)
    assert found.unused == ()
    assert found.share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "content",
    [{"ani": ["a bird", "it is black"]}, {"ani": {"ani": ["a bird", "it is black"]}}],
)
def test_published_json_may_nest_a_class_in_its_name(tmp_path: Path, content: object) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(content))
    assert read_descriptions(path).classes[0].texts() == ("a bird", "it is black")


def test_a_table_has_a_taxon_a_kind_and_a_text_in_each_row(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text(
        "taxon,kind,text\nPica pica,appearance,black and white\nPica pica,Habitat,farmland\n"
        "Pica pica,appearance,a long tail\n"
    )
    (entry,) = read_descriptions(path).classes
    assert entry.sentences == {
        "appearance": ("black and white", "a long tail"), "habitat": ("farmland",)
    }  # fmt: skip
    assert entry.texts(["habitat"]) == ("farmland",)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "[1]", "no object of classes"),
        ("a.json", '{"a": 3}', "no list of sentences"),
        ("a.json", '{"a": []}', "has no sentence"),
        ("a.json", '{"a": ["  "]}', "has no sentence, or an empty one"),
        ("a.json", '{"a_b": ["x"], "A b": ["y"]}', "names both"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", json.dumps({"a": ["x" * 5000]}), "more than 4096 characters"),
        ("a.csv", "name,colour\na,b\n", "needs a column 'taxon' and a column 'text'"),
        ("a.csv", "taxon,text\na,\n", "line 2 has no class or no sentence"),
        ("a.csv", "taxon,text\n", "classes: "),
        ("a.yaml", "name: a", "not a description set"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.txt", "x", "is no description set: name a file in .yaml"),
    ],
)
def test_what_is_no_description_set_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError, match=reason):
        read_descriptions(path)


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.yaml"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        read_descriptions(tmp_path / name)


def test_a_set_that_nobody_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"There are: .*fish4knowledge_looks"):
        load_descriptions("birds", fg.get_catalog())


def test_every_set_that_ships_describes_each_class_of_its_class_set() -> None:
    catalog = fg.get_catalog()
    chosen = load_descriptions("fish4knowledge_looks", catalog)
    classes = load_class_set("fish4knowledge", catalog)
    found = chosen.match({entry.label: entry.names for entry in classes.classes})
    assert found.without == ()
    assert found.unused == ()
    assert set(chosen.kinds) == {"appearance", "habitat"}
    assert chosen.licence == "CC0-1.0"


@pytest.mark.shared_data
def test_the_published_sentences_of_eurosat_match_the_class_set(shared_data: Path) -> None:
    path = shared_data / "generic" / "class_descriptions" / "eurosat_descriptions.json"
    classes = load_class_set("eurosat", fg.get_catalog())
    names = {entry.label: (*entry.names, *entry.aliases) for entry in classes.classes}
    found = read_descriptions(path).match(names)
    assert found.share == 1
    assert found.unused == ()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "classes", "labels"),
    [("cub", 200, ("Black-footed Albatross", "laysan albatross", "Common_Yellowthroat")),
     ("flowers102", 102, ("Pink primrose", "canterbury bells")),
     ("cifar10", 10, ("airplane", "truck")),
     ("eurosat", 10, ("Forest", "River", "Sea or Lake"))],
)  # fmt: skip
def test_sets_that_were_published_load_and_match_lists_of_classes(
    shared_data: Path, name: str, classes: int, labels: tuple[str, ...]
) -> None:
    path = shared_data / "generic" / "class_descriptions" / f"{name}_descriptions.json"
    chosen = read_descriptions(path)
    assert len(chosen.labels) == classes
    assert sum(len(entry.texts()) for entry in chosen.classes) >= 40 * classes
    assert chosen.match({label: () for label in labels}).without == ()
