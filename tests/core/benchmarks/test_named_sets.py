"""Sets that name their own classes: reading, zero-shot by them, SimpleShot, means over sets."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from fieldguide.benchmarks import named_zero_shot, simple_shot
from fieldguide.benchmarks.labelled import LabelledImages
from fieldguide.benchmarks.mean_of_sets import MeanOfSets, Member
from fieldguide.benchmarks.measured import Measured
from fieldguide.benchmarks.named_set import Listing, NamedRow, NamedSet
from fieldguide.benchmarks.named_zero_shot import NamedZeroShot, ranks_of
from fieldguide.benchmarks.report import Figure
from fieldguide.benchmarks.simple_shot import SimpleShot, nearest_mean
from fieldguide.benchmarks.vectors import Encoded, Part, split_of, splits_of
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COUNTS = {"train": 2, "test": 1}


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    return NamedRow(
        path=cells["path"],
        label=cells["label"],
        names={"common": cells["label"].lower()},
        split=cells.get("split", ""),
        division=cells.get("division", ""),
    )


def named_set(rows: list[dict[str, str]], counts: dict[str, int] | None = None) -> NamedSet:
    """Return a set whose rows are given; its images lie under the root."""

    def listing(root: Path) -> Listing:
        return Listing(root / "list.csv", root, list(enumerate(rows, start=2)))

    return NamedSet("oaks", "Oaks", COUNTS if counts is None else counts, listing, read_row)


def rows_of(root: Path, *names: str) -> list[dict[str, str]]:
    for name in names:
        (root / name).touch()
    return [
        {"path": name, "label": f"Class {n}", "split": "test" if n == 0 else "train"}
        for n, name in enumerate(names)
    ]


def test_the_images_of_a_set_are_found_by_class_with_the_names_of_all_classes(
    tmp_path: Path, catalog: Any
) -> None:
    rows = rows_of(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images = named_set(rows).find(tmp_path, catalog)
    assert images.labels == ("Class 0", "Class 1", "Class 2")
    assert images.names["Class 2"] == {"common": "class 2"}
    assert (images.whole, images.whole_test) == (3, 1)
    assert [item.path for item in images.reported().items] == [tmp_path / "a.jpg"]


def test_a_class_of_which_no_image_is_there_is_offered_all_the_same(
    tmp_path: Path, catalog: Any
) -> None:
    rows = rows_of(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "c.jpg").unlink()
    data = named_set(rows)
    with pytest.raises(UsageError, match=r"2 of 3 images \(train 1 of 2, test 1 of 1\) \(c.jpg"):
        data.find(tmp_path, catalog)
    assert set(data.find_subset(tmp_path, catalog).names) == {"Class 0", "Class 1", "Class 2"}


def test_more_images_than_the_set_has_are_refused_even_as_a_part(
    tmp_path: Path, catalog: Any
) -> None:
    rows = rows_of(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    with pytest.raises(UsageError, match="is not Oaks as it was published"):
        named_set(rows).find_subset(tmp_path, catalog)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"path": "../x.jpg", "label": "A"}, "lies outside the data set"),
        ({"path": "/etc/passwd", "label": "A"}, "lies outside the data set"),
        ({"path": "a\\b.jpg", "label": "A"}, "lies outside the data set"),
        ({"path": "a.jpg", "label": ""}, "it names no class"),
        ({"path": "a.jpg"}, "it has not what it should: 'label'"),
        ({"path": "a.jpg", "label": "A", "split": "valid"}, "'valid' is no split of the set"),
        ({"fault": "has 3 cells"}, "has 3 cells"),
    ],
)
def test_a_row_that_is_none_of_the_set_is_named_with_its_line(
    tmp_path: Path, catalog: Any, row: dict[str, str], fault: str
) -> None:
    data = named_set([row], counts={"": 1})
    with pytest.raises(UsageError, match=r"list.csv, line 2, is no row of Oaks: .*") as error:
        data.find_subset(tmp_path, catalog)
    assert fault in str(error.value)
    assert "fieldguide benchmark oaks --how-to-get" in str(error.value)


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_ranks_are_those_of_a_sort(seed: int, count: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    # whole numbers, so that some cosines are exactly equal
    images = generator.integers(-1, 2, (count, 3)).astype(np.float32)
    texts = generator.integers(-1, 2, (classes, 3)).astype(np.float32)
    truth = generator.integers(0, classes, count)
    expected = [
        sorted(range(classes), key=lambda c, row=row: (-float(images[row] @ texts[c]), c)).index(
            truth[row]
        )
        for row in range(count)
    ]
    assert ranks_of(images, texts, truth).tolist() == expected


@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_the_nearest_mean_is_that_of_scikit_learn_on_centred_unit_vectors(
    seed: int, classes: int, shots: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = np.repeat([f"class {n}" for n in range(classes)], shots)
    train = unit_length(generator.normal(size=(len(labels), 7)))
    queries = unit_length(generator.normal(size=(20, 7)))
    centre = train.mean(axis=0)
    model = NearestCentroid().fit(unit_length(train - centre), labels)
    expected = model.predict(unit_length(queries - centre))
    assert nearest_mean(Part(train, labels), queries).tolist() == expected.tolist()


def test_simple_shot_by_hand() -> None:
    """Centre (1/2, 1/2): the drawn vectors become opposite, and a query goes to its side."""
    train = Part(np.eye(2, dtype=np.float32), np.array(["left", "up"]))
    queries = unit_length(np.array([[2.0, 1.0], [1.0, 2.0], [0.1, 1.0]]))
    assert nearest_mean(train, queries).tolist() == ["left", "up", "up"]


def images_of(labels: list[str], splits: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> Any:
    items = tuple(Item(f"{n}", f"{n}.jpg", Path(f"{n}.jpg")) for n in range(len(labels)))
    names = {label: {"common": label} for label in labels}
    return LabelledImages(items, tuple(labels), len(labels), splits, splits.count("test"),
                          groups, names)  # fmt: skip


class Words:
    """An encoder of texts: each has a direction of its own."""

    logit_scale = 10.0
    space = SpaceId(model="words", encoder="words", contract="0", pooling="mean", dim=16)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(np.stack([direction(text) for text in texts]), self.space)


def direction(text: str) -> Any:
    """Return a unit vector that depends on the text alone."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return unit_length(np.random.default_rng(seed).normal(size=(1, 16)))[0]


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what the vectors of all images are."""

    def use(vectors: Any) -> None:
        whole = np.zeros((len(vectors), 16))
        whole[:, : len(vectors[0])] = vectors

        def encode_all(guide: Any, items: Any) -> Encoded:
            some = unit_length(whole[[int(item.id) for item in items]])
            embeddings = Embeddings(some, Words.space)
            return Encoded(tuple(range(len(items))), embeddings, Words(), {}, ())  # type: ignore[arg-type] # its texts alone are used

        monkeypatch.setattr(simple_shot, "encode_all", encode_all)
        monkeypatch.setattr(named_zero_shot, "encode_all", encode_all)

    return use


def test_simple_shot_asks_what_was_not_drawn_and_leaves_out_shots_that_nobody_can_give(
    fixed: Any,
) -> None:
    centres = np.repeat(np.eye(4)[:2], 4, axis=0)
    fixed(centres + 0.01 * np.arange(8)[:, None])
    labels = ["a"] * 4 + ["b"] * 4
    found = SimpleShot(shots=(5, 3, 1)).measure(None, images_of(labels))  # type: ignore[arg-type] # encode_all takes any
    accuracy = [figure for figure in found.figures if figure.metric == "top1_accuracy"]
    assert [(figure.part, figure.n, figure.value) for figure in accuracy] == [
        ("3 shots", 2, 100.0), ("1 shot", 6, 100.0),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="too few images to draw 4 of each class: one has 4"):
        SimpleShot(shots=(4,)).measure(None, images_of(labels))  # type: ignore[arg-type] # as above


def test_simple_shot_draws_from_the_owners_train_and_asks_all_of_test(fixed: Any) -> None:
    labels = ["a", "a", "b", "b", "a", "b", "b"]
    splits = ("train", "train", "train", "train", "test", "test", "test")
    # the second test image of b looks like an a: two of three are right in every draw
    fixed([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.2], [0.2, 1], [1, 0.3]])
    found = SimpleShot(shots=(1,)).measure(None, images_of(labels, splits))  # type: ignore[arg-type] # as above
    accuracy, spread = found.figures
    assert (accuracy.n, spread.value) == (3, 0.0)
    assert accuracy.value == pytest.approx(200 / 3)


def test_classes_with_one_text_are_one_class(fixed: Any) -> None:
    images = images_of(["Acropora acuminata", "Acropora millepora", "Pica pica"])
    same = {"common": "staghorn coral"}
    images = replace(images, names={"Acropora acuminata": same, "Acropora millepora": same,
                                    "Pica pica": {"common": "magpie"}})  # fmt: skip
    coral = direction("a photo of staghorn coral.")
    fixed([coral, coral, coral])
    found = NamedZeroShot("common").measure(None, images)  # type: ignore[arg-type] # as above
    assert found.figures[0].value == pytest.approx(200 / 3)
    assert "2 classes by the set's own text 'common'" in found.protocol[0]


def test_divisions_have_figures_of_their_own(fixed: Any) -> None:
    images = images_of(["rook", "jay", "carp"])
    images = replace(images, divisions={"rook": "Birds", "jay": "Birds", "carp": "Fishes"})
    fixed([direction(f"a photo of {name}.") for name in ("rook", "rook", "carp")])
    found = NamedZeroShot("common").measure(None, images)  # type: ignore[arg-type] # as above
    parts = {figure.part: (figure.value, figure.n) for figure in found.figures if figure.part}
    assert parts == {"Birds": (50.0, 2), "Fishes": (100.0, 1)}


def test_a_text_that_the_set_has_not_is_told(fixed: Any) -> None:
    with pytest.raises(UsageError, match="no text of the kind 'latin' for oak"):
        NamedZeroShot("latin").measure(None, images_of(["oak", "elm"]))  # type: ignore[arg-type] # as above


def test_groups_go_whole_to_one_part() -> None:
    labels = ["a"] * 20 + ["b"] * 20
    groups = [f"{label}{n // 4}" for n, label in enumerate(labels)]
    items = images_of(labels).items
    parts = dict.fromkeys(groups, "")
    for group, part in zip(groups, split_of(items, labels, groups), strict=True):
        assert parts[group] in ("", part)
        parts[group] = part
    assert Counter(parts.values()) == {"train": 6, "val": 2, "test": 2}


def test_no_group_of_the_owners_train_is_trained_on_and_chosen_by() -> None:
    labels = ["a"] * 12
    groups = tuple(f"track {n // 3}" for n in range(12))
    splits = splits_of(images_of(labels, ("train",) * 9 + ("test",) * 3, groups))
    assert splits[9:] == ("test",) * 3
    assert Counter(splits[:9]) == {"train": 6, "val": 3}
    assert len({(group, split) for group, split in zip(groups, splits, strict=True)}) == 4


@dataclass(frozen=True)
class Says:
    """A protocol that answers a number by the title of nothing but its images' count."""

    name: str = "zero_shot"

    def measure(self, guide: Any, images: LabelledImages) -> Measured:
        n = len(images.items)
        return Measured((Figure("top1_accuracy", 10.0 * n, None, None, n),), n, ("Ten each.",), {})


@dataclass
class FakeGuide:
    """What a report asks of a guide."""

    catalog: Any
    adapter: None = None


def three_sets(root: Path) -> MeanOfSets:
    members = []
    for place, count in (("one", 1), ("two", 2), ("three", 6)):
        (root / place).mkdir()
        rows = rows_of(root / place, *(f"{n}.jpg" for n in range(count)))
        for row in rows:
            row["split"] = ""
        data = replace(named_set(rows, {"": count}), title=place.title())
        members.append(Member(place, data, Says()))
    return MeanOfSets("all_zero_shot", "all", tuple(members))


def test_the_mean_of_all_sets_weighs_each_as_much(tmp_path: Path, catalog: Any) -> None:
    report = three_sets(tmp_path)(FakeGuide(catalog), tmp_path)  # type: ignore[arg-type] # a report asks no more
    assert (report.main.value, report.main.part) == (pytest.approx((10 + 20 + 60) / 3), "")
    assert [(row.part, row.value) for row in report.figures[1:]] == [
        ("One", 10.0), ("Two", 20.0), ("Three", 60.0),
    ]  # fmt: skip
    assert str(report.coverage) == "complete: 9 of 9"
    assert report.traps == ()


def test_a_mean_with_a_set_missing_never_looks_like_the_whole_one(
    tmp_path: Path, catalog: Any
) -> None:
    sets, guide = three_sets(tmp_path), FakeGuide(catalog)
    for file in (tmp_path / "two").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match=r"1 of the 3 sets are not there or not whole: Two: .*"):
        sets(guide, tmp_path)  # type: ignore[arg-type] # as above
    report = sets.on_subset(guide, tmp_path)  # type: ignore[arg-type] # as above
    assert (report.main.value, report.main.part) == (35.0, "mean of 2 of 3 sets")
    assert str(report.coverage) == "subset: 7 of 9"
    assert "only 2 of 3 sets" in report.protocol[0]
    (trap,) = report.traps
    assert trap.startswith("Not there: Two. A mean over other sets is another figure")


def test_no_set_at_all_is_told(tmp_path: Path, catalog: Any) -> None:
    sets = three_sets(tmp_path)
    with pytest.raises(UsageError, match="holds none of the sets"):
        sets.on_subset(FakeGuide(catalog), tmp_path / "elsewhere")  # type: ignore[arg-type] # as above
