"""Boxes of annotations and detectors as inputs that keep their place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image, ImageOps

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.data import images
from fieldguide.errors import LoadError, UsageError
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.data.crops import Crops
    from fieldguide.guides import Guide

LABELS = ["a barn", "a tree"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def guide(model: str) -> Guide:
    return fg.guide(model=model, device="cpu", batch_size=4)


def photo(folder: Path, name: str = "a.png", orientation: int = 1) -> Path:
    """A picture of 60 x 40 as it is seen, without loss, turned as its EXIF says."""
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:17 08:30:00"
    picture = Image.fromarray(pixels)
    if orientation == 6:  # shown after a quarter turn to the right
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    picture.save(folder / name, exif=exif)
    return folder / name


def coco(folder: Path, *boxes: list[float], file: str = "a.png", **image: Any) -> Path:
    record = {"id": 1, "file_name": file, "width": 60, "height": 40} | image
    found = [{"image_id": 1, "category_id": n % 2, "bbox": box} for n, box in enumerate(boxes)]
    names = [{"id": 0, "name": "deer"}, {"id": 1, "name": "boar"}]
    path = folder / "boxes.json"
    path.write_text(json.dumps({"images": [record], "annotations": found, "categories": names}))
    return path


def pixels_of(guide: Guide, crops: Crops) -> list[Any]:
    return [guide.planner.reader_of(item).load(item).array for item in guide.find(crops)]


@pytest.mark.parametrize("orientation", [1, 6])
def test_boxes_refer_to_the_upright_picture(guide: Guide, tmp_path: Path, orientation: int) -> None:
    path = photo(tmp_path, orientation=orientation)
    boxes = coco(tmp_path, [10, 5, 8, 8], [40, 20, 12, 12])
    found = pixels_of(guide, fg.crops(boxes, margin=0.0))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert upright.shape == (40, 60, 3)
    assert (found[0] == upright[5:13, 10:18]).all()
    assert (found[1] == upright[20:32, 40:52]).all()


def test_boxes_drawn_on_the_picture_as_it_is_stored_are_refused(
    guide: Guide, tmp_path: Path
) -> None:
    photo(tmp_path, orientation=6)
    boxes = coco(tmp_path, [10, 5, 8, 8], width=40, height=60)
    (row,) = guide.classify(fg.crops(boxes), LABELS)
    assert row.status == "skipped"
    assert "40 x 60 pixels, and it has 60 x 40. It was not turned upright" in row.reason


def test_each_box_is_a_row_that_keeps_its_place(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path)
    boxes = coco(tmp_path, [10, 5, 8, 4], [40, 20, 10, 10])
    rows = guide.classify(fg.crops(boxes, tmp_path / "a.png", margin=0.1), LABELS, top=1).records()
    place = ("row_px", "column_px", "height_px", "width_px")
    # 8 wide, so 1.2 * 8 = 9.6 -> 10; the middle is (14, 7): from 9 and 2
    assert [tuple(row[name] for name in place) for row in rows] == [
        (2, 9, 10, 10),
        (19, 39, 12, 12),
    ]
    drawn = ("box_label", "box_row_px", "box_column_px", "box_height_px", "box_width_px")
    assert tuple(rows[0][name] for name in drawn) == ("deer", 5, 10, 4, 8)
    assert {row["path"] for row in rows} == {(tmp_path / "a.png").as_posix()}


def test_a_table_of_boxes_is_a_manifest_of_the_same_pixels(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path)
    found = guide.classify(fg.crops(coco(tmp_path, [10, 5, 8, 4], [40, 20, 10, 10])), LABELS, top=1)
    again = guide.classify(found.write(tmp_path / "found.csv"), LABELS, top=1)
    for one, other in zip(found, again, strict=True):
        assert one.guesses[0].probability == pytest.approx(other.guesses[0].probability)


def test_a_crop_has_the_date_of_its_file(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path)
    (row,) = guide.classify(fg.crops(coco(tmp_path, [10, 5, 8, 4])), LABELS)
    assert row.metadata["captured_at"] == "2024-05-17T08:30:00"


def test_columns_of_a_manifest_hold_for_the_boxes_of_its_images(
    guide: Guide, tmp_path: Path
) -> None:
    photo(tmp_path)
    (tmp_path / "rows.csv").write_text("path,site\na.png,north\n")
    boxes = coco(tmp_path, [10, 5, 8, 4], [40, 20, 10, 10])
    found = guide.classify(fg.crops(boxes, tmp_path / "rows.csv"), LABELS)
    assert [row.metadata["site"] for row in found] == ["north", "north"]


def test_a_picture_is_decoded_once_for_all_of_its_boxes(
    guide: Guide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path)
    read: list[Path] = []
    load = images.ImageLoader.__call__

    def counted(self: Any, path: Path) -> Any:
        read.append(path)
        return load(self, path)

    monkeypatch.setattr(images.ImageLoader, "__call__", counted)
    boxes = coco(tmp_path, *([x, 5, 8, 8] for x in range(9)))
    assert len(guide.classify(fg.crops(boxes), LABELS)) == 9
    assert len(read) == 1


def test_an_image_without_boxes_is_empty_and_no_failure(model: str, tmp_path: Path) -> None:
    photo(tmp_path / "photos")
    boxes = coco(tmp_path)
    line = ["classify", str(tmp_path / "photos"), "--boxes", str(boxes), "--model", model]
    done = CliRunner().invoke(cli, [*line, "--label", "cat", "--label", "dog"])
    assert done.exit_code == 0, done.output
    assert "no detection above 0.2" in done.output


def test_an_image_that_no_entry_names_is_told_of(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "photos")
    photo(tmp_path / "photos", "b.png")
    found = guide.classify(fg.crops(coco(tmp_path, [1, 1, 9, 9]), tmp_path / "photos"), LABELS)
    assert [row.status for row in found] == ["ok", "skipped"]
    assert "has no entry of it" in found[1].reason


def test_only_boxes_with_a_label_are_cut(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path)
    boxes = coco(tmp_path, [1, 1, 9, 9], [20, 1, 9, 9])
    found = guide.classify(fg.crops(boxes, labels=["boar"]), LABELS)
    assert [row.metadata["box_label"] for row in found] == ["boar"]
    (none,) = guide.classify(fg.crops(boxes, labels=["fox"]), LABELS)
    assert (none.status, none.reason) == ("empty", "no 'fox' above 0.2, but 1 x deer, 1 x boar")


def test_the_same_box_twice_is_one_row_and_two_boxes_of_one_crop_are_two(
    guide: Guide, tmp_path: Path
) -> None:
    photo(tmp_path)
    boxes = coco(tmp_path, [1, 1, 9, 9], [2, 2, 57, 37], [1, 1, 9, 9], [1, 1, 57, 37])
    items = guide.find(fg.crops(boxes))
    assert len(items) == len({item.id for item in items}) == 3
    assert items[1].window == items[2].window


def test_boxes_of_an_image_in_memory_keep_their_place(guide: Guide, tmp_path: Path) -> None:
    picture = Image.open(photo(tmp_path))
    found = guide.classify(
        [fg.crops_of(picture, [(10, 5, 18, 13), (40, 20, 52, 32)], margin=0), picture], LABELS
    )
    assert [row.metadata.get("column_px") for row in found] == [10, 40, None]
    alone = guide.classify(picture.crop((10, 5, 18, 13)), LABELS)
    assert found[0].guesses[0].probability == pytest.approx(alone[0].guesses[0].probability, 1e-5)


def test_equal_boxes_of_two_images_in_memory_are_two_rows(guide: Guide) -> None:
    one, other = Image.new("RGB", (20, 20)), Image.new("RGB", (20, 20), "white")
    box = [(1, 1, 9, 9)]
    assert len(guide.classify([fg.crops_of(one, box), fg.crops_of(other, box)], LABELS)) == 2


@pytest.mark.parametrize(
    ("box", "reason"),
    [((1, 1, 1, 9), "no size"), ((1, float("nan"), 5, 9), "no number"),
     ((100, 1, 120, 9), "outside")],
)  # fmt: skip
def test_a_box_in_memory_that_cannot_be_is_refused(box: tuple[float, ...], reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        fg.crops_of(Image.new("RGB", (20, 20)), [box])


def test_voc_and_yolo_boxes_are_cut_as_well(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path / "JPEGImages")
    box = "<xmin>11</xmin><ymin>6</ymin><xmax>18</xmax><ymax>13</ymax>"
    voc = (
        "<annotation><filename>a.png</filename><size><width>60</width><height>40</height></size>"
        f"<object><name>deer</name><bndbox>{box}</bndbox></object></annotation>"
    )
    for name, text in (("voc/a.xml", voc), ("yolo/a.txt", f"0 {14 / 60} {9 / 40} {8 / 60} 0.2\n"),
                       ("yolo/classes.txt", "deer\n")):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for folder in ("voc", "yolo"):
        crops = fg.crops(tmp_path / folder, tmp_path / "JPEGImages", margin=0.0)
        (item,) = guide.find(crops)
        assert item.window is not None, item
        assert (item.window.start_px, item.window.size_px) == ((5, 10), (8, 8))


def test_embedded_and_indexed_boxes_are_found_again(guide: Guide, tmp_path: Path) -> None:
    photo(tmp_path)
    crops = fg.crops(coco(tmp_path, [10, 5, 8, 4], [40, 20, 10, 10]))
    assert guide.embed(crops, tmp_path / "boxes.parquet").added == 2
    assert guide.embed(crops, tmp_path / "boxes.parquet").kept == 2
    rows = guide.classify(tmp_path / "boxes.parquet", LABELS, top=1).records()
    assert [row["box_label"] for row in rows] == ["deer", "boar"]
    index = guide.index(crops, tmp_path / "boxes.fg")
    (match,) = index.search("a barn", k=1, where='box_label == "boar"')
    assert match.metadata["box_column_px"] == 40


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"confidence": 2}, "confidence"), ({"margin": -1}, "margin"),
     ({"confidence": float("nan")}, "confidence")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        fg.crops("boxes.json", **options)


def test_a_box_file_of_other_images_says_which_folder_it_wants(
    guide: Guide, tmp_path: Path
) -> None:
    photo(tmp_path / "photos")
    boxes = coco(tmp_path, [1, 1, 9, 9], file="deeper/a.png")
    with pytest.raises(UsageError, match="relative to the folder that is given as input"):
        guide.classify(fg.crops(boxes, tmp_path / "photos"), LABELS)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"images": []}', ""])
def test_a_file_that_holds_no_boxes_is_a_usage_error(
    guide: Guide, tmp_path: Path, text: str
) -> None:
    photo(tmp_path)
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(UsageError, match=r"boxes\.json"):
        guide.classify(fg.crops(tmp_path / "boxes.json"), LABELS)


def test_options_of_boxes_without_a_box_file_are_refused(tmp_path: Path) -> None:
    line = ["classify", str(photo(tmp_path)), "--box-margin", "0.2", "--label", "a"]
    done = CliRunner().invoke(cli, line)
    assert done.exit_code == 2
    assert "--box-margin" in done.output
