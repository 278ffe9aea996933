"""The stages of a filter of pairs: what each removes, and that nothing gets lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fieldguide as fg
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide.pairs.keywords import KeywordStage
from fieldguide.pairs.outliers import OutlierStage
from fieldguide.pairs.pair import Pair, pairs_of
from fieldguide.pairs.pictures import DuplicateStage, InvalidStage, Looks
from fieldguide.pairs.stages import Verdicts, run_stages
from fieldguide.pairs.words import read_words
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.guides import Guide


def said(*texts: str) -> Pair:
    return Pair(Item("x", "x.jpg"), texts)


# ----------------------------------------------------------------------------- all stages


@dataclass(frozen=True)
class Chosen:
    """Removes pairs by their names."""

    name: str
    targets: frozenset[str]

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        places = [n for n, pair in enumerate(pairs) if pair.item.name in self.targets]
        return Verdicts(dict.fromkeys(places, f"by {self.name}"))


@given(st.lists(st.frozensets(st.sampled_from("abcdefghij")), max_size=5), st.integers(0, 10))
def test_what_the_stages_remove_and_what_is_kept_make_the_input(
    targets: list[frozenset[str]], count: int
) -> None:
    names = "abcdefghij"[:count]
    stages = [Chosen(f"stage{n}", chosen) for n, chosen in enumerate(targets)]
    report = run_stages([Pair(Item(n, n), ("t",)) for n in names], stages, {})
    assert sum(count.removed for count in report.counts) + len(report.kept) == len(names)
    left = len(names)
    for counted in report.counts:
        assert counted.before == left
        left -= counted.removed
    for row in report:
        first = next((s for s in stages if row.pair.item.name in s.targets), None)
        assert row.stage == ("" if first is None else first.name)
        assert bool(row.reason) == bool(row.stage)


def test_the_records_have_a_row_a_pair_with_stage_and_reason() -> None:
    report = run_stages([Pair(Item(n, n), ()) for n in "ab"], [Chosen("s", frozenset("a"))], {})
    assert report.records() == [
        {"path": "a", "status": "removed", "stage": "s", "reason": "by s"},
        {"path": "b", "status": "kept", "stage": "", "reason": ""},
    ]


# ----------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("A SATELLITE IMAGE of Rome", True),
        ("two satellite\timages", True),
        ("a satellite-image", True),
        ("my_aerial_photo", True),
        ("Sentinel-2 (2020)", True),
        ("satellites", True),
        ("unaerial things", False),
        ("satelliteimagery1", False),
        ("a cat", False),
        ("", False),
    ],
)
def test_keywords_are_whole_words_in_any_case(text: str, *, is_kept: bool) -> None:
    stage = KeywordStage(["satellite image", "aerial", "sentinel-2", "satellite"])
    assert (not stage([said(text)]).removed) == is_kept


def test_one_text_of_several_suffices() -> None:
    assert KeywordStage(["aerial"])([said("a cat", "an aerial view"), said("a cat")]).removed == {
        1: "its text has no keyword"
    }


def test_keywords_are_no_patterns() -> None:
    assert KeywordStage(["a.c", "(x"])([said("abc"), said("a.c"), said("(x)")]).removed == {
        0: "its text has no keyword"
    }


def test_texts_come_from_the_first_column_that_a_row_has() -> None:
    items = [
        Item("0", "0", metadata={"captions": [" a ", "", 3, "b"], "text": "c"}),
        Item("1", "1", metadata={"text": "c"}),
        Item("2", "2", metadata={"title": "d"}),
    ]
    assert [pair.texts for pair in pairs_of(items)] == [("a", "b"), ("c",), ()]
    assert [pair.texts for pair in pairs_of(items, "title")] == [(), (), ("d",)]
    with pytest.raises(UsageError, match="--caption-column"):
        pairs_of(items, "alt")


# ----------------------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    model = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide("general", model=str(model))


def draw(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def pairs(tmp_path: Path, guide: Guide) -> list[Pair]:
    """Two pictures, three copies of the first, and four that are of no use."""
    draw(0).save(tmp_path / "00.png")
    (tmp_path / "01_same.png").write_bytes((tmp_path / "00.png").read_bytes())
    draw(0).resize((200, 150)).save(tmp_path / "02_large.jpg", quality=70)
    draw(0).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "03_turned.png")
    draw(1).save(tmp_path / "04_other.png")
    draw(2, (40, 200)).save(tmp_path / "05_narrow.png")
    Image.new("RGB", (100, 100), "navy").save(tmp_path / "06_blue.png")
    (tmp_path / "07_broken.jpg").write_bytes(b"\xff\xd8\xff no")
    return [Pair(item, ("t",)) for item in guide.find(tmp_path)]


def test_pictures_that_are_of_no_use_are_removed_with_their_reasons(
    pairs: list[Pair], guide: Guide
) -> None:
    removed = InvalidStage(Looks(guide), 64)(pairs).removed
    assert sorted(removed) == [5, 6, 7]
    assert removed[5] == "40 x 200 px is smaller than 64 px"
    assert removed[6] == "it shows one colour only"
    assert "image" in removed[7]


def test_a_row_cannot_claim_another_size(pairs: list[Pair], guide: Guide) -> None:
    item = pairs[5].item
    lying = Item(item.id, item.name, item.path, metadata={"width_px": 500, "height_px": 500})
    assert 0 in InvalidStage(Looks(guide), 64)([Pair(lying, ("t",))]).removed


def test_the_first_of_equal_and_of_alike_pictures_is_kept(pairs: list[Pair], guide: Guide) -> None:
    report = run_stages(pairs, [InvalidStage(looks := Looks(guide), 64), DuplicateStage(looks)], {})
    assert [row.pair.item.name.rpartition("/")[2] for row in report.kept] == [
        "00.png", "04_other.png"
    ]  # fmt: skip
    reasons = [row.reason for row in report][1:4]
    assert reasons[0].startswith("the same file as")
    assert all(reason.startswith("it looks like") for reason in reasons[1:])
    assert all(reason.endswith("00.png") for reason in reasons)


def test_the_score_is_the_probability_of_all_texts_of_the_domain(
    pairs: list[Pair], guide: Guide
) -> None:
    inside, outside = ["a river", "a field"], ["a cat", "a dog", "a cup"]
    some = [pairs[0], pairs[4]]
    whole = guide.classify([p.item for p in some], [*inside, *outside], templates=["{}"])
    expected = [sum(g.probability or 0 for g in row.guesses if g.label in inside) for row in whole]
    threshold = sum(expected) / 2
    found = OutlierStage(guide, inside, outside, threshold)(some)
    scores = [found.notes[place]["domain_score"] for place in range(2)]
    assert scores == pytest.approx(expected)
    assert list(found.removed) == [int(np.argmin(expected))]
    (reason,) = found.removed.values()
    assert "most like 'a" in reason


@pytest.mark.parametrize(
    ("inside", "outside", "threshold"),
    [([], ["a"], 0.5), (["a"], [], 0.5), (["a"], ["a", "b"], 0.5), (["a"], ["b"], 1.5)],
)
def test_texts_and_threshold_that_make_no_sense_are_refused(
    guide: Guide, inside: list[str], outside: list[str], threshold: float
) -> None:
    with pytest.raises(UsageError):
        OutlierStage(guide, inside, outside, threshold)


def test_no_pairs_are_no_fault(guide: Guide) -> None:
    looks = Looks(guide)
    stages = [KeywordStage(["a"]), InvalidStage(looks, 64), DuplicateStage(looks),
              OutlierStage(guide, ["a"], ["b"], 0.5)]  # fmt: skip
    assert len(run_stages([], stages, {})) == 0


# ----------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not YAML"),
        ("[]", "needs version, keywords, inside and outside"),
        ("{version: '1', keywords: [], inside: [a], outside: [b]}", "keywords"),
        ("{version: '1', keywords: [k], inside: [a], outside: [b], other: 1}", "other"),
    ],
)
def test_a_file_of_words_of_another_form_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "w.yaml").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_words(tmp_path / "w.yaml")


def test_a_missing_file_of_words_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml cannot be read"):
        read_words(tmp_path / "none.yaml")
