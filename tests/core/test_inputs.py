from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fieldguide.data.inputs import Item, find_items, loader_of
from fieldguide.data.loader_choice import loader_for
from fieldguide.errors import LoadError, UsageError
from fieldguide.specs import LoaderSpec, MagicNumber

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = LoaderSpec(
    name="image", summary="pictures", target="a:b", suffixes=(".jpg", ".png", ".tif")
)
VOLUME = LoaderSpec(name="volume", summary="volumes", target="a:b", suffixes=(".nii", ".nii.gz"))
ZIPPED = LoaderSpec(name="zipped", summary="anything zipped", target="a:b", suffixes=(".gz",))
DICOM = LoaderSpec(
    name="dicom",
    summary="series",
    target="a:b",
    suffixes=(".dcm",),
    magic=MagicNumber(offset=128, hex="4449434d"),
    unit="folder",
)
STORE = LoaderSpec(
    name="store", summary="s", target="a:b", unit="folder", folder_suffixes=(".store",)
)
PARTED = LoaderSpec(name="parted", summary="s", target="a:b", unit="folder", parts=r".*_b\d\.tif")
NAMED = LoaderSpec(name="named", summary="s", target="a:b", suffixes=(".json",), only_named=True)
DICOM_START = bytes(128) + b"DICM"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(inputs: Any, *loaders: LoaderSpec) -> list[str]:
    return [item.name for item in find_items(inputs, loaders or (IMAGE,))]


def test_a_file_is_named_as_written_and_identified_by_its_absolute_path(here: Path) -> None:
    touch(here / "a.jpg")
    (item,) = find_items("a.jpg", [IMAGE])
    assert (item.name, item.path) == ("a.jpg", Path("a.jpg"))
    assert item.id == (here / "a.jpg").as_posix()


def test_a_missing_file_is_an_item_that_says_so_when_its_turn_comes(here: Path) -> None:
    (item,) = find_items("nowhere.jpg", [IMAGE])
    assert item.fault is None
    with pytest.raises(LoadError, match="Check the path"):
        item.fingerprint()


def test_a_name_longer_than_file_systems_allow_is_an_item_like_any_missing_file() -> None:
    assert names(["x" * 5000]) == ["x" * 5000]
    assert names(["x" * 5000 + ".jpg"]) == ["x" * 5000 + ".jpg"]


def test_each_file_comes_once_however_often_it_is_named(here: Path) -> None:
    touch(here / "a.jpg", here / "b.jpg")
    assert names(["b.jpg", ".", "a.jpg", here / "b.jpg"]) == ["b.jpg", "a.jpg"]


@pytest.mark.parametrize("wrong", [5, None, b"a.jpg", [5], [["a.jpg"]], [()], object()])
def test_what_is_no_input_is_named_by_its_type(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"(int|NoneType|bytes|list|tuple|object) is not an input"):
        find_items(wrong, [IMAGE])


def test_an_empty_text_does_not_mean_the_current_folder(here: Path) -> None:
    touch(here / "a.jpg")
    with pytest.raises(UsageError, match="empty text"):
        find_items("", [IMAGE])


# -- folders ---------------------------------------------------------------------------------


def test_a_folder_gives_its_fitting_files_in_a_stable_order(here: Path) -> None:
    touch(*(here / name for name in ("b.jpg", "a.PNG", "sub/c.tif", "sub/notes.txt", "a.jpeg")))
    assert names(".") == ["a.PNG", "b.jpg", "sub/c.tif"]


def test_hidden_files_and_folders_are_left_out(here: Path) -> None:
    touch(here / "a.jpg", here / "._a.jpg", here / ".thumbnails" / "b.jpg")
    assert names(".") == ["a.jpg"]


def test_a_folder_that_links_to_itself_is_walked_once(here: Path) -> None:
    touch(here / "data" / "a.jpg")
    (here / "data" / "again").symlink_to(here / "data", target_is_directory=True)
    (here / "data" / "self.jpg").symlink_to(here / "data" / "self.jpg")
    assert names("data") == ["data/a.jpg", "data/self.jpg"]


def test_a_folder_without_a_fitting_file_names_the_endings(here: Path) -> None:
    touch(here / "notes.txt")
    with pytest.raises(UsageError, match=r"endings \.jpg \.png \.tif.*--domain"):
        find_items(here, [IMAGE])


def test_a_folder_that_cannot_be_listed_is_an_item_with_a_fault(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(here / "a.jpg", here / "closed" / "b.jpg")
    scandir = os.scandir

    def refuse(path: Any) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    sound, closed = find_items(".", [IMAGE])
    assert (sound.name, sound.fault) == ("a.jpg", None)
    assert closed.name.endswith("closed")
    assert closed.fault == "its files cannot be listed: Permission denied. Run: chmod u+rx on it."


def test_a_folder_of_files_that_belong_together_is_one_item(here: Path) -> None:
    touch(here / "series" / "1.dcm", here / "series" / "2.dcm", here / "a.jpg")
    assert names(".", IMAGE, DICOM) == ["a.jpg", "series"]


def test_the_longest_fitting_ending_decides() -> None:
    for order in ([VOLUME, ZIPPED], [ZIPPED, VOLUME]):
        assert loader_for(Path("scan.nii.gz"), order) is VOLUME
        assert loader_for(Path("scan.txt.gz"), order) is ZIPPED


def test_a_folder_whose_name_says_so_is_one_item_and_is_not_looked_into(here: Path) -> None:
    touch(here / "a.STORE" / "x" / "1.jpg", here / "b.store" / "2.jpg", here / "c.jpg")
    assert names(".", IMAGE, STORE) == ["a.STORE", "b.store", "c.jpg"]
    assert names("a.STORE", IMAGE, STORE) == ["a.STORE"]
    assert names(["*.store"], IMAGE, STORE) == ["b.store"]
    assert names(".", IMAGE) == ["c.jpg", "a.STORE/x/1.jpg", "b.store/2.jpg"]


def test_the_current_folder_is_known_by_its_name_too(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(here / "a.store" / "1.jpg")
    monkeypatch.chdir(here / "a.store")
    (item,) = find_items(".", [IMAGE, STORE])
    assert loader_of(item, [IMAGE, DICOM, STORE]) is STORE


def test_a_link_to_a_folder_is_not_followed_whatever_it_is_named(here: Path) -> None:
    touch(here / "real" / "1.jpg", here / "scenes" / "2.jpg")
    (here / "scenes" / "link.store").symlink_to(here / "real", target_is_directory=True)
    assert names("scenes", IMAGE, STORE) == ["scenes/2.jpg"]
    assert names("scenes/link.store", IMAGE, STORE) == ["scenes/link.store"]  # the user named it


def test_files_that_are_parts_of_one_item_are_none_of_their_own(here: Path) -> None:
    touch(here / "s" / "s_B1.TIF", here / "s" / "s_b2.tif", here / "s" / "plan.jpg", here / "t.tif")
    assert names(".", IMAGE, PARTED) == ["t.tif", "s", "s/plan.jpg"]
    assert names("s/s_B1.TIF", IMAGE, PARTED) == ["s/s_B1.TIF"]  # the user named it


def test_some_files_are_read_only_where_they_are_named(here: Path) -> None:
    touch(here / "a.jpg", here / "b.json", here / "c" / "d.json")
    assert names(".", IMAGE, NAMED) == ["a.jpg"]
    assert names(["b.json", "c/*.json"], IMAGE, NAMED) == ["b.json", "c/d.json"]
    with pytest.raises(UsageError, match=r"endings \.jpg \.png \.tif\. "):
        find_items("c", [IMAGE, NAMED])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"suffixes": (".a",), "folder_suffixes": (".b",)},
        {"suffixes": (".a",), "parts": "x"},
        {"unit": "folder", "parts": "("},
    ],
)
def test_a_loader_that_finds_nothing_or_cannot_be_read_is_no_loader(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"needs suffixes|for the unit|regular expression"):
        LoaderSpec(name="x", summary="x", target="a:b", **fields)


@pytest.mark.parametrize("name", ["IM000001", "1.2.840.113619.2.55"])
def test_a_file_without_an_ending_is_known_by_its_magic_number(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DICOM_START)
    assert loader_for(tmp_path / name, [IMAGE, DICOM]) is DICOM
    (tmp_path / name).write_bytes(b"DICM" + bytes(128))
    assert loader_for(tmp_path / name, [IMAGE, DICOM]) is None


def test_an_ending_is_believed_before_the_magic_number(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_bytes(DICOM_START)
    assert loader_for(tmp_path / "report.txt", [IMAGE, DICOM]) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_a_folder_is_not_waited_for(here: Path) -> None:
    touch(here / "a.jpg")
    os.mkfifo(here / "pipe")
    assert names(".", IMAGE, DICOM) == ["a.jpg"]


# -- globs -----------------------------------------------------------------------------------


def test_a_quoted_pattern_is_expanded_in_order(here: Path) -> None:
    touch(*(here / name for name in ("b.jpg", "a.jpg", "it's.jpg", "c.png")))
    assert names("*.jpg") == ["a.jpg", "b.jpg", "it's.jpg"]
    assert names("[ab].jp?") == ["a.jpg", "b.jpg"]
    assert names(f"{here}/it's*") == [f"{here.as_posix()}/it's.jpg"]


def test_a_recursive_pattern_leaves_hidden_folders_out_unless_they_are_named(here: Path) -> None:
    touch(here / "a.jpg", here / "x" / "y" / "b.jpg", here / ".cache" / "c.jpg")
    assert names("**/*.jpg") == ["a.jpg", "x/y/b.jpg"]
    assert names(".cache/*.jpg") == [".cache/c.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(here: Path) -> None:
    touch(here / "a[1].jpg", here / "a1.jpg")
    assert names("a[1].jpg") == ["a[1].jpg"]


def test_a_pattern_may_name_folders_and_manifests(here: Path) -> None:
    touch(here / "night" / "a.jpg", here / "day" / "b.jpg")
    (here / "one.csv").write_text("path\nnight/a.jpg\n")
    (here / "two.csv").write_text("path\nday/b.jpg\n")
    assert names("[dn]*") == ["day/b.jpg", "night/a.jpg"]
    assert names("*.csv") == ["night/a.jpg", "day/b.jpg"]


def test_one_folder_without_images_does_not_end_a_job_over_many(here: Path) -> None:
    touch(here / "set1" / "a.jpg", here / "set2" / "notes.txt")
    sound, empty = find_items("set*", [IMAGE])
    assert (sound.name, sound.fault) == ("set1/a.jpg", None)
    assert "No file under set2" in (empty.fault or "")


@pytest.mark.parametrize("pattern", ["*.jpg", "nowhere/**/*.png", "a**b/*.jpg"])
def test_a_pattern_that_fits_nothing_is_an_error_of_usage(here: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        find_items(pattern, [IMAGE])


# -- images in memory ------------------------------------------------------------------------


def test_pillow_images_and_arrays_are_numbered_in_their_order() -> None:
    picture, array = Image.new("RGB", (2, 2)), np.zeros((2, 2, 3), np.uint8)
    items = find_items([picture, array], [IMAGE])
    assert [(item.id, item.name) for item in items] == [
        ("memory:0", "image_0"),
        ("memory:1", "image_1"),
    ]
    assert items[0].image is picture
    assert items[1].image is array
    assert len(find_items(array, [IMAGE])) == 1


class PairsByIndex:
    """A data set of (image, label) as torch has them: it is indexed and does not iterate."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index >= self.length:
            raise IndexError(index)
        return Image.new("L", (1, 1), index), index


def test_a_data_set_of_images_and_labels_gives_its_images() -> None:
    items = find_items(PairsByIndex(3), [IMAGE])
    assert [item.image.getpixel((0, 0)) for item in items] == [0, 1, 2]


def test_a_generator_of_paths_and_images_is_read_once(here: Path) -> None:
    touch(here / "a.jpg")
    mixed = (entry for entry in ["a.jpg", Image.new("L", (1, 1))])
    assert [item.id.split("/")[-1] for item in find_items(mixed, [IMAGE])] == ["a.jpg", "memory:1"]


# -- fingerprints ----------------------------------------------------------------------------


def memory(image: Any) -> str:
    return Item("memory:0", "image_0", image=image).fingerprint()


def test_a_fingerprint_in_memory_depends_on_values_shape_type_and_palette() -> None:
    array = np.arange(6, dtype=np.uint8)
    red, blue = (Image.new("P", (1, 1)) for _ in range(2))
    red.putpalette([255, 0, 0])
    blue.putpalette([0, 0, 255])
    different = [
        array.reshape(2, 3), array.reshape(3, 2), array.reshape(2, 3)[::-1],
        array.reshape(2, 3).view(np.int8), red, blue,
    ]  # fmt: skip
    assert len({memory(image) for image in different}) == len(different)
    assert memory(array.reshape(2, 3)) == memory(array.reshape(2, 3).copy())


def test_a_fingerprint_of_a_file_changes_with_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    before = Item("a", "a", path).fingerprint()
    assert Item("a", "a", path).fingerprint() == before
    path.write_bytes(b"three")
    assert Item("a", "a", path).fingerprint() != before


def test_a_fingerprint_of_a_folder_changes_with_files_far_below(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "1.dcm")
    before = Item("s", "s", tmp_path).fingerprint()
    touch(tmp_path / "a" / "b" / "2.dcm")
    assert Item("s", "s", tmp_path).fingerprint() != before


def test_a_fingerprint_of_a_folder_that_leads_to_itself_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert Item("s", "s", tmp_path).fingerprint()


def test_a_fingerprint_of_a_folder_changes_with_its_files(tmp_path: Path) -> None:
    touch(tmp_path / "1.dcm")
    before = Item("s", "s", tmp_path).fingerprint()
    touch(tmp_path / "2.dcm")
    assert Item("s", "s", tmp_path).fingerprint() != before
