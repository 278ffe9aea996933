"""What a manifest may name, and what else a stranger may have written into it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fieldguide.data.inputs import Item, find_items
from fieldguide.errors import LoadError, UsageError
from fieldguide.guides import Guide
from fieldguide.specs import LoaderSpec
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE = LoaderSpec(name="image", summary="pictures", target="a:b", suffixes=(".jpg", ".png"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, beside a folder of manifests and one that neither may name."""
    for name in ("here", "lists", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def rows(manifest: Path, named: Sequence[str], roots: Sequence[Path] = ()) -> list[Item]:
    lines = [json.dumps({"image": name, "id": n, "label": "cat"}) for n, name in enumerate(named)]
    manifest.write_text("\n".join(lines), "utf-8")
    return find_items(manifest, [IMAGE], roots)


# -- what it may name ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a.jpg", "./x/../a.jpg", "{top}/lists/a.jpg", "../here/a.jpg", "{top}/here/x/a.jpg"]
)
def test_files_below_the_manifest_or_the_current_folder_may_be_named(here: Path, name: str) -> None:
    (item,) = rows(here / "lists" / "m.jsonl", [name.format(top=here)])
    assert item.fault is None
    assert item.path is not None


@pytest.mark.parametrize(
    "name",
    ["../secret/a.jpg", "{top}/secret/a.jpg", "/etc/passwd", "x/../../secret/a.jpg", "..",
     "../../../../../../etc/passwd", "{top}/lists/../secret/a.jpg", "{top}/lists2/a.jpg"],
)  # fmt: skip
def test_any_other_file_is_a_fault_with_the_option_that_allows_it(here: Path, name: str) -> None:
    (item,) = rows(here / "lists" / "m.jsonl", [name.format(top=here)])
    assert item.path is None
    assert item.metadata == {"label": "cat"}
    assert name.format(top=here) in (item.fault or "")
    assert "lies outside the manifest's folder" in (item.fault or "")
    assert "--root " in (item.fault or "")


def test_the_option_of_the_message_lets_the_same_row_through(here: Path) -> None:
    manifest = here / "lists" / "m.jsonl"
    (refused,) = rows(manifest, ["../secret/a.jpg"])
    folder = (refused.fault or "").rpartition("--root ")[2]
    (item,) = rows(manifest, ["../secret/a.jpg"], roots=[Path(folder)])
    assert item.fault is None
    assert item.path == here / "secret" / "a.jpg"
    assert item.path.is_file()


def test_a_relative_root_is_read_from_the_current_folder(here: Path) -> None:
    (item,) = rows(here / "lists" / "m.jsonl", [f"{here}/secret/a.jpg"], roots=[Path("../secret")])
    assert item.fault is None


def test_a_link_inside_may_lead_out_and_dots_behind_it_may_not(here: Path) -> None:
    (here / "lists" / "link").symlink_to(here / "secret", target_is_directory=True)
    linked, dotted = rows(here / "lists" / "m.jsonl", ["link/a.jpg", "link/../lists/a.jpg"])
    assert linked.fault is None
    assert dotted.path == here / "lists" / "lists" / "a.jpg"  # as it was compared; not as linked


def test_what_lies_outside_is_recorded_and_the_rest_is_classified(here: Path) -> None:
    Image.new("RGB", (40, 40)).save(here / "lists" / "a.png")
    Image.new("RGB", (40, 40)).save(here / "secret" / "a.png")
    model = str(write_tiny_checkpoint(here / "model"))
    manifest = here / "lists" / "m.csv"
    manifest.write_text(f"path\na.png\n{here}/secret/a.png\n")
    inside, outside = Guide(model=model).classify(manifest, ["cat", "dog"])
    assert (inside.status, outside.status) == ("ok", "skipped")
    assert "--root" in outside.reason
    allowed = Guide(model=model, roots=[here / "secret"]).classify(manifest, ["cat", "dog"])
    assert [row.status for row in allowed] == ["ok", "ok"]


# -- no row is lost -----------------------------------------------------------------------------


def test_a_row_whose_spare_id_is_taken_is_still_there(here: Path) -> None:
    text = "id,path\n1,a.jpg\n1#1,b.jpg\n1#2,c.jpg\n1,d.jpg\n1#3,e.jpg\n"
    (here / "lists" / "m.csv").write_text(text)
    items = find_items(here / "lists" / "m.csv", [IMAGE])
    assert [Path(item.name).name for item in items] == [f"{x}.jpg" for x in "abcde"]
    assert len({item.id for item in items}) == 5


def test_two_faults_of_one_id_are_two_items(here: Path) -> None:
    items = find_items(_same_ids(here / "lists" / "m.jsonl", ["/x/a.jpg", "/y/a.jpg"]), [IMAGE])
    assert [item.name for item in items] == ["/x/a.jpg", "/y/a.jpg"]
    assert all(item.fault for item in items)


def _same_ids(manifest: Path, names: Sequence[str]) -> Path:
    manifest.write_text("\n".join(json.dumps({"id": 1, "path": name}) for name in names))
    return manifest


IDS = st.text("12#", min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(named=st.lists(st.tuples(IDS, st.sampled_from("abcdef")), min_size=1, max_size=20))
def test_ids_are_unique_and_every_file_of_a_manifest_is_an_item(
    tmp_path_factory: pytest.TempPathFactory, named: list[tuple[str, str]]
) -> None:
    manifest = tmp_path_factory.mktemp("ids") / "m.jsonl"
    lines = [json.dumps({"id": identity, "path": f"{stem}.jpg"}) for identity, stem in named]
    manifest.write_text("\n".join(lines))
    items = find_items([manifest, manifest], [IMAGE])
    assert len({item.id for item in items}) == len(items)
    assert {Path(item.name).stem for item in items} == {stem for _, stem in named}


# -- bytes --------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [b"path", b"id", b",", b"\n", b"\r", b'"', b"{", b"}", b'{"path": "a.jpg"}', b"\0", b"\xff\xfe",
     b"\xef\xbb\xbf", b"\\ud800", b"../", b"/etc", b"[" * 2000, b"9" * 5000, b"NaN", b"a.jpg"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=25).map(b"".join)),
    suffix=st.sampled_from([".csv", ".jsonl"]),
)
def test_any_bytes_are_items_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"m{suffix}"
    path.write_bytes(content)
    try:
        items = find_items(path, [IMAGE])
    except UsageError as error:
        assert str(path) in str(error)
    else:
        assert items
        for item in items:
            if item.fault is None:
                with pytest.raises(LoadError):
                    item.fingerprint()


@pytest.mark.parametrize("name", ["a\0b.jpg", "\ud800.jpg", "x" * 5000 + ".jpg", "self.jpg/a.jpg"])
def test_a_name_that_no_file_can_have_is_skipped_with_the_reason(here: Path, name: str) -> None:
    (here / "lists" / "self.jpg").symlink_to("self.jpg")
    Image.new("RGB", (40, 40)).save(here / "lists" / "good.png")
    items = rows(here / "lists" / "m.jsonl", [name, "good.png"])
    guide = Guide(model=str(write_tiny_checkpoint(here / "model")))
    bad, good = guide.classify(items, ["cat", "dog"])
    assert (bad.status, good.status) == ("skipped", "ok")
    assert bad.reason.endswith("Check the path.")
    report = guide.embed(items, here / "v.parquet")
    assert (report.added, len(report.failed)) == (1, 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "cp037"])
def test_another_encoding_is_named_and_not_guessed(here: Path, encoding: str) -> None:
    manifest = here / "lists" / "m.csv"
    manifest.write_bytes("path,label\na.jpg,größer\n".encode(encoding))
    with pytest.raises(UsageError, match=r"m\.csv"):
        find_items(manifest, [IMAGE])


def test_a_line_of_ten_megabytes_is_a_fault_or_a_row_like_any_other(here: Path) -> None:
    long = "x" * 10_000_000
    first, second, third = rows(here / "lists" / "m.jsonl", ["a.jpg", long, "b.jpg"])
    assert (first.fault, third.fault) == (None, None)
    with pytest.raises(LoadError, match="File name too long"):
        second.fingerprint()


def test_deeply_nested_values_are_a_fault(here: Path) -> None:
    deep, flat = "[" * 400 + "]" * 400, "[" * 20 + "]" * 20
    lines = [f'{{"path": "{n}.jpg", "x": {value}}}' for n, value in enumerate((deep, flat))]
    (here / "lists" / "m.jsonl").write_text("\n".join([*lines, '{"path": "b.jpg"}']))
    refused, taken, _ = find_items(here / "lists" / "m.jsonl", [IMAGE])
    assert "nested deeper" in (refused.fault or "")
    assert taken.fault is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_device_in_place_of_a_manifest_is_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "lists" / "m.csv")
    with pytest.raises(UsageError, match="not a file"):
        find_items(here / "lists" / "m.csv", [IMAGE])
    (here / "lists" / "zero.jsonl").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a file"):
        find_items(here / "lists" / "zero.jsonl", [IMAGE])


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["\ud800", "\0", 10**400, "=1", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip
KEYS = st.text(max_size=6) | st.sampled_from(["rank", "path", "id", "\ud800", "x" * 300])


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    return Guide(model=str(write_tiny_checkpoint(tmp_path_factory.mktemp("m") / "tiny")))


@settings(max_examples=12, deadline=None)
@given(cells=st.dictionaries(KEYS, CELLS, max_size=4))
def test_any_cells_of_json_are_stored_found_and_written(
    tmp_path_factory: pytest.TempPathFactory, guide: Guide, cells: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    Image.new("RGB", (40, 40)).save(folder / "a.png")
    row = {**cells, "image": "a.png", "id": "one"}
    (folder / "m.jsonl").write_text(json.dumps(row))
    assert guide.embed(folder / "m.jsonl", folder / "v.parquet").added == 1
    assert len(guide.classify(folder / "v.parquet", ["cat", "dog"])) == 1
    found = guide.index(folder / "m.jsonl", folder / "i.fg").search("a cat")
    assert [match.id for match in found] == ["one"]
    for suffix in ("csv", "json", "jsonl", "parquet", "html"):
        found.write(folder / f"out.{suffix}")
