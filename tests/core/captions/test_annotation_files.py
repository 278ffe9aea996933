"""VOC, DOTA, YOLO and label rasters: what is read of small files, and what is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.captions.class_lists import ClassList, read_class_list
from fieldguide.captions.dota import read_dota
from fieldguide.captions.label_rasters import read_label_raster
from fieldguide.captions.voc import read_voc
from fieldguide.captions.yolo import read_yolo
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.captions.boxes import Annotations

SHIPS = ClassList(names={0: "ship", 1: "storage tank"})


def picture(folder: Path, name: str = "a.png", size: tuple[int, int] = (100, 50)) -> Path:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", size).save(folder / name)
    return folder / name


def written(tmp_path: Path, name: str, text: str) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def boxes_of(found: Annotations) -> list[tuple[str, tuple[int, int, int, int]]]:
    assert not found.skipped
    return [(box.label, box.pixels) for box in found.images[0].boxes]


def reason_of(found: Annotations) -> str:
    assert not found.images
    return found.skipped[0][1]


def voc(*objects: str, size: str = "<width>100</width><height>50</height>") -> str:
    parts = "".join(f"<object>{each}</object>" for each in objects)
    return f"<annotation><filename>a.png</filename><size>{size}</size>{parts}</annotation>"


def bndbox(left: object, top: object, right: object, bottom: object, name: str = "RBC") -> str:
    edges = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    return f"<name>{name}</name><bndbox>{edges}</bndbox>"


def test_voc_counts_pixels_from_1_and_the_last_one_is_inside(tmp_path: Path) -> None:
    path = written(tmp_path, "a.xml", voc(bndbox(1, 1, 100, 50), bndbox(3, 4, 6, 8)))
    assert boxes_of(read_voc(path)) == [("RBC", (0, 0, 99, 49)), ("RBC", (2, 3, 5, 7))]


def test_voc_finds_the_image_in_the_sister_folder(tmp_path: Path) -> None:
    place = picture(tmp_path / "JPEGImages")
    path = written(tmp_path, "a.xml", voc(bndbox(1, 1, 9, 9)))
    assert read_voc(path).images[0].path == place.as_posix()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (voc(bndbox(5, 5, 5, 9)), "has no size"),
        (voc(bndbox(1, 1, "nan", 9)), "no number"),
        (voc(bndbox(1, 1, "", 9)), "no number"),
        (voc(bndbox(500, 1, 600, 9)), "lies outside"),
        (voc(bndbox(1, 1, 9, 9, name=" ")), "has no class"),
        (voc(bndbox(1, 1, 9, 9), size="<width>0</width><height>50</height>"), "has the size 0"),
        (voc(bndbox(1, 1, 9, 9), size=""), "width is 'None', no number"),
    ],
)
def test_a_bad_voc_object_leaves_the_image_out(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reason_of(read_voc(written(tmp_path, "a.xml", text)))


def test_an_unknown_class_of_voc_is_told_with_the_known_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "a.xml", voc(bndbox(1, 1, 9, 9)))
    assert "'RBC' is not in the list of classes (ship, storage tank)" in reason_of(
        read_voc(path, classes=SHIPS)
    )


BILLION_LAUGHS = (
    '<!DOCTYPE a [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)).replace("&a0;", "&a;")
    + "]><annotation>&a9;</annotation>"
)


@pytest.mark.parametrize(
    "text",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
        '<!DOCTYPE a SYSTEM "http://localhost/x.dtd"><annotation/>',
        "<annotation>",
        "<other/>",
        "",
        "\x00",
    ],
)
def test_hostile_or_broken_xml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LoadError):
        read_voc(written(tmp_path, "a.xml", text))


def test_dota_boxes_are_the_upright_ones_around_the_corners(tmp_path: Path) -> None:
    picture(tmp_path / "images")
    text = (
        "imagesource:GoogleEarth\ngsd:0.15\n"
        "10.0 5.0 20.0 15.0 10.0 25.0 0.0 15.0 small-vehicle 0\n"  # a diamond
        "30 30 40 30 40 40 30 40 ship 1\n"
    )
    found = read_dota(written(tmp_path, "a.txt", text))
    assert boxes_of(found) == [("small-vehicle", (0, 5, 19, 24)), ("ship", (30, 30, 39, 39))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 2 3 4 ship 0", "line 1 has 6 fields"),
        ("1 2 3 4 5 6 7 x ship 0", "corner in line 1 is 'x'"),
        ("900 900 950 900 950 950 900 950 ship 0", "lies outside the image of 100 x 50"),
        ("1 2 3 4 5 6 7 8 9 0", "'9' is not in the list"),
    ],
)
def test_a_bad_line_of_dota_leaves_the_image_out(tmp_path: Path, line: str, reason: str) -> None:
    picture(tmp_path / "images")
    assert reason in reason_of(read_dota(written(tmp_path, "a.txt", line), classes=SHIPS))


def test_without_the_image_its_size_is_not_guessed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "1 2 3 2 3 4 1 4 ship 0")
    assert "--images FOLDER" in reason_of(read_dota(path))


def test_yolo_shares_become_pixels(tmp_path: Path) -> None:
    picture(tmp_path / "images")
    text = "0 0.5 0.5 0.2 0.4\n1 0.0 0.0 0.1 0.0 0.1 0.2 0.0 0.2\n"  # a box and a polygon
    found = read_yolo(written(tmp_path, "a.txt", text), classes=SHIPS)
    assert boxes_of(found) == [("ship", (40, 15, 59, 34)), ("storage tank", (0, 0, 9, 9))]


def test_yolo_reads_the_list_beside_it_and_asks_where_there_is_none(tmp_path: Path) -> None:
    picture(tmp_path / "images")
    path = written(tmp_path, "a.txt", "1 0.5 0.5 0.2 0.4")
    with pytest.raises(UsageError, match="--classes-file"):
        read_yolo(path)
    written(tmp_path, "classes.txt", "plane\nharbor\n")
    assert boxes_of(read_yolo(path))[0][0] == "harbor"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7 0.5 0.5 0.2 0.4", "class 7 is not in the list"),
        ("0.5 0.5 0.5 0.2 0.4", "no whole number"),
        ("0 50 25 20 20", "no shares of the image"),
        ("0 nan 0.5 0.2 0.4", "no number"),
        ("0 0.5 0.5 0 0.4", "has no size"),
        ("0 0.5 0.5 -0.2 0.4", "has no size"),
        ("0 1.5 0.5 0.2 0.4", "lies outside"),
        ("0 0.5 0.5 0.2", "4 fields"),
    ],
)
def test_a_bad_line_of_yolo_leaves_the_image_out(tmp_path: Path, line: str, reason: str) -> None:
    picture(tmp_path / "images")
    assert reason in reason_of(read_yolo(written(tmp_path, "a.txt", line), classes=SHIPS))


def test_yolo_boxes_of_a_photo_on_its_side_are_in_the_upright_picture(tmp_path: Path) -> None:
    picture(tmp_path / "images").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "a.jpg", exif=exif)
    found = read_yolo(written(tmp_path, "a.txt", "0 0.5 0.5 0.5 0.5"), classes=SHIPS)
    assert (found.images[0].width_px, found.images[0].height_px) == (50, 100)


def raster(tmp_path: Path, values: list[list[int]], mode: str = "L") -> Path:
    folder = tmp_path / "masks"
    folder.mkdir()
    image = Image.fromarray(np.array(values, np.uint8))
    if mode == "P":
        image.putpalette([value // 3 for value in range(768)])
    image.save(folder / "a.png")
    picture(tmp_path / "images", "a.jpg")
    return folder / "a.png"


LAND = ClassList(names={0: "background", 1: "building", 2: "road"}, background=(255,))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_each_region_of_a_label_raster_is_a_box(tmp_path: Path, mode: str) -> None:
    path = raster(tmp_path, [[1, 0, 1], [1, 0, 0], [2, 2, 255]], mode)
    found = read_label_raster(path, classes=LAND)
    assert boxes_of(found) == [
        ("building", (0, 0, 0, 1)),
        ("building", (2, 0, 2, 0)),
        ("road", (0, 2, 1, 2)),
    ]
    assert found.labels == ("building", "road")
    assert found.images[0].path.endswith("images/a.jpg")


def test_a_number_without_a_class_is_not_guessed_to_be_background(tmp_path: Path) -> None:
    found = read_label_raster(raster(tmp_path, [[1, 9]]), classes=LAND)
    assert "holds the numbers 9, which are no class" in reason_of(found)


def test_a_picture_in_colours_is_no_label_raster(tmp_path: Path) -> None:
    found = read_label_raster(picture(tmp_path / "images"), classes=LAND)
    assert "its pixels are RGB" in reason_of(found)


def test_lists_of_classes_are_read_from_lines_and_from_yaml(tmp_path: Path) -> None:
    lines = written(tmp_path, "c.txt", "ship\nox\n")
    assert read_class_list(lines).names == {0: "ship", 1: "ox"}
    text = "nc: 2\nnames: {1: ship, 4: beef}\nbackground: 0\nplurals: {beef: beeves}\n"
    yaml = written(tmp_path, "data.yaml", text)
    found = read_class_list(yaml)
    assert (found.labels, found.background, found.plurals) == (
        ("ship", "beef"), (0,), {"beef": "beeves"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.txt", ""), ("c.txt", "ship\nship\n"), ("c.yaml", "names: 3"), ("c.yaml", "a: &a [*a]"),
     ("c.yaml", "- x"), ("c.yaml", "names: {x: ship}"), ("c.txt", "a\n\nb\n")],
)  # fmt: skip
def test_a_broken_list_of_classes_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(UsageError, match="is no list of classes"):
        read_class_list(written(tmp_path, name, text))


def test_the_size_of_a_scene_too_large_to_open_is_known(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 29_200, 27_620)
    (tmp_path / "images" / "a.png").write_bytes(head + bytes(9))
    found = read_yolo(written(tmp_path, "a.txt", "0 0.5 0.5 0.2 0.4"), classes=SHIPS)
    assert (found.images[0].width_px, found.images[0].height_px) == (29_200, 27_620)
