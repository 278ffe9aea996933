"""Salted ids in the place of names, and the private list of what they mean."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fieldguide.data.crops import crops, crops_of
from fieldguide.data.inputs import Item, find_items
from fieldguide.errors import LoadError, StoreError, UsageError
from fieldguide.privacy.names import PrivateNames
from fieldguide.privacy.sources import Source, add_sources, merge, read_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

SALT = b"0123456789abcdef"


def of_path(path: Path) -> str:
    digest = hmac.new(SALT, str(path.resolve()).encode(), hashlib.sha256).hexdigest()
    return f"item-{digest[:16]}"


def item(path: Path, **metadata: object) -> Item:
    return Item(path.absolute().as_posix(), path.as_posix(), path, metadata=metadata)


@pytest.fixture
def names(tmp_path: Path) -> PrivateNames:
    return PrivateNames(tmp_path / "private" / "sources.parquet", salt=SALT)


def test_an_id_is_the_keyed_hash_of_the_whole_path(names: PrivateNames, tmp_path: Path) -> None:
    path = tmp_path / "Quux" / "a.png"
    (hidden,) = names.hide([item(path)])
    assert hidden.id == hidden.name == of_path(path)
    assert hidden.path == path


def test_relative_paths_and_links_have_the_id_of_the_file(
    names: PrivateNames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to("a.png")
    monkeypatch.chdir(tmp_path)
    found = names.hide([item(Path("a.png")), item(Path("link.png")), item(tmp_path / "a.png")])
    assert {each.id for each in found} == {of_path(tmp_path / "a.png")}


def test_another_salt_gives_another_id(tmp_path: Path) -> None:
    other = PrivateNames(tmp_path / "sources.parquet", salt=b"another salt of 20 b")
    assert other.hide([item(tmp_path / "a.png")])[0].id != of_path(tmp_path / "a.png")


def test_hiding_twice_is_hiding_once(names: PrivateNames, tmp_path: Path) -> None:
    once = names.hide([item(tmp_path / "a.png", label="x", patient="MRN-77")])
    assert names.hide(once) == once


def test_a_window_keeps_its_place_behind_the_id(names: PrivateNames, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    part = Item(f"{path.as_posix()}#0,448,224,224", path.as_posix(), path)
    assert names.hide([part])[0].id == f"{of_path(path)}#0,448,224,224"


def test_a_box_keeps_its_place_behind_the_id(names: PrivateNames, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "Quux.png")
    boxes = {"images": [{"id": 1, "file_name": "Quux.png", "width": 20, "height": 20}],
             "annotations": [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 5, 5]}],
             "categories": [{"id": 1, "name": "Quux"}]}  # fmt: skip
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    (hidden,) = names.hide(find_items(crops(tmp_path / "boxes.json"), []))
    assert hidden.id == f"{hidden.name}#2,3,6,7,100"
    assert hidden.metadata["row_px"] == 2
    assert "Quux" not in repr((hidden.id, hidden.name, hidden.metadata))


def test_a_name_given_to_an_image_in_memory_is_hidden(names: PrivateNames) -> None:
    boxes = crops_of(Image.new("RGB", (20, 20)), [(2, 3, 7, 8)], name="Quux")
    (hidden,) = names.hide(find_items(boxes, []))
    assert "Quux" not in hidden.id + hidden.name
    assert names.scrub("no Quux here") != "no Quux here"


def test_an_id_of_the_manifest_is_hidden_too(names: PrivateNames, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    (hidden,) = names.hide([Item("MRN 4711", path.as_posix(), path)])
    assert hidden.id.startswith("item-")
    assert hidden.id != hidden.name == of_path(path)
    assert read_sources(names.file)[hidden.id].path == "MRN 4711"


def test_columns_are_hidden_unless_their_meaning_or_the_user_opens_them(tmp_path: Path) -> None:
    names = PrivateNames(tmp_path / "sources.parquet", shown=["age"], salt=SALT)
    rows = [
        item(tmp_path / f"{n}.png", label="tumour", age=61, patient=who, note="")
        for n, who in enumerate(("Quux", "Quux", "Corge"))
    ]
    first, second, third = (each.metadata for each in names.hide(rows))
    assert (first["label"], first["age"], first["note"]) == ("tumour", 61, "")
    assert first["patient"] == second["patient"] != third["patient"]
    assert first["patient"].startswith("value-")
    assert read_sources(names.file)[of_path(tmp_path / "2.png")].columns == {"patient": "Corge"}


def test_the_list_is_readable_by_its_owner_alone_and_grows(
    names: PrivateNames, tmp_path: Path
) -> None:
    names.hide([item(tmp_path / "a.png")])
    names.hide([item(tmp_path / "b.png")])
    assert stat.S_IMODE(names.file.stat().st_mode) == 0o600
    assert {source.path for source in read_sources(names.file).values()} == {
        str(tmp_path / "a.png"),
        str(tmp_path / "b.png"),
    }


def test_a_list_that_others_may_read_is_closed_again(names: PrivateNames, tmp_path: Path) -> None:
    names.hide([item(tmp_path / "a.png")])
    names.file.chmod(0o644)
    names.hide([item(tmp_path / "a.png")])
    assert stat.S_IMODE(names.file.stat().st_mode) == 0o600


def test_two_files_never_share_an_id() -> None:
    known: Mapping[str, Source] = {"item-1": Source("/a")}
    with pytest.raises(StoreError, match="FIELDGUIDE_SALT_FILE"):
        merge(known, {"item-1": Source("/b")})


def test_a_file_of_another_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sources.parquet"
    pq.write_table(pa.table({"mine": [1]}), path)
    with pytest.raises(StoreError, match="Move it away"):
        add_sources(path, {"item-1": Source("/a")})
    assert pq.read_table(path).column_names == ["mine"]


def test_an_output_cannot_take_the_lists_name(names: PrivateNames, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sources\.parquet"):
        names.keep_beside(tmp_path / "sources.parquet")


def test_an_id_that_is_typed_means_its_file(names: PrivateNames, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    (hidden,) = names.hide([item(path)])
    assert names.typed([hidden.id]) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "cannot open '{folder}/Quux_Zebedee/scan1.nii.gz'",
        "{path}: not a file",
        "no such file: Quux_Zebedee",
        "Quux_Zebedee/scan1.nii.gz is broken.",
        "the stem is scan1!",
        "ValueError: ('quux',)",
    ],
)
def test_no_part_of_a_path_is_left_in_a_text(
    names: PrivateNames, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "quux" / "Quux_Zebedee" / "scan1.nii.gz"
    names.hide([item(path)])
    said = names.scrub(text.format(folder=tmp_path / "quux", path=path))
    assert "uux" not in said
    assert "scan1" not in said


def test_a_text_about_something_else_stays_as_it_is(names: PrivateNames, tmp_path: Path) -> None:
    names.hide([item(tmp_path / "scan" / "ct" / "slice.dcm")])
    text = "its slice 4 of the scan is of 512 x 512 px (ct). Name a CT volume."
    assert names.scrub(text) == text


def test_errors_keep_their_kind_and_lose_the_names(names: PrivateNames, tmp_path: Path) -> None:
    path = tmp_path / "Quux" / "a.png"
    names.typed(str(path))
    with pytest.raises(LoadError) as caught, names.kept_out_of_errors():
        raise LoadError(f"{path} is gone.")
    assert str(caught.value) == f"{of_path(path)} is gone."
    with (
        pytest.raises(RuntimeError, match="FileNotFoundError") as unexpected,
        names.kept_out_of_errors(),
    ):
        path.read_bytes()
    assert "Quux" not in str(unexpected.value)


def test_log_records_of_any_library_lose_the_names(
    names: PrivateNames, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names.hide([item(tmp_path / "Quux^Zebedee.dcm")])
    caplog.set_level(logging.DEBUG)
    logging.getLogger("anybody").debug("opened %s", tmp_path / "Quux^Zebedee.dcm")
    try:
        raise ValueError(f"bad file {tmp_path}/Quux^Zebedee.dcm")
    except ValueError:
        logging.getLogger("anybody").exception("failed")
    assert "Quux" not in caplog.text
    assert "opened" in caplog.text
