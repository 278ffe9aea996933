"""What is said of data before a training: every finding on data that have it, and only there."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldguide.data.images import ImageLoader
from fieldguide.data.pipeline import Row
from fieldguide.errors import LoadError, TuningError
from fieldguide.guides import Guide
from fieldguide.tuning.examples import Examples, PairedTexts, read_examples
from fieldguide.tuning.false_negatives import false_negatives, share_with_equal
from fieldguide.tuning.fingerprints import Fingerprints, take_fingerprints
from fieldguide.tuning.honesty import Honesty, examine, keep_twins_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.data.inputs import Item


class PlainReader:
    """Reads an image as it is."""

    def read(self, item: Item) -> tuple[Row, Any]:
        assert item.path is not None
        try:
            return Row(item), ImageLoader()(item.path).array
        except LoadError as error:
            return Row(item, "skipped", str(error)), None


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(folder: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> Examples:
    return read_examples(Guide("general"), write(folder, rows), **options)


def clean_rows() -> list[dict[str, Any]]:
    """Return 300 rows with nothing to complain about."""
    splits = ["train"] * 180 + ["val"] * 60 + ["test"] * 60
    return [
        {"image": f"{n}.png", "label": ("cat", "dog")[n % 2], "split": split}
        for n, split in enumerate(splits)
    ]


def codes(honesty: Honesty, level: str | None = None) -> set[str]:
    return {f.code for f in honesty.findings if level in (None, f.level)}


def found(folder: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> Honesty:
    return examine(read(folder, rows, **options), batch_size=16)


def test_clean_data_give_no_stop_and_no_warning(tmp_path: Path) -> None:
    honesty = found(tmp_path, clean_rows())
    assert codes(honesty) == {"not_looked_at"}
    honesty.raise_stops()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: r | {"split": "test"}, "no_train"),
        (lambda r: r | {"label": "cat"}, "one_class"),
    ],
)
def test_what_makes_a_training_meaningless_stops_it(tmp_path: Path, change: Any, code: str) -> None:
    honesty = found(tmp_path, [change(row) for row in clean_rows()])
    assert code in codes(honesty, "stop")
    with pytest.raises(TuningError):
        honesty.raise_stops()
    honesty.raise_stops(allowed=[code])


def test_empty_captions_of_train_stop_it(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "label"} for row in clean_rows()]
    rows = [row | {"captions": "" if row["split"] == "train" else "a cat"} for row in rows]
    assert "empty_captions" in codes(found(tmp_path, rows), "stop")


def test_a_group_in_train_and_test_stops_it_and_is_counted(tmp_path: Path) -> None:
    rows = [row | {"patient": f"p{n}"} for n, row in enumerate(clean_rows())]
    rows[-1]["patient"] = rows[-2]["patient"] = "p3"
    honesty = found(tmp_path, rows, group_column="patient")
    (stop,) = honesty.stops
    assert stop.code == "group_leak"
    assert "1 value of 'patient'" in stop.text
    assert "2 images of test" in stop.text
    assert "group_column" in codes(found(tmp_path, rows), "warn")  # nobody named the column


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n, r: r | {"label": "cat" if n % 60 else "dog"}, "uneven_classes"),
        (lambda n, r: r | ({"label": "fox"} if n < 2 else {}), "rare_classes"),
        (lambda n, r: r | ({"label": "fox"} if n > 290 else {}), "unseen_classes"),
        (lambda n, r: r | {"label": ("Cat", "cat", "dog")[n % 3]}, "spellings"),
        (lambda n, r: r | {"captions": "a pet" if n % 3 else f"text {n}"}, "common_caption"),
        (lambda n, r: r | ({"captions": f"t {n}"} if n else {}), "empty_captions"),
        (lambda n, r: r | ({"label": ["a"]} if n == 5 else {}), "left_out"),
        (lambda n, r: r | {"split": "train" if n < 10 else "test"}, "small_train"),
    ],
)
def test_what_weakens_a_training_is_a_warning(tmp_path: Path, change: Any, code: str) -> None:
    rows = [change(n, row) for n, row in enumerate(clean_rows())]
    honesty = found(tmp_path, rows, templates=["the {}"])
    assert code in codes(honesty, "warn")
    json.dumps(honesty.record())


def drawn_pictures(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    for row in rows:
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((48, 48), Image.Resampling.BICUBIC).save(folder / row["image"])


def fingerprints(examples: Examples) -> Fingerprints:
    return take_fingerprints(examples.items, PlainReader())


def test_copies_and_mirrored_and_broken_pictures_are_found(tmp_path: Path) -> None:
    rows = clean_rows()
    drawn_pictures(tmp_path, rows)
    shutil.copy(tmp_path / "0.png", tmp_path / "299.png")  # test = train, dog = cat
    with Image.open(tmp_path / "1.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((80, 80)).save(
            tmp_path / "200.png"
        )  # val = train
    (tmp_path / "7.png").write_bytes(b"no image")
    Image.new("RGB", (9, 9)).save(tmp_path / "8.png")
    examples = read(tmp_path, rows)
    honesty = examine(examples, batch_size=16, fingerprints=fingerprints(examples))
    assert codes(honesty, "warn") == {
        "copies", "near_duplicates", "two_labels", "unreadable", "one_colour"
    }  # fmt: skip
    assert honesty.figures["copies_across_splits"] == {"test in train": 1}
    assert honesty.figures["near_duplicates_across_splits"] == {"val in train": 1}


def test_splits_that_are_made_keep_copies_together(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "split"} for row in clean_rows()[:90]]
    drawn_pictures(tmp_path, rows[:45])
    for n in range(45):
        with Image.open(tmp_path / f"{n}.png") as image:
            image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / f"{n + 45}.png")
    examples = read(tmp_path, rows)
    marks = fingerprints(examples)
    assert examine(examples, batch_size=8, fingerprints=marks).figures[
        "near_duplicates_across_splits"
    ]
    together = keep_twins_together(examples, marks, seed=0)
    assert together.splits[:45] == together.splits[45:]
    assert set(together.splits) == {"train", "val", "test"}
    after = examine(together, batch_size=8, fingerprints=marks)
    assert after.figures["near_duplicates_across_splits"] == {}


def test_false_negatives_are_those_of_simulated_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {
            "image": f"{n}.png",
            "label": f"class {n % 4}",
            "split": "train",
            "taxon": f"t{n % 3}",
            "captions": [f"text {t}" for t in rng.choice(12, rng.integers(1, 4), replace=False)],
        }
        for n in range(30)
    ]
    rows += [{"image": "v.png", "label": "class 0", "split": "val"}]
    examples = read(tmp_path, rows, positive_columns=["taxon"]).row_subset("train")
    stream = examples.stream("captions")
    assert isinstance(stream, PairedTexts)
    batch, rounds = 6, 4000
    totals: Counter[str] = Counter()
    generator = torch.Generator().manual_seed(0)
    owned = [set(texts) for texts in examples.captions]
    for _ in range(rounds):
        chosen = torch.randperm(30, generator=generator)[:batch]
        numbers, keys = stream.draw(chosen, generator)
        images = [set(stream.image_keys[row].tolist()) - {-1} for row in chosen.tolist()]
        for a, i in enumerate(chosen.tolist()):
            for b, j in enumerate(chosen.tolist()):
                if a == b:
                    continue
                text = stream.texts[int(numbers[b])] in owned[i]
                label = examples.labels[i] == examples.labels[j]
                totals["text"] += text
                totals["class"] += label
                totals["either"] += text or label
                totals["left"] += (text or label) and not images[a] & set(keys[b].tolist())
    pairs = rounds * batch * (batch - 1)
    labels = list(examples.labels)
    taxa = [item.metadata["taxon"] for item in examples.items]
    expected = false_negatives(examples.captions, labels, taxa, batch)
    # standard deviation of a share of 120,000 pairs is below 0.0015; pairs of a batch are dependent
    assert expected.same_text == pytest.approx(totals["text"] / pairs, abs=0.008)
    assert expected.same_class == pytest.approx(totals["class"] / pairs, abs=0.008)
    assert expected.either == pytest.approx(totals["either"] / pairs, abs=0.008)
    assert expected.after_keys == pytest.approx(totals["left"] / pairs, abs=0.008)


def test_the_share_of_images_with_an_equal_is_that_of_simulated_batches() -> None:
    groups = [*"aaaaabbbccdefghij", None, None]
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(20_000):
        drawn = [groups[n] for n in rng.choice(len(groups), 5, replace=False)]
        counts = Counter(group for group in drawn if group is not None)
        hits += sum(count for count in counts.values() if count > 1)
    assert share_with_equal(groups, 5) == pytest.approx(hits / 100_000, abs=0.01)


def test_distinct_captions_without_classes_have_no_false_negative() -> None:
    expected = false_negatives([["a", "b"], ["c"], ["d"]], ["", "", ""], [None] * 3, 2)
    assert (expected.either, expected.after_keys, expected.an_image) == (0, 0, 0)
