"""``fieldguide biodiversity taxonomy``: built trees, names and what they mean."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.taxonomy.tree_file import read_tree, write_tree
from fieldguide_biodiversity.checklists import open_tree
from fieldguide_biodiversity.checklists.match import accept_suggestion, match_names
from fieldguide_biodiversity.checklists.open_tree import read_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from fieldguide.taxonomy.tree import Tree

X = "\u00d7"
SOURCE = f"""taxonID,parentNameUsageID,acceptedNameUsageID,scientificName,taxonRank
1,,,Animalia,kingdom
2,1,,Turdidae,family
3,2,,"Turdus Linnaeus, 1758",genus
4,3,,"Turdus merula Linnaeus, 1758",species
5,3,,"Turdus migratorius Linnaeus, 1766",species
6,,4,"Merula vulgaris Selby, 1825",species
7,1,,"Oenanthe Vieillot, 1816",genus
10,,,Plantae,kingdom
11,10,,Oenanthe L.,genus
12,10,,Mentha {X} piperita L.,species
13,10,,Sterna alba A.,species
14,10,,Sterna alca A.,species
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def tree(source: Path) -> Tree:
    return read_taxonomy(source)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["biodiversity", "taxonomy", *map(str, arguments)])


def found_in(tree: Tree, text: str) -> tuple[str, list[str], str]:
    (match,) = match_names(tree, [text])
    return match.how, [str(tree.ids[node].as_py()) for node in match.nodes], match.note


@pytest.mark.parametrize(
    ("text", "how", "ids"),
    [
        ("Turdus merula", "exact", ["4"]),
        ("turdus_merula", "exact", ["4"]),
        ("Turdus merula Linnaeus, 1758", "exact", ["4"]),
        ("Turdus merula L.", "exact", ["4"]),
        ("Turdus (Merula) merula L.", "exact", ["4"]),
        ("Merula vulgaris", "synonym", ["4"]),
        ("Mentha x piperita", "exact", ["12"]),
        (f"Mentha {X}piperita L.", "exact", ["12"]),
        ("Mentha piperita", "exact", ["12"]),
        ("Oenanthe", "ambiguous", ["7", "11"]),
        ("Oenanthe L.", "exact", ["11"]),
        ("Turdus meruia", "none", []),
        ("", "none", []),
    ],
)
def test_a_name_as_people_write_it_is_found(
    tree: Tree, text: str, how: str, ids: list[str]
) -> None:
    assert found_in(tree, text) == (how, ids, "")


def test_a_name_that_is_not_determined_is_found_as_far_as_it_is_certain(tree: Tree) -> None:
    note = "determined to Turdus only (cf.)"
    assert found_in(tree, "Turdus cf. merula") == ("exact", ["3"], note)


def test_a_name_of_another_author_says_so(tree: Tree) -> None:
    note = "the tree has it by another author: Linnaeus, 1758"
    assert found_in(tree, "Turdus merula Vieillot") == ("exact", ["4"], note)


def test_a_typing_error_is_suggested_and_never_taken(tree: Tree) -> None:
    (match,) = match_names(tree, ["Turdus meruia"])
    assert match.node is None
    assert match.suggestions[0].name == "Turdus merula"
    taken = accept_suggestion(match)
    assert (taken.how, taken.note) == ("suggested", "taken for Turdus merula")


def test_two_names_that_are_as_near_are_not_taken_even_if_asked(tree: Tree) -> None:
    (match,) = match_names(tree, ["Sterna alxa"])
    assert {near.name for near in match.suggestions[:2]} == {"Sterna alba", "Sterna alca"}
    assert accept_suggestion(match) == match


def test_build_writes_a_tree_with_a_record_of_what_was_done(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "a.tree"
    done = run("build", source, "-o", output, "--name", "My list", "--licence", "CC0-1.0")
    assert done.exit_code == 0, done.output
    assert "11 taxa, My list, CC0-1.0" in done.output
    assert (read_tree(output).info.name, len(read_tree(output))) == ("My list", 11)
    record = json.loads((tmp_path / "a.tree.provenance.json").read_text())
    assert (record["taxa"], record["unread"]) == (11, {})


def test_build_ends_with_3_where_rows_cannot_be_read(tmp_path: Path, source: Path) -> None:
    source.write_text(SOURCE + "20,1\n")
    done = run("build", source, "-o", tmp_path / "a.tree")
    assert done.exit_code == 3
    assert "not read: 1 rows of list.csv with more or fewer cells" in done.output


def test_build_refuses_another_suffix_before_it_reads(tmp_path: Path) -> None:
    done = run("build", tmp_path / "missing.csv", "-o", tmp_path / "a.csv")
    assert isinstance(done.exception, UsageError)
    assert "does not end with .tree" in str(done.exception)


def test_show_counts_by_rank(tmp_path: Path, source: Path) -> None:
    assert run("build", source, "-o", tmp_path / "a.tree").exit_code == 0
    done = run("show", tmp_path / "a.tree")
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert {"kingdom 2 0", "family 1 0", "genus 3 2", "species 5 5", "synonyms: 1"} <= set(lines)


def test_find_says_what_a_name_means(source: Path) -> None:
    done = run("find", "Merula vulgaris", "--taxonomy", source)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "Turdus merula, species",
        "  lineage: kingdom Animalia > family Turdidae > genus Turdus > species Turdus merula",
        "  author: Linnaeus, 1758",
        "  synonyms: Merula vulgaris",
        "  id: 4",
        "  found by: synonym Merula vulgaris",
    ]


def test_find_lists_homonyms_and_suggests_for_typing_errors(source: Path) -> None:
    done = run("find", "Oenanthe", "Turdus merla", "Turdus", "--taxonomy", source)
    assert done.exit_code == 3
    assert "Oenanthe: 2 taxa. Choose by: Animalia/Oenanthe, Plantae/Oenanthe" in done.output
    assert "Turdus merla: no such name. Nearest: Turdus merula (species)" in done.output


def test_match_adds_columns_and_keeps_those_that_are_there(tmp_path: Path, source: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text('plot,species\n1.50,"Merula vulgaris"\n2,Turdus meruia\n3,\n007,Oenanthe\n')
    output = tmp_path / "matched.csv"
    done = run("match", table, "-o", output, "--column", "species", "--taxonomy", source)
    assert done.exit_code == 3, done.output
    with output.open(newline="") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    assert [row["plot"] for row in rows] == ["1.50", "2", "3", "007"]
    assert [row["name_match"] for row in rows] == ["synonym", "none", "none", "ambiguous"]
    assert rows[0]["accepted_name"] == "Turdus merula"
    assert rows[0]["accepted_family"] == "Turdidae"
    assert rows[0]["accepted_id"] == "4"
    assert rows[1]["name_suggestions"].split(" | ")[0] == "Turdus merula"
    assert rows[1]["accepted_name"] == ""
    assert rows[3]["name_suggestions"].count("genus Oenanthe") == 2


def test_match_takes_and_marks_suggestions_only_if_asked(tmp_path: Path, source: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("scientificName\nTurdus meruia\n")
    output = tmp_path / "matched.csv"
    done = run("match", table, "-o", output, "--taxonomy", source, "--accept-suggestions")
    assert done.exit_code == 0, done.output
    with output.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["name_match"], row["accepted_name"]) == ("suggested", "Turdus merula")


def test_match_names_the_columns_there_are(tmp_path: Path, source: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("Species\nTurdus merula\n")
    done = run("match", table, "-o", tmp_path / "out.csv", "--taxonomy", source)
    assert isinstance(done.exception, UsageError)
    assert "no column 'scientificName'. It has 'Species'" in str(done.exception)


def test_a_large_source_has_to_be_built_first(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_tree, "MAX_SOURCE_BYTES", 10)
    with pytest.raises(UsageError, match=r"taxonomy build .*list\.csv -o NAME\.tree"):
        read_taxonomy(source)


def test_a_built_tree_is_read_whatever_its_size(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tree, tmp_path / "a.tree")
    monkeypatch.setattr(open_tree, "MAX_SOURCE_BYTES", 10)
    assert len(read_taxonomy(tmp_path / "a.tree")) == len(tree)
