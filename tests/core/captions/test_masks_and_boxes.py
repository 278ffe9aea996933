"""Boxes from masks, polygons and run lengths: by hand, and against pycocotools."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from fieldguide.captions.boxes import Box, annotated_image
from fieldguide.captions.coco import read_coco
from fieldguide.captions.masks import mask_boxes, raster_boxes
from fieldguide.captions.polygons import polygon_box
from fieldguide.captions.rle import decode_rle, encode_rle, rle_box
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def blob() -> NDArray[np.bool_]:
    mask = np.zeros((12, 10), bool)
    mask[3:8, 2:6] = True
    return mask


def test_pixels_2_to_5_and_3_to_7_are_the_box_2_3_5_7() -> None:
    (box,) = mask_boxes(blob(), "ship")
    assert box.pixels == (2, 3, 5, 7)
    assert (box.x_min_px, box.y_min_px, box.x_max_px, box.y_max_px) == (2, 3, 6, 8)
    assert box.area_px == 20


def test_two_blobs_of_a_class_are_two_boxes() -> None:
    mask = blob()
    mask[10, 8] = True
    assert [box.pixels for box in mask_boxes(mask, "ship")] == [(2, 3, 5, 7), (8, 10, 8, 10)]


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    assert len(mask_boxes(np.eye(4, dtype=bool), "road")) == 1


def test_small_regions_can_be_left_out() -> None:
    mask = blob()
    mask[10, 8] = True
    assert len(mask_boxes(mask, "ship", min_area_px=2)) == 1


def test_a_raster_of_two_classes_gives_the_boxes_of_both_and_none_of_the_background() -> None:
    values = np.zeros((6, 6), np.uint8)
    values[0, :2], values[4:, 4:], values[2, 2] = 1, 2, 7
    boxes = raster_boxes(values, {1: "road", 2: "roof"})
    assert [(box.label, box.pixels) for box in boxes] == [
        ("road", (0, 0, 1, 0)),
        ("roof", (4, 4, 5, 5)),
    ]


@given(masks)
def test_every_pixel_of_a_mask_is_in_a_box_and_areas_add_up(mask: NDArray[np.bool_]) -> None:
    covered = np.zeros_like(mask)
    boxes = mask_boxes(mask, "x")
    for box in boxes:
        left, top, right, bottom = box.pixels
        covered[top : bottom + 1, left : right + 1] = True
    assert covered[mask].all()
    assert sum(box.area_px or 0 for box in boxes) == mask.sum()


@given(masks)
def test_runs_are_those_of_pycocotools_in_both_forms(mask: NDArray[np.bool_]) -> None:
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    assert (decode_rle(text) == mask).all()
    assert (decode_rle(encode_rle(mask)) == mask).all()
    theirs = coco_mask.frPyObjects(encode_rle(mask), *mask.shape)
    assert theirs["counts"] == packed["counts"]


@given(masks)
def test_the_box_of_runs_is_that_of_the_filled_mask(mask: NDArray[np.bool_]) -> None:
    if not mask.any():
        with pytest.raises(LoadError, match="is empty"):
            rle_box(encode_rle(mask), "x")
        return
    rows, columns = np.nonzero(mask)
    box = rle_box(encode_rle(mask), "x")
    assert box.pixels == (columns.min(), rows.min(), columns.max(), rows.max())
    assert box.area_px == mask.sum()


def test_long_runs_of_a_large_mask_are_read_as_pycocotools_does() -> None:
    mask = np.zeros((2000, 1500), np.uint8)
    mask[100:1900, 700:1499] = 1
    mask[0, 0] = mask[-1, -1] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    found = decode_rle({"size": packed["size"], "counts": packed["counts"].decode()})
    assert (found == mask.astype(bool)).all()


@given(
    st.integers(0, 20), st.integers(0, 20), st.integers(1, 11), st.integers(1, 11)
)  # left, top, width, height
def test_polygon_runs_and_raster_of_a_rectangle_give_one_box(
    left: int, top: int, width: int, height: int
) -> None:
    right, bottom = left + width, top + height
    corners = [left, top, right, top, right, bottom, left, bottom]
    mask = np.zeros((32, 32), bool)
    mask[top:bottom, left:right] = True
    drawn = coco_mask.decode(coco_mask.frPyObjects([corners], 32, 32))[:, :, 0]
    assert (drawn.astype(bool) == mask).all()
    (of_mask,) = mask_boxes(mask, "x")
    (of_runs,) = mask_boxes(decode_rle(encode_rle(mask)), "x")
    assert of_mask == of_runs
    assert polygon_box([corners], "x").pixels == of_mask.pixels


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [2, 2], "counts": [1, 2]},  # too short
        {"size": [2, 2], "counts": [1, 2, 2]},  # too long
        {"size": [2, 2], "counts": [5, -1]},
        {"size": [2, 2], "counts": [1.5, 2.5]},
        {"size": [2, 2], "counts": "\x7f\x7f"},
        {"size": [2, 2], "counts": "oooooooooooo"},  # a number without end
        {"size": [2, 2], "counts": None},
        {"size": [2], "counts": [2]},
        {"size": [0, 2], "counts": []},
        {"size": [True, 4], "counts": [4]},
        {"size": [10**9, 10**9], "counts": [10**18]},  # a bomb
        {"counts": [4]},
        [4],
    ],
)
def test_damaged_runs_are_refused_before_anything_is_filled(rle: Any) -> None:
    with pytest.raises(LoadError):
        decode_rle(rle)


@given(st.text(alphabet=[chr(code) for code in range(40, 120)], max_size=40))
def test_any_text_of_runs_is_a_mask_or_an_error(text: str) -> None:
    with contextlib.suppress(LoadError):
        assert decode_rle({"size": [5, 7], "counts": text}).shape == (5, 7)


@pytest.mark.parametrize(
    "polygon",
    [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], "123456", [1, 2, None, 4, 5, 6], [1, 1, 1, 1, 1, 1],
     [0, 0, float("nan"), 1, 1, 1], [0, 0, 1e300, 0, 1, 1], {"a": 1}],
)  # fmt: skip
def test_what_is_no_polygon_is_refused(polygon: Any) -> None:
    with pytest.raises(LoadError):
        polygon_box([polygon], "x")


@pytest.mark.parametrize(
    "edges",
    [(0, 0, 0, 5), (5, 0, 3, 5), (0, 4, 5, 4), (float("nan"), 0, 1, 1), (0, 0, float("inf"), 1)],
)
def test_boxes_without_size_or_with_nan_are_refused(edges: tuple[float, ...]) -> None:
    left, top, right, bottom = edges
    with pytest.raises(LoadError):
        Box("x", left, top, right, bottom)


def test_a_box_outside_the_image_is_refused_and_one_at_its_border_cut() -> None:
    with pytest.raises(LoadError, match=r"'ship' \[90, 0, 130, 10\] lies outside the image of 100"):
        annotated_image("a", (100, 50), [Box("ship", 90, 0, 130, 10)], "a.txt")
    (kept,) = annotated_image("a", (100, 50), [Box("ship", 80, 0, 110, 10)], "a.txt").boxes
    assert (kept.x_min_px, kept.x_max_px) == (80, 100)


def coco(tmp_path: Path, *objects: dict[str, Any], **changes: Any) -> Path:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "categories": [{"id": 3, "name": "ship"}, {"id": 4, "name": "car"}],
        "annotations": [{"image_id": 1, "category_id": 3} | each for each in objects],
    } | changes
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_boxes_polygons_and_masks_of_one_object_agree(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), bool)
    mask[3:8, 2:6] = True
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    path = coco(
        tmp_path,
        {"bbox": [2, 3, 4, 5]},
        {"segmentation": [[2, 3, 6, 3, 6, 8, 2, 8]]},
        {"segmentation": encode_rle(mask)},
        {"segmentation": {"size": [30, 40], "counts": packed["counts"].decode()}, "iscrowd": 1},
    )
    (image,) = read_coco(path).images
    assert {box.pixels for box in image.boxes} == {(2, 3, 5, 7)}
    assert [box.crowd for box in image.boxes] == [False, False, False, True]


def test_an_object_whose_mask_has_two_parts_is_one_object(tmp_path: Path) -> None:
    parts = [[0, 0, 2, 0, 2, 2], [10, 10, 12, 10, 12, 12]]
    (image,) = read_coco(coco(tmp_path, {"segmentation": parts})).images
    assert [box.pixels for box in image.boxes] == [(0, 0, 11, 11)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"bbox": [0, 0, 0, 5]}, "has no size"),
        ({"bbox": [0, 0, -4, 5]}, "has no size"),
        ({"bbox": [0, 0, 4]}, "has 3 numbers"),
        ({"bbox": [500, 0, 4, 4]}, "lies outside the image"),
        ({"bbox": ["x", 0, 4, 4]}, "no number"),
        ({"bbox": [float("nan"), 0, 4, 4]}, "no number"),
        ({"bbox": [0, 0, 4, 4], "category_id": 9}, "category 9"),
        ({}, "neither a bbox nor a segmentation"),
    ],
)
def test_a_bad_object_leaves_its_image_out_with_the_reason(
    tmp_path: Path, fault: dict[str, Any], reason: str
) -> None:
    found = read_coco(coco(tmp_path, {"bbox": [1, 1, 4, 4]}, fault))
    assert not found.images
    ((source, why),) = found.skipped
    assert source.endswith("instances.json#1")
    assert reason in why


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\x.jpg", ""])
def test_an_image_outside_its_folder_is_not_named(tmp_path: Path, name: str) -> None:
    images = [{"id": 1, "file_name": name, "width": 40, "height": 30}]
    found = read_coco(coco(tmp_path, {"bbox": [1, 1, 4, 4]}, images=images))
    assert not found.images
    assert "no file in the folder of images" in found.skipped[0][1]


def test_boxes_of_an_image_that_is_not_in_the_file_are_told(tmp_path: Path) -> None:
    found = read_coco(coco(tmp_path, {"bbox": [1, 1, 4, 4], "image_id": 7}))
    assert [image.boxes for image in found.images] == [()]
    assert "1 boxes are of an image that is not in the file" in found.skipped[0][1]


def test_two_images_with_one_id_are_both_left_out(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": name, "width": 40, "height": 30} for name in ("a", "b")]
    found = read_coco(coco(tmp_path, {"bbox": [1, 1, 4, 4]}, images=images))
    assert not found.images
    assert [source.rpartition("#")[2] for source, _ in found.skipped] == ["a", "b"]


def test_a_mask_of_another_size_than_its_image_is_refused(tmp_path: Path) -> None:
    turned = {"size": [40, 30], "counts": [5, 5, 1190]}
    found = read_coco(coco(tmp_path, {"segmentation": turned}))
    assert "has the size [40, 30], the image [30, 40]" in found.skipped[0][1]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"images": 3}', '{"images": [1]}', "[" * 100_000, "1" * 5000, "\udce9"]
)
def test_what_is_no_coco_file_is_an_error_in_our_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LoadError):
        read_coco(path)
