"""Rows of a training that mean parts of large files."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fieldguide as fg
from fieldguide.captions.make import make_captions
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.samples import Window
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.examples import Examples, read_examples
from fieldguide.tuning.fingerprints import first_copies
from fieldguide.tuning.honesty import examine
from fieldguide.tuning.training.describe import honesty_record
from fieldguide.tuning.window_checks import shared_with_train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def window(row_px: int, column_px: int = 0, side_px: int = 32) -> dict[str, int]:
    sides = {"height_px": side_px, "width_px": side_px}
    return {"row_px": row_px, "column_px": column_px} | sides


def read(folder: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> Examples:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"path": "a.png"} | dict(row)) + "\n" for row in rows))
    return read_examples(Guide("general"), path, **options)


def test_windows_of_one_file_are_images_of_their_own(tmp_path: Path) -> None:
    rows = [window(0) | {"label": "cat"}, window(32) | {"label": "dog"}, {"label": "bird"}]
    examples = read(tmp_path, rows)
    assert examples.labels == ("cat", "dog", "bird")
    assert examples.faults == ()


def test_rows_of_the_same_window_join_their_captions(tmp_path: Path) -> None:
    rows = [window(0) | {"captions": "one"}, window(32) | {"captions": "x"},
            window(0) | {"captions": "two"}]  # fmt: skip
    assert read(tmp_path, rows).captions == (("one", "two"), ("x",))


def test_windows_may_be_divided_by_their_file(tmp_path: Path) -> None:
    rows = [{"path": f"{n % 10}.png", "label": "ab"[n % 2]} | window(32 * n) for n in range(200)]
    examples = read(tmp_path, rows, group_column="path")
    splits: dict[Path | None, set[str]] = {}
    for item, split in zip(examples.items, examples.splits, strict=True):
        splits.setdefault(item.path, set()).add(split)
    assert len(splits) == 10
    assert {len(found) for found in splits.values()} == {1}
    assert set(examples.splits) == {"train", "val", "test"}


def test_a_column_that_no_row_has_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--group-column"):
        read(tmp_path, [window(0) | {"label": "cat"}], group_column="patch")


def test_an_evaluation_may_be_grouped_by_file(tmp_path: Path) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in "ab":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    rows = [{"path": f"{name}.png", "label": "cat"} | window(start) for name in "ab"
            for start in (0, 32)]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    guide = fg.guide(model=str(model), device="cpu")
    found = guide.evaluate(path, labels=["cat", "dog"], group_column="path")
    assert (found.classified, found.groups) == (4, 2)


def test_copies_are_the_same_part_of_equal_files(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    parts = [("a", 0), ("a", 32), ("b", 32), ("b", None), ("a", None), ("b", 16)]
    items = [
        Item(f"{name}{row}", name, tmp_path / f"{name}.png",
             window=None if row is None else Window((row, 0), (32, 32)))
        for name, row in parts
    ]  # fmt: skip
    assert first_copies(items).tolist() == [0, 1, 1, 3, 3, 5]


def test_windows_that_share_pixels_with_train_are_told_of(tmp_path: Path) -> None:
    rows = [
        window(0) | {"split": "train"},
        window(16) | {"split": "test"},
        window(32) | {"split": "val"},
        window(16) | {"path": "b.png", "split": "test"},
    ]
    examples = read(tmp_path, [row | {"captions": f"text {n}"} for n, row in enumerate(rows)])
    assert shared_with_train(examples) == [1]
    honesty = examine(examples, batch_size=2)
    (finding,) = [found for found in honesty.findings if found.code == "shared_pixels"]
    assert "1 window of val and test" in finding.text
    assert "a.png (row 16, column 0)" in finding.text
    assert "--group-column path" in finding.advice
    assert "a.png" not in json.dumps(honesty_record(honesty, examples))  # a card is given away


WINDOWS = st.builds(
    lambda row, column, height, width: Window((row, column), (height, width)),
    st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 9),
)  # fmt: skip


@given(st.lists(st.tuples(WINDOWS, st.booleans()), min_size=1, max_size=12))
def test_shared_pixels_are_those_of_painted_masks(parts: list[tuple[Window, bool]]) -> None:
    masks = []
    for each, _ in parts:
        mask = np.zeros((80, 80), dtype=bool)
        (row, column), (height, width) = each.start_px, each.size_px
        mask[row : row + height, column : column + width] = True
        masks.append(mask)
    expected = {
        asked for asked, other in itertools.product(range(len(parts)), repeat=2)
        if not parts[asked][1] and parts[other][1] and (masks[asked] & masks[other]).any()
    }  # fmt: skip
    assert shared_with_train(_examples(parts)) == sorted(expected)


def _examples(parts: list[tuple[Window, bool]]) -> Examples:
    names = tuple(map(str, range(len(parts))))
    return Examples(
        items=tuple(Item(n, n, Path("a.tif"), window=part[0])
                    for n, part in zip(names, parts, strict=True)),
        splits=tuple("train" if trained else "test" for _, trained in parts),
        labels=names, groups=names, streams=(), prompts={}, captions=((),) * len(parts),
    )  # fmt: skip


def test_a_window_that_cannot_be_gets_no_caption_and_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [window(0), window(-1), window(32)]
    path.write_text("".join(json.dumps({"path": "a.png", "label": "cat"} | row) + "\n"
                            for row in rows))  # fmt: skip
    made = make_captions(path, "label_caption", per_image=1)
    assert [row.window for row in made] == [Window((r, 0), (32, 32)) for r in (0, 32)]
    assert made.provenance["images"] == 2
    ((_, reason),) = made.skipped
    assert "whole numbers of pixels" in reason


def test_a_held_out_split_of_one_group_is_told_of(tmp_path: Path) -> None:
    rows = [
        window(32 * n) | {"captions": f"text {n}", "split": split}
        for n, split in enumerate(("train", "train", "val", "val", "test"))
    ]
    examples = read(tmp_path, rows, group_column="row_px")
    codes = {finding.code for finding in examine(examples, batch_size=2).findings}
    assert "one_group_test" in codes
    assert "one_group_val" not in codes


def test_a_card_keeps_the_numbers_of_what_was_found_where_groups_are_rows_of_windows(
    tmp_path: Path,
) -> None:
    rows = [window(row) | {"captions": "text", "split": "train"} for row in (0, 32)]
    found = {}
    for column in ("row_px", "site"):
        examples = read(tmp_path, [r | {"site": r["row_px"]} for r in rows], group_column=column)
        record = honesty_record(examine(examples, batch_size=32), examples)
        found[column] = " ".join(finding["text"] for finding in record["findings"])
    assert "a batch of 32" in found["row_px"]
    assert "a batch of 32" not in found["site"]  # a site may tell of a place
