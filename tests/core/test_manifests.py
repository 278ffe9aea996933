from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.data.inputs import Item, find_items, read_manifest
from fieldguide.data.manifests import cell_value
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, content: str | bytes) -> list[Item]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_manifest(path))


@pytest.mark.parametrize("column", ["image", "path", "file", "filename"])
def test_paths_are_relative_to_the_manifest(tmp_path: Path, column: str) -> None:
    (item,) = read(tmp_path / "m.csv", f"{column},label\nsub/a.jpg,cat\n")
    assert item.path == tmp_path / "sub" / "a.jpg"
    assert item.id == item.name == (tmp_path / "sub" / "a.jpg").as_posix()
    assert item.metadata == {"label": "cat"}


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "m.csv", f"path\n{tmp_path}/elsewhere/a.jpg\n")
    assert item.path == tmp_path / "elsewhere" / "a.jpg"


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (from_csv,) = read(tmp_path / "m.csv", mark + b"image,label\r\na.jpg,cat\r\n")
    (from_lines,) = read(tmp_path / "m.jsonl", mark + b'{"image": "a.jpg"}\n')
    assert from_csv.path == from_lines.path == tmp_path / "a.jpg"


def test_quoted_cells_may_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    content = 'path,note\n"a, b.jpg","said ""hi""\nand left"\nc.jpg,\n'
    first, second = read(tmp_path / "m.csv", content)
    assert first.path == tmp_path / "a, b.jpg"
    assert first.metadata == {"note": 'said "hi"\nand left'}
    assert second.metadata == {}  # an empty cell says nothing


def test_numbers_become_numbers_and_codes_stay_text(tmp_path: Path) -> None:
    content = "path,year,depth_m,site,plate\na.jpg,2024,-1.5,007,1e400\n"
    (item,) = read(tmp_path / "m.csv", content)
    assert item.metadata == {"year": 2024, "depth_m": -1.5, "site": "007", "plate": "1e400"}


@pytest.mark.parametrize("text", ["1.50", "1e3", "+7", "0", "007"])
def test_ids_and_paths_are_never_read_as_numbers(tmp_path: Path, text: str) -> None:
    (item,) = read(tmp_path / "m.csv", f"id,path\n{text},{text}\n")
    assert (item.id, item.path) == (text, tmp_path / text)


def test_a_number_zero_is_an_id_in_json_too(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "m.jsonl", '{"id": 0, "image": "a.jpg"}\n')
    assert item.id == "0"


def test_a_row_without_a_path_is_a_fault_with_its_line(tmp_path: Path) -> None:
    sound, empty = read(tmp_path / "m.csv", "path,label\na.jpg,cat\n,dog\n")
    assert sound.fault is None
    assert empty.name == f"{(tmp_path / 'm.csv').as_posix()}:3"
    assert empty.fault == "the row names no image. Fill its path column."


def test_a_row_with_surplus_cells_is_a_fault_and_not_a_shifted_row(tmp_path: Path) -> None:
    content = "path,label\na.jpg,Smith, John\nb.jpg,cat,\n"
    shifted, trailing = read(tmp_path / "m.csv", content)
    assert "more cells than the header" in (shifted.fault or "")
    assert (trailing.fault, trailing.metadata) == (None, {"label": "cat"})


def test_a_column_named_extra_is_kept(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "m.csv", "path,extra\na.jpg,yes\n")
    assert item.metadata == {"extra": "yes"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "not JSON"),
        ('["a.jpg"]', "not a JSON object"),
        ("7", "not a JSON object"),
        ('{"label": "cat"}', "names no image"),
        ("[" * 100_000, "not JSON"),
    ],
    ids=["broken", "list", "number", "no path", "deep"],
)
def test_a_broken_line_is_a_fault_and_the_rest_goes_on(
    tmp_path: Path, line: str, reason: str
) -> None:
    content = f'{{"image": "a.jpg"}}\n{line}\n\n{{"image": "b.jpg"}}\n'
    first, broken, last = read(tmp_path / "m.jsonl", content)
    assert (first.path, last.path) == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert broken.name.endswith("m.jsonl:2")
    assert reason in (broken.fault or "")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.csv", b"label\ncat\n", "has no column image, path, file, filename"),
        ("m.csv", b"", "has no rows"),
        ("m.csv", b"path,label\n", "has no rows"),
        ("m.jsonl", b"\n\n", "has no rows"),
        ("m.csv", "path\ncaf\xe9.jpg\n".encode("latin-1"), "not UTF-8"),
        ("m.jsonl", '{"image": "a.jpg"}'.encode("utf-16"), "not UTF-8"),
        ("m.csv", b'path\n"a.jpg\n', "not CSV"),
        ("m.csv", b"path\n" + b"x" * 200_000 + b"\n", "not CSV"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_an_error_of_usage(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        read(tmp_path / name, content)


def test_a_missing_manifest_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No such file.*Check the path"):
        find_items(tmp_path / "nowhere.csv", [])


def test_an_id_that_is_used_twice_for_two_files_is_a_fault(tmp_path: Path) -> None:
    content = "id,path\n1,a.jpg\n1,b.jpg\n1,c.jpg\n2,d.jpg\n"
    (tmp_path / "m.csv").write_text(content)
    items = find_items(tmp_path / "m.csv", [])
    assert [item.fault is None for item in items] == [True, False, False, True]
    assert "the id '1' was used before" in (items[1].fault or "")
    assert len({item.id for item in items}) == 4


def test_a_row_that_repeats_an_image_is_one_item(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.jpg,cat\na.jpg,dog\n")
    (item,) = find_items([tmp_path / "m.csv", tmp_path / "m.csv"], [])
    assert item.metadata == {"label": "cat"}


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=8)
STEMS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(rows=st.lists(st.tuples(STEMS, CELLS), min_size=1, max_size=5))
def test_csv_and_json_lines_of_the_same_rows_give_the_same_items(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("manifests")
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "note"), *rows])
    lines = [json.dumps({"path": path, "note": cell_value(note)}) for path, note in rows]
    (folder / "m.jsonl").write_text("\n".join(lines), "utf-8")
    assert list(read_manifest(folder / "m.csv")) == list(read_manifest(folder / "m.jsonl"))


@given(st.integers(-(10**16), 10**16))
def test_a_written_whole_number_is_read_back(number: int) -> None:
    assert cell_value(str(number)) == number
    assert type(cell_value(str(number))) is int


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_read_back(number: float) -> None:
    assert cell_value(repr(number)) == number
    assert type(cell_value(repr(number))) is float


@given(st.text(alphabet="0123456789+-.eEnaif_ x\u0663", max_size=8))
def test_a_text_stays_itself_or_becomes_the_finite_number_that_python_reads(text: str) -> None:
    found = cell_value(text)
    if isinstance(found, str):
        assert found == text
    else:
        assert math.isfinite(found)
        assert found == float(text)
        assert "_" not in text
        assert text.isascii()


@pytest.mark.parametrize(
    "text", ["nan", "-nan", "-inf", "1_000", "5 ", "00", "-007", "+", ".", "1e"]
)
def test_what_only_looks_like_a_number_stays_text(text: str) -> None:
    assert cell_value(text) == text


def test_a_long_row_of_digits_is_an_identifier() -> None:
    assert cell_value("9" * 18) == 10**18 - 1
    assert cell_value("9" * 19) == "9" * 19
