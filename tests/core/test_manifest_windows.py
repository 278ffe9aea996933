"""Rows of a manifest that mean a part of a large file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.data.inputs import find_items
from fieldguide.data.manifest_windows import window_of
from fieldguide.errors import UsageError
from fieldguide.samples import Window
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

WINDOW = {"row_px": 8, "column_px": 4, "height_px": 32, "width_px": 24}


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    model = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide(model=str(model), device="cpu", batch_size=4)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(2).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def manifest(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"path": "picture.png"} | row) + "\n" for row in rows))
    return path


def test_a_row_means_the_pixels_of_its_window(guide: Guide, picture: Path) -> None:
    found = guide.classify(manifest(picture.parent, WINDOW), ["a barn", "a tree"])
    cut = Image.open(picture).crop((4, 8, 28, 40))  # left, top, right, bottom
    alone = guide.classify(cut, ["a barn", "a tree"])
    assert found[0].guesses[0].label == alone[0].guesses[0].label
    assert found[0].guesses[0].probability == pytest.approx(alone[0].guesses[0].probability, 1e-5)
    assert found[0].metadata["row_px"] == 8


def test_windows_of_one_file_are_items_of_their_own(picture: Path) -> None:
    rows = manifest(picture.parent, WINDOW, WINDOW | {"row_px": 9}, {"note": "all of it"})
    items = find_items(rows, [])
    assert [item.window for item in items] == [
        Window((8, 4), (32, 24)), Window((9, 4), (32, 24)), None
    ]  # fmt: skip
    assert len({item.id for item in items}) == 3


def test_a_window_that_leaves_the_picture_is_a_recorded_skip(guide: Guide, picture: Path) -> None:
    rows = manifest(picture.parent, WINDOW | {"row_px": 40}, WINDOW)
    found = guide.classify(rows, ["a barn", "a tree"])
    assert [row.status for row in found] == ["skipped", "ok"]
    assert "is not inside 60 x 50 px" in found[0].reason


@pytest.mark.parametrize(
    "change",
    [{"row_px": -1}, {"height_px": 0}, {"width_px": None}, {"column_px": 1.5}, {"row_px": "x"},
     {"row_px": True}],
)  # fmt: skip
def test_a_window_that_cannot_be_is_a_fault_of_its_row(
    guide: Guide, picture: Path, change: dict[str, Any]
) -> None:
    found = guide.classify(manifest(picture.parent, WINDOW | change, WINDOW), ["a", "b"])
    assert [row.status for row in found] == ["skipped", "ok"]
    assert "whole numbers of pixels" in found[0].reason


def test_sizes_alone_name_no_window() -> None:
    assert window_of({"width_px": 600, "height_px": 400}) is None


def test_what_was_located_can_be_labelled_and_read_again(guide: Guide, picture: Path) -> None:
    out = picture.parent / "found.geojson"
    found = guide.locate(picture, "a barn", windows=[24], top=3, vectors=picture.parent)
    rows = [{"type": "Feature", "geometry": None, "properties": row | {"label": "barn"}}
            for row in found.records()]  # fmt: skip
    out.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    items = find_items(out, [])
    assert [item.window for item in items] == [region.window for region in found]
    assert {item.metadata["label"] for item in items} == {"barn"}


def test_written_regions_name_their_file_from_where_they_lie(guide: Guide, picture: Path) -> None:
    folder = picture.parent / "out"
    found = guide.locate(picture, "a barn", windows=[24], top=2, vectors=picture.parent)
    items = find_items(found.write(folder / "found.csv"), [], [picture.parent])
    assert [item.path for item in items] == [picture, picture]
    assert [item.fault for item in items] == [None, None]


@pytest.mark.parametrize("text", ["{", "[]", '{"features": 3}', '{"features": [{"a": 1}]}'])
def test_a_geojson_that_is_no_collection_is_told_of(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.geojson"
    path.write_text(text)
    with pytest.raises(UsageError, match="no FeatureCollection"):
        find_items(path, [])
