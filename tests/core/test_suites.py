"""Suites: which rows choose, which report, and the tiny one that is always there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldguide.contract import InputContract
from fieldguide.errors import TuningError
from fieldguide.guides import Guide
from fieldguide.models.load import load_encoder, named_model
from fieldguide.plugins import get_catalog
from fieldguide.tuning.assessment import assess
from fieldguide.tuning.builtin_suite import PHOTOGRAPHS, builtin_suite
from fieldguide.tuning.changes import Offset
from fieldguide.tuning.drawings import DRAWINGS, SIZE_PX, draw
from fieldguide.tuning.suites import (
    domain_suite,
    other_suite,
    parts_of,
    plain_reader,
    read_other,
    reader_for,
)

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = InputContract(
    size_px=(32, 32), resize="squash", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
)


def write_manifest(folder: Path, rows: list[dict[str, Any]]) -> Path:
    for number, row in enumerate(rows):
        name = f"{number}.png"
        pixels = np.full((8, 8, 3), 10 * number % 256, np.uint8)
        Image.fromarray(pixels).save(folder / name)
        row["image"] = name
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_rows_of_train_are_never_measured(tmp_path: Path) -> None:
    splits = ["train", "val", "test", "test"]
    rows = [{"split": s, "label": "ab"[n % 2]} for n, s in enumerate(splits)]
    examples = read_other(Guide("general"), write_manifest(tmp_path, rows))
    reader = plain_reader(CONTRACT, get_catalog())
    for suite in (other_suite(examples, "set", "general", reader), domain_suite(examples, reader)):
        assert suite.parts == ("val", "test", "test")
        assert suite.labels == ("b", "a", "b")


def test_without_splits_all_rows_are_measured_unless_some_are_replayed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"captions": [f"no {n}"]} for n in range(40)]
    examples = read_other(Guide("general"), write_manifest(tmp_path, rows))
    reader = plain_reader(CONTRACT, get_catalog())
    measured = other_suite(examples, "set", "general", reader)
    replayed = other_suite(examples, "set", "general", reader, replayed=True)
    assert len(measured.items) == 40
    trained = {examples.items[row].id for row in examples.rows("train").tolist()}
    assert trained
    assert not trained & {item.id for item in replayed.items}


def test_halves_keep_groups_whole_and_do_not_depend_on_the_order() -> None:
    groups = [f"track {n // 3}" for n in range(60)]
    parts = parts_of(["val"] * 60, groups)
    assert set(parts) == {"val", "test"}
    assert len(set(zip(groups, parts, strict=True))) == 20
    assert parts_of(["val"] * 60, groups[::-1]) == parts[::-1]


def test_a_suite_of_one_part_is_refused(tmp_path: Path) -> None:
    rows = [{"split": "test", "label": "ab"[n % 2], "group": "one"} for n in range(4)]
    examples = read_other(Guide("general"), write_manifest(tmp_path, rows))
    with pytest.raises(TuningError, match="Add rows"):
        other_suite(examples, "set", "general", plain_reader(CONTRACT, get_catalog()))


def test_a_part_with_one_caption_is_told_of_before_the_training(tmp_path: Path) -> None:
    splits = ["train", "train", "val", "test", "test"]
    rows = [{"split": split, "captions": [f"no {n}"]} for n, split in enumerate(splits)]
    examples = read_other(Guide("general"), write_manifest(tmp_path, rows))
    with pytest.raises(TuningError, match=r"too few 'val' rows .*--no-measure"):
        domain_suite(examples, plain_reader(CONTRACT, get_catalog()))


def test_one_label_and_no_caption_cannot_be_measured(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"label": "a"} for _ in range(10)]
    examples = read_other(Guide("general"), write_manifest(tmp_path, rows))
    with pytest.raises(TuningError, match="two labels or more"):
        other_suite(examples, "set", "general", plain_reader(CONTRACT, get_catalog()))


def test_a_reader_knows_every_kind_of_file_of_a_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path, [{"label": "a"}])
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.jpg")
    guide = Guide("general")
    items = guide.find(tmp_path)
    items = [item for item in items if item.path and item.path.suffix in (".png", ".jpg")]
    reader = reader_for(guide, items, CONTRACT)
    for item in items:
        row, pixels = reader.read(item)
        assert pixels is not None, row.reason
        assert pixels.shape == (32, 32, 3)


def test_the_builtin_suite_is_the_same_every_time_and_says_that_it_is_tiny() -> None:
    first, second = (builtin_suite(CONTRACT, get_catalog()) for _ in "ab")
    for one, other in zip(first.items, second.items, strict=True):
        np.testing.assert_array_equal(np.asarray(one.image), np.asarray(other.image))
    assert len(first.items) == 112
    assert set(first.labels) == {*DRAWINGS, *PHOTOGRAPHS}
    assert first.parts.count("val") == first.parts.count("test") == 56
    assert "tiny" in first.note
    assert "112 pictures" in first.note


@pytest.mark.parametrize("label", DRAWINGS)
def test_two_drawings_of_one_thing_differ(label: str) -> None:
    one, other = (np.asarray(draw(label, seed)).astype(int) for seed in (0, 1))
    assert one.shape == (SIZE_PX, SIZE_PX, 3)
    assert np.abs(one - other).mean() > 5


def test_a_model_of_common_things_knows_the_drawn_ones_until_it_is_ruined() -> None:
    catalog = get_catalog()
    encoder: Any = load_encoder(
        named_model("embedded_conse", catalog), catalog, torch.device("cpu")
    )
    suite = builtin_suite(encoder.contract, catalog)
    few = [row for row, item in enumerate(suite.items) if item.name.endswith((" 0", " 1"))]
    suite = replace(suite.only(few), role="domain")
    ruin = {"join.conse_weight": Offset(torch.tensor(-1.0)),
            "join.image_bias": Offset(torch.ones(384))}  # fmt: skip
    figures = assess(encoder, ruin, [suite], strengths=(1.0,), workers=1).reports[0].figures
    assert figures[0]["top1"].value >= 0.7  # chance is 1 of 39
    assert figures[1]["top1"].value <= 1 / len(set(suite.labels))
