from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from fieldguide.errors import UsageError
from fieldguide_biodiversity.checklists import bounded, delimited
from fieldguide_biodiversity.checklists.match_table import match_table
from fieldguide_biodiversity.checklists.read import build
from fieldguide_biodiversity.default_tree import default_tree

if TYPE_CHECKING:
    from pathlib import Path

META = """<archive xmlns="http://rs.tdwg.org/dwc/text/"><core fieldsTerminatedBy="{mark}"
  fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/{row_type}">
  <files><location>{location}</location></files><id index="0"/>
  <field index="0" term="http://rs.tdwg.org/dwc/terms/taxonID"/>
  <field index="1" term="http://rs.tdwg.org/dwc/terms/parentNameUsageID"/>
  <field index="2" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
  <field index="3" term="http://rs.tdwg.org/dwc/terms/acceptedNameUsageID"/></core></archive>"""
HEAD = "id\tparent\tname\taccepted\n"
TABLE = HEAD + "1\t\tAves\t\n2\t1\tTurdus\t\n"


def meta(location: str = "t.txt", mark: str = "\\t", row_type: str = "Taxon") -> str:
    return META.format(location=location, mark=mark, row_type=row_type)


def archive(folder: Path, text: str = TABLE, described: str | None = None) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("meta.xml", meta() if described is None else described)
        opened.writestr("t.txt", text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        build(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


def test_the_archive_that_the_others_spoil_is_good(tmp_path: Path) -> None:
    assert len(build(archive(tmp_path)).tree) == 2


@pytest.mark.parametrize("location", ["../secret.txt", "/etc/passwd", "a/../../b", "C:\\a", ""])
def test_a_table_outside_the_archive_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.txt").write_text(TABLE)
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "meta.xml").write_text(meta(location))
    assert "outside of it" in refusal(folder)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(TABLE)
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "meta.xml").write_text(meta())
    (folder / "t.txt").symlink_to(tmp_path / "secret.txt")
    assert "outside of it" in refusal(folder)


@pytest.mark.parametrize(
    "start",
    ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE a [<!ENTITY a "aaa">]>'],
)
def test_entities_and_document_types_are_refused(tmp_path: Path, start: str) -> None:
    assert "Remove the declaration" in refusal(archive(tmp_path, described=start + meta()))


@pytest.mark.parametrize("text", ["", "<archive", "no xml", "<archive/>", "<a><core/><core/></a>"])
def test_a_broken_description_is_refused(tmp_path: Path, text: str) -> None:
    assert "meta.xml" in refusal(archive(tmp_path, described=text))


def test_an_archive_of_occurrences_is_said_to_be_one(tmp_path: Path) -> None:
    message = refusal(archive(tmp_path, described=meta(row_type="Occurrence")))
    assert "archive of occurrence" in message


def test_fields_that_end_with_two_characters_are_refused(tmp_path: Path) -> None:
    assert "one character" in refusal(archive(tmp_path, described=meta(mark="||")))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    assert "'gone.txt'" in refusal(archive(tmp_path, described=meta("gone.txt")))


def test_a_truncated_archive_is_an_error_at_every_length(tmp_path: Path) -> None:
    content = archive(tmp_path).read_bytes()
    path = tmp_path / "cut.zip"
    for length in range(0, len(content), 29):
        path.write_bytes(content[:length])
        refusal(path)


def test_a_table_that_is_damaged_inside_its_archive_is_an_error(tmp_path: Path) -> None:
    path = archive(tmp_path, HEAD + "".join(f"{n}\t\tName{n * 7919}\t\n" for n in range(2000)))
    content = bytearray(path.read_bytes())
    place = content.find(b"t.txt") + 2000
    content[place : place + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))
    assert "damaged or cut off" in refusal(path)


def test_a_truncated_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "simple.txt.gz"
    line = "\t".join(["1", *["\\N"] * 29]) + "\n"
    path.write_bytes(gzip.compress(line.encode() * 5000)[:-20])
    assert "damaged or cut off" in refusal(path)


def test_a_bomb_is_refused_after_little_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "FREE_BYTES", 2**20)
    path = archive(tmp_path, HEAD + "\t\t\t\n" * 2**20)
    assert "as bombs are" in refusal(path)


def test_a_table_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**20)
    assert "unpacked" in refusal(archive(tmp_path, TABLE + "9\t1\tName\t\n" * 2**18))


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_ROWS", 1)
    assert "longer than 1 rows" in refusal(archive(tmp_path))


def test_one_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 2**12)
    assert "cannot be read at 't.txt'" in refusal(archive(tmp_path, HEAD + "9\t1\t" + "a" * 2**15))


def test_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("name,parent\nM\u00fcller,\n".encode("latin-1"))
    assert "cannot be read" in refusal(path)


def test_rows_with_other_numbers_of_cells_are_counted_and_told(tmp_path: Path) -> None:
    built = build(archive(tmp_path, TABLE + "3\t1\n4\t1\tPica\t\t\n5\t1\tCorvus\t\n"))
    assert built.tree.names.to_pylist() == ["Aves", "Turdus", "Corvus"]
    assert built.unread == {
        "rows of t.txt with more or fewer cells than its header, first in row 3": 2
    }


def test_synonyms_in_a_circle_are_an_error_that_names_one(tmp_path: Path) -> None:
    path = archive(tmp_path, TABLE + "8\t\tAus\t9\n9\t\tBus\t8\n")
    assert "circle, such as the id 8" in refusal(path)


def test_parents_in_a_circle_are_an_error(tmp_path: Path) -> None:
    assert "circle" in refusal(archive(tmp_path, TABLE + "8\t9\tAus\t\n9\t8\tBus\t\n"))


def test_a_lost_parent_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    path = archive(tmp_path, TABLE + "8\t77\tAus\t\n")
    assert "such as 77 of the id 8" in refusal(path)
    built = build(path, orphans_as_roots=True)
    assert built.notes == {"taxa whose parent has no row, now roots": 1}
    assert len(built.tree) == 3


def test_a_taxon_below_a_synonym_hangs_on_the_accepted_taxon(tmp_path: Path) -> None:
    built = build(archive(tmp_path, TABLE + "8\t\tMerula\t2\n9\t8\tMerula nigra\t\n"))
    assert built.tree.names.to_pylist() == ["Aves", "Turdus", "Merula nigra"]
    assert built.tree.parents.tolist() == [-1, 0, 1]
    assert built.notes == {"taxa below a synonym, now below its accepted taxon": 1}


def test_an_id_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    assert "same id: 2" in refusal(archive(tmp_path, TABLE + "2\t1\tPica\t\n"))


def test_a_row_without_a_name_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert "without a name, such as the id 8" in refusal(archive(tmp_path, TABLE + "8\t1\t\t\n"))


@pytest.mark.parametrize(
    "content", ["", "{}", '{"categories": 7}', '{"categories": [{"id": 1}]}',
                '{"categories": [{"id": 1, "genus": "A"', '{"categories": ' + "[" * 100_000]
)  # fmt: skip
def test_json_without_good_categories_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(content)
    refusal(path)


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet", "a.zip", "a.json", "a.gz", "a"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04", b"\x1f\x8b\x08", b"a,b\n"])
def test_any_other_file_is_refused_by_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refusal(path)


def test_missing_files_empty_folders_and_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "missing.zip")
    (tmp_path / "empty").mkdir()
    refusal(tmp_path / "empty")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refusal(tmp_path / "loop")


def test_json_values_that_are_no_text_do_not_break_the_reader(tmp_path: Path) -> None:
    category = {"id": [1], "genus": "Apis", "specific_epithet": "mellifera", "family": 7,
                "common_name": None, "order": {}}  # fmt: skip
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"categories": [category]}))
    assert build(path).tree.names.to_pylist()[-1] == "Apis mellifera"


def test_a_table_whose_lines_end_with_carriage_returns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parents.csv"
    path.write_bytes(b"id,parent_id,name\r1,,Aves\r2,1,Turdus\r")
    with pytest.raises(UsageError, match="it is none of"):
        build(path)


def test_names_under_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("scientificName,scientificName\nAves,3\n", "utf-8")
    with pytest.raises(UsageError, match="two of its columns have one name"):
        match_table(path, default_tree(), "scientificName")
