"""Caption files in Karpathy's form: whole, partial, and made by someone hostile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.benchmarks.captioned import CaptionFile, read_split
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

DATA = CaptionFile("scenes", "Scenes", ("dataset.json",), ("imgs",), images=2, captions_each=2)


def image(name: str, *captions: Any, split: str = "test") -> dict[str, Any]:
    return {"filename": name, "split": split, "sentences": [{"raw": text} for text in captions]}


IMAGES = [image("b.tif", "two", "two"), image("t.tif", "x", "y", split="train"),
          image("a.tif", "one", "three")]  # fmt: skip


def write(folder: Path, images: Any) -> Path:
    (folder / "imgs").mkdir(exist_ok=True)
    for name in ("a.tif", "b.tif"):
        (folder / "imgs" / name).touch()
    file = folder / "dataset.json"
    file.write_text(json.dumps({"images": images}), "utf-8")
    return file


def test_the_test_split_is_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, IMAGES)
    found = DATA.find(tmp_path)
    assert [item.path and item.path.name for item in found.items] == ["b.tif", "a.tif"]
    assert found.captions == (("two", "two"), ("one", "three"))
    assert found.whole == 2


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path, IMAGES)
    (tmp_path / "imgs/a.tif").unlink()
    with pytest.raises(UsageError, match=r"1 of 2 images .* \(a\.tif not there\).*--subset"):
        DATA.find(tmp_path)
    assert [row for row in DATA.find_subset(tmp_path).captions] == [("two", "two")]


def test_a_file_with_fewer_test_images_is_not_the_whole_split(tmp_path: Path) -> None:
    write(tmp_path, IMAGES[:2])
    with pytest.raises(UsageError, match="1 of 2 images of the split 'test'"):
        DATA.find(tmp_path)


def test_another_number_of_captions_is_another_protocol(tmp_path: Path) -> None:
    write(tmp_path, [image("a.tif", "one"), image("b.tif", "x", "y")])
    for look in (DATA.find, DATA.find_subset):
        with pytest.raises(UsageError, match=r"1 captions of a\.tif; the protocol has 2"):
            look(tmp_path)


def test_a_folder_without_captions_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no copy of Scenes.*dataset\.json beside.*imgs/"):
        DATA.find(tmp_path)


HOSTILE = {
    "leads out": [image("../secret.tif", "a", "b")],
    "leads out of": [image("/etc/passwd", "a", "b")],
    "out of the folder": [image("a\\..\\..\\b.tif", "a", "b")],
    "twice": [image("a.tif", "a", "b"), image("a.tif", "a", "b")],
    "no caption": [image("a.tif")],
    "an empty one": [image("a.tif", "  ", "b")],
    "no caption or": [image("a.tif", 7, "b")],
    "no 'filename'": [{"split": "test", "sentences": []}],
    "no 'sentences'": [{"split": "test", "filename": "a.tif", "sentences": "text"}],
    "no list 'images'": {"a": 1},
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_misshapen_file_is_refused_with_what_is_wrong(tmp_path: Path, fault: str) -> None:
    with pytest.raises(UsageError, match=f"dataset.json is no caption file .*{fault}"):
        read_split(write(tmp_path, HOSTILE[fault]), "test")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"[" * 100_000, b'{"images": NaN,}'])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dataset.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not JSON"):
        read_split(file, "test")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_split(tmp_path, "test")
