"""Manifests as users bring them become examples, or a clear error."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.guides import Guide
from fieldguide.tuning.examples import ClassTexts, PairedTexts, read_examples
from fieldguide.tuning.splits import make_splits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@pytest.fixture
def guide() -> Guide:
    return Guide("general")


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled(count: int, labels: Sequence[str] = ("cat", "dog")) -> list[dict[str, Any]]:
    return [{"image": f"{n}.png", "label": labels[n % len(labels)]} for n in range(count)]


def test_labels_alone_give_a_prompt_of_every_class(guide: Guide, tmp_path: Path) -> None:
    examples = read_examples(guide, write(tmp_path, labelled(40)), templates=["{}", "my {}"])
    (stream,) = examples.streams
    assert isinstance(stream, ClassTexts)
    assert examples.prompts == {"cat": ("cat", "my cat"), "dog": ("dog", "my dog")}
    seen: set[str] = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        numbers, keys = stream.draw(torch.arange(3), generator)
        assert keys.tolist() == [[0], [1]]
        assert stream.text_keys[numbers].tolist() == [0, 1]
        seen.update(stream.texts[n] for n in numbers.tolist())
    assert seen == {"cat", "my cat", "dog", "my dog"}
    assert stream.image_keys[:2, 0].tolist() == [0, 1]


def test_captions_alone_need_no_label_and_equal_ones_share_a_key(
    guide: Guide, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"image": "a.png", "captions": ["one", "both "]},
        {"image": "b.png", "captions": "both"},
        {"image": "c.png", "captions": ["", None]},
    ]
    examples = read_examples(guide, write(tmp_path, rows))
    (stream,) = examples.streams
    assert isinstance(stream, PairedTexts)
    assert examples.captions == (("one", "both"), ("both",), ())
    shared = set(stream.image_keys[0].tolist()) & set(stream.image_keys[1].tolist()) - {-1}
    assert [stream.texts[key] for key in shared] == ["both"]
    numbers, keys = stream.draw(torch.tensor([1, 2]), torch.Generator().manual_seed(0))
    assert [stream.texts[n] for n in numbers.tolist()] == ["both"]  # c draws none
    assert keys.shape == (1, 1)


def test_one_row_a_caption_joins_the_captions_of_an_image(guide: Guide, tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([["path", "captions"], ["a.png", "one"], ["b.png", "x"],
                          ["a.png", "two"]])  # fmt: skip
    examples = read_examples(guide, path)
    assert examples.captions == (("one", "two"), ("x",))


def test_rows_that_agree_in_a_column_are_positives_of_each_other(
    guide: Guide, tmp_path: Path
) -> None:
    rows = [{"image": f"{n}.png", "captions": f"text {n}", "taxon": t} for n, t in enumerate("aab")]
    examples = read_examples(guide, write(tmp_path, rows), positive_columns=["taxon"])
    (stream,) = examples.streams
    _, keys = stream.draw(torch.arange(3), torch.Generator().manual_seed(0))
    images = [set(row) - {-1} for row in stream.image_keys.tolist()]
    positive = [[bool(images[i] & set(keys[j].tolist())) for j in range(3)] for i in range(3)]
    assert positive == [[True, True, False], [True, True, False], [False, False, True]]


def test_a_text_has_the_attributes_that_all_its_images_agree_on(
    guide: Guide, tmp_path: Path
) -> None:
    rows = [
        {"image": "a.png", "captions": ["clear", "a"], "effusion": -1, "nodule": 1},
        {"image": "b.png", "captions": ["clear"], "effusion": -1, "nodule": -1},
    ]
    columns = ["effusion", "nodule"]
    examples = read_examples(guide, write(tmp_path, rows), attribute_columns=columns)
    (stream,) = examples.streams
    assert isinstance(stream, PairedTexts)
    assert stream.text_attributes is not None
    found = dict(zip(stream.texts, stream.text_attributes.tolist(), strict=True))
    assert found == {"clear": [-1.0, 0.0], "a": [-1.0, 1.0]}


def test_a_converter_by_name_makes_the_captions(guide: Guide, tmp_path: Path) -> None:
    rows = [{"image": "a.png", "kind": "red_fox"}, {"image": "b.png"}]
    path = write(tmp_path, rows)
    examples = read_examples(guide, path, label_column="kind", converter="label_caption")
    assert examples.captions[0][0] == "a photo of red fox."
    assert examples.captions[1] == ()
    assert "no label" in examples.no_caption[0][1]
    with pytest.raises(UnknownNameError, match="label_caption"):
        read_examples(guide, path, converter="label_captio")


def test_without_splits_they_are_made_by_group_and_stratified(guide: Guide, tmp_path: Path) -> None:
    rows = [
        {"image": f"{n}.png", "label": "ab"[n // 4 % 2], "patient": f"p{n // 4}"}
        for n in range(400)
    ]
    path = write(tmp_path, rows)
    examples = read_examples(guide, path, group_column="patient", seed=1)
    split_of: dict[str, set[str]] = {}
    for group, split in zip(examples.groups, examples.splits, strict=True):
        split_of.setdefault(group, set()).add(split)
    assert all(len(splits) == 1 for splits in split_of.values())
    counts = Counter(zip(examples.splits, examples.labels, strict=True))
    for split, share in (("train", 0.65), ("val", 0.15), ("test", 0.2)):
        for label in "ab":
            assert abs(counts[split, label] - share * 200) <= 4  # one group
    again = read_examples(guide, path, group_column="patient", seed=1)
    other = read_examples(guide, path, group_column="patient", seed=2)
    assert again.splits == examples.splits != other.splits


def test_a_test_split_stays_and_val_is_made_of_train(guide: Guide, tmp_path: Path) -> None:
    rows = [row | {"split": "test" if n < 30 else "training"} for n, row in
            enumerate(labelled(130))]  # fmt: skip
    examples = read_examples(guide, write(tmp_path, rows))
    assert examples.splits[:30] == ("test",) * 30
    assert set(examples.splits[30:]) == {"train", "val"}
    assert 13 <= examples.splits.count("val") <= 17  # 15 % of 100, whole images of two classes


def test_a_class_of_one_group_is_trained_with() -> None:
    made = make_splits(["a"] * 9 + ["b"], [str(n) for n in range(10)], {"train": 0.5, "test": 0.5},
                       seed=0)  # fmt: skip
    assert made[-1] == "train"


def test_the_folders_of_a_folder_are_its_labels(guide: Guide, tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/cat"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    examples = read_examples(guide, tmp_path)
    found = sorted(zip(examples.splits, examples.labels, strict=True))
    assert ("test", "cat") in found
    assert {label for _, label in found} == {"cat", "dog"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"label": "cat"}, "names no image"),
        ({"image": "x.png", "label": ["cat"]}, "'label' is a list"),
        ({"image": "x.png", "captions": {"a": 1}}, "neither a text nor a list"),
        ({"image": "x.png", "captions": "['a cat', 'a dog']"}, "written out as one text"),
        ({"image": "/etc/passwd", "label": "cat"}, "outside the manifest's folder"),
        ({"image": "0.png", "label": "dog"}, "an earlier row of the same file"),
    ],
)
def test_a_broken_row_is_left_out_with_its_reason(
    guide: Guide, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    examples = read_examples(guide, write(tmp_path, [*labelled(10), row]))
    assert len(examples) == 10
    (fault,) = examples.faults
    assert reason in fault[1]


def test_more_texts_than_an_image_may_have_are_said_not_cut(guide: Guide, tmp_path: Path) -> None:
    rows = [*labelled(4), {"image": "z.png", "captions": [f"text {n}" for n in range(300)]}]
    examples = read_examples(guide, write(tmp_path, rows))
    assert "300 texts" in examples.faults[0][1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"image": "a.png", "colour": "red"}], {}, "--label-column"),
        (labelled(4), {"label_column": "kind"}, "No row has a column 'kind'.*label"),
        (labelled(4), {"group_column": "patient"}, "--group-column"),
        ([*labelled(4), {"image": "z.png", "label": "cat", "split": "holdout"}], {}, "holdout"),
        ([*labelled(4), {"image": "z.png", "label": "cat", "split": "test"}], {}, "4 rows have no"),
        (labelled(4), {"classes": "no_such_set"}, "No class set"),
        (labelled(4), {"templates": ["a photo"]}, "exactly one"),
        (labelled(4, ["red fox", "red_fox"]), {}, "have the same prompt"),
        (labelled(4), {"where": 'label == "cow"'}, "no row that fits"),
        (labelled(4), {"attribute_columns": ["label"]}, "no number from -1 to 1"),
    ],
)
def test_what_cannot_be_trained_with_is_a_clear_error(
    guide: Guide,
    tmp_path: Path,
    rows: list[dict[str, Any]],
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UsageError, match=message):
        read_examples(guide, write(tmp_path, rows), **options)


def test_more_classes_than_a_step_takes_keep_those_of_the_batch(
    guide: Guide, tmp_path: Path
) -> None:
    rows = labelled(200, [f"class {n}" for n in range(50)])
    (stream,) = read_examples(guide, write(tmp_path, rows), templates=["{}"]).streams
    assert isinstance(stream, ClassTexts)
    small = replace(stream, most=10)
    batch = torch.tensor([1, 2, 3])
    _, keys = small.draw(batch, torch.Generator().manual_seed(0))
    assert len(keys) == len(set(keys[:, 0].tolist())) == 10
    assert set(stream.image_keys[batch, 0].tolist()) <= set(keys[:, 0].tolist())
