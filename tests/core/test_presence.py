"""Findings by present and absent sentences, against loops written out and hand numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import fieldguide as fg
from fieldguide.errors import SpaceMismatchError, UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.class_sets import PromptPair, load_class_set
from fieldguide.zeroshot.classify import EachHolds
from fieldguide.zeroshot.presence import (
    PresenceAbsencePromptClassifier,
    mean_cosine_difference,
    pair_softmax,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.guides import Guide

    Build = Callable[["Words", Mapping[str, PromptPair]], PresenceAbsencePromptClassifier]

SPACE = SpaceId(model="words", encoder="0" * 64, contract="0" * 64, pooling="none", dim=6)
PAIRS = {
    "nodule": PromptPair(("a nodule", "nodules are seen"), ("no nodule", "lungs are clear")),
    "hernia": PromptPair(("a hernia",), ("no hernia", "stomach in place", "no hiatal hernia")),
}
YAML = """
name: signs
version: "1"
source: "made for this test"
licence: Apache-2.0
templates: ["{}"]
present_templates: ["{} is present."]
absent_templates: ["{} is not present."]
classes:
  - {label: stripes, names: [stripes]}
  - {label: dots, names: [dots], present: [dots are seen.], absent: [no dots are seen.]}
  - {label: rings, names: [rings, circles]}
"""


class Words:
    """An encoder whose texts have fixed random unit vectors; counts how often it is asked."""

    space = SPACE
    logit_scale = 20.0

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.asked += texts
        rows = [np.random.default_rng(sum(map(ord, text))).normal(size=6) for text in texts]
        return Embeddings(unit_length(np.stack(rows)), SPACE)


def images(count: int) -> Embeddings:
    vectors = np.random.default_rng(3).normal(size=(count, 6))
    return Embeddings(unit_length(vectors), SPACE)


@settings(deadline=None)
@given(st.floats(-80, 80), st.floats(-80, 80))
def test_the_softmax_of_a_pair_is_the_sigmoid_of_its_difference(one: float, other: float) -> None:
    # an image (1, 0, ...) whose cosines with the two sides are what hypothesis draws, by scale 1
    side = np.zeros((2, 6))
    side[:, 0] = one, other
    classifier = PresenceAbsencePromptClassifier(("x",), side[:1], side[1:], SPACE, 1.0)
    image = Embeddings(np.eye(6, dtype=np.float32)[:1], SPACE)
    highest = max(one, other)
    weights = [math.exp(one - highest), math.exp(other - highest)]
    assert classifier.probabilities(image)[0, 0] == pytest.approx(
        weights[0] / sum(weights), abs=1e-6
    )


def test_the_classifier_of_ct_clip_equals_a_loop_over_single_prompts() -> None:
    words, some = Words(), images(4)
    single = {label: PromptPair(pair.present[:1], pair.absent[:1]) for label, pair in PAIRS.items()}
    found = pair_softmax(words, single).probabilities(some)
    for row in range(4):
        for column, pair in enumerate(single.values()):
            logits = [
                20 * float(some.vectors[row] @ words.encode_texts([text]).vectors[0])
                for text in (pair.present[0], pair.absent[0])
            ]
            total = math.exp(logits[0]) + math.exp(logits[1])
            assert found[row, column] == pytest.approx(math.exp(logits[0]) / total, abs=1e-6)


def test_the_score_of_merlin_is_mean_cosine_with_present_less_mean_cosine_with_absent() -> None:
    words, some = Words(), images(5)
    found = mean_cosine_difference(words, PAIRS).margins(some)
    for row in range(5):
        for column, pair in enumerate(PAIRS.values()):
            means = [
                sum(float(some.vectors[row] @ words.encode_texts([t]).vectors[0]) for t in side)
                / len(side)
                for side in pair
            ]
            assert found[row, column] == pytest.approx(means[0] - means[1], abs=1e-6)


def test_an_ensemble_of_pair_softmax_is_the_unit_vector_of_the_mean() -> None:
    words = Words()
    found = pair_softmax(words, PAIRS)
    total = sum(words.encode_texts([text]).vectors[0] for text in PAIRS["nodule"].present)
    assert np.allclose(found.present[0], total / np.linalg.norm(total), atol=1e-6)
    assert np.allclose(np.linalg.norm(found.absent, axis=1), 1)


@pytest.mark.parametrize("build", [pair_softmax, mean_cosine_difference])
def test_a_finding_does_not_depend_on_the_others(build: Build) -> None:
    words, some = Words(), images(3)
    both = build(words, PAIRS).probabilities(some)
    alone = build(words, {"hernia": PAIRS["hernia"]}).probabilities(some)
    assert np.allclose(both[:, 1], alone[:, 0], atol=1e-12)


def test_swapping_present_and_absent_swaps_the_probability() -> None:
    words, some = Words(), images(3)
    turned = {label: PromptPair(pair.absent, pair.present) for label, pair in PAIRS.items()}
    found = pair_softmax(words, PAIRS).probabilities(some)
    other = pair_softmax(words, turned).probabilities(some)
    assert np.allclose(found, 1 - other, atol=1e-12)


def test_every_distinct_sentence_is_embedded_once() -> None:
    words = Words()
    twice = {"one": PAIRS["nodule"], "two": PAIRS["nodule"]}
    pair_softmax(words, twice)
    assert sorted(words.asked) == sorted({t for side in PAIRS["nodule"] for t in side})


def test_images_of_another_model_are_refused() -> None:
    classifier = pair_softmax(Words(), PAIRS)
    other = Embeddings(images(1).vectors, SPACE.model_copy(update={"encoder": "1" * 64}))
    with pytest.raises(SpaceMismatchError):
        classifier.probabilities(other)


def test_findings_are_given_best_first_and_those_below_the_threshold_are_left_out() -> None:
    answer = EachHolds(top=3, threshold=0.4, thresholds={"b": 0.7})
    found = answer.guesses(np.array([0.45, 0.9, 0.1]), ("a", "b", "c"))
    assert [(g.label, g.probability, g.threshold) for g in found] == [
        ("b", 0.9, 0.7),
        ("a", 0.45, None),
    ]


def test_none_of_these_is_said_when_every_finding_is_below_the_threshold() -> None:
    found = EachHolds(top=2, threshold=0.5, thresholds={}).guesses(np.array([0.1, 0.2]), ("a", "b"))
    assert [(g.label, g.probability) for g in found] == [("none of these", None)]


# ----------------------------------------------------------------------------- class sets


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    path = tmp_path / "signs.yaml"
    path.write_text(YAML, "utf-8")
    return path


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide(model=str(folder), device="cpu", batch_size=4)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_the_sentences_of_a_finding_are_its_own_and_the_templates_around_its_names(
    signs: Path, guide: Guide
) -> None:
    pairs = load_class_set(str(signs), guide.catalog).pairs()
    assert pairs["dots"].present == ("dots are seen.", "dots is present.")
    assert pairs["rings"].absent == ("rings is not present.", "circles is not present.")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("  - {label: bars, names: [bars], present: [bars.]}", "no sentence that says it is abs"),
        ("  - {label: bars, names: [bars], absent: [bars.]}", "no sentence that says it is pres"),
        ("  - {label: bars, names: [bars], present: [x.], absent: [x.]}", "says both"),
    ],
)
def test_a_finding_with_one_side_alone_is_no_class_set(
    tmp_path: Path, guide: Guide, line: str, complaint: str
) -> None:
    head = YAML.split("present_templates")[0]
    (tmp_path / "bad.yaml").write_text(f"{head}classes:\n{line}\n", "utf-8")
    with pytest.raises(UsageError, match=complaint):
        load_class_set(str(tmp_path / "bad.yaml"), guide.catalog)


def test_a_set_of_findings_gives_every_finding_a_probability_of_its_own(
    signs: Path, guide: Guide, photos: Path
) -> None:
    found = guide.classify(photos, classes=str(signs))
    for row in found:
        claims = [guess.probability for guess in row.guesses]
        assert {guess.label for guess in row.guesses} == {"stripes", "dots", "rings"}
        assert claims == sorted(claims, reverse=True)
        assert sum(claims) != pytest.approx(1, abs=1e-3)


def test_a_probability_in_a_table_is_the_softmax_of_the_two_sentences(
    signs: Path, guide: Guide, photos: Path
) -> None:
    row = guide.classify(photos / "0.png", classes=str(signs))[0]
    image = guide.encode_image(photos / "0.png").vectors[0].astype(np.float64)
    scale = guide.planner.encoder(guide.planner.text_model()[1]).logit_scale
    logits = [
        scale * float(image @ guide.encode_text(f"stripes is {word}.").vectors[0])
        for word in ("present", "not present")
    ]
    claims = {guess.label: guess.probability for guess in row.guesses}
    assert claims["stripes"] == pytest.approx(1 / (1 + math.exp(logits[1] - logits[0])), rel=1e-4)


def test_top_keeps_the_likeliest_findings(signs: Path, guide: Guide, photos: Path) -> None:
    every = guide.classify(photos, classes=str(signs))
    first = guide.classify(photos, classes=str(signs), top=1)
    assert [row.guesses for row in first] == [row.guesses[:1] for row in every]


def test_templates_for_findings_are_refused(signs: Path, guide: Guide, photos: Path) -> None:
    with pytest.raises(UsageError, match="sentences of their own"):
        guide.classify(photos, classes=str(signs), templates=["a {}"])


def test_the_tables_and_the_page_of_findings_have_a_row_for_each(
    signs: Path, guide: Guide, photos: Path, tmp_path: Path
) -> None:
    found = guide.classify(photos, classes=str(signs), thumbnails=True)
    lines = found.write(tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert lines[0] == "path,rank,label,probability,status,reason"
    assert len(lines) == 1 + 3 * 3
    page = found.write(tmp_path / "out.html").read_text("utf-8")
    assert all(label in page for label in ("stripes", "dots", "rings"))


def test_a_set_that_names_another_kind_of_method_is_refused(
    signs: Path, guide: Guide, photos: Path
) -> None:
    signs.write_text(YAML + "finding_classifier: weicom\n", "utf-8")
    with pytest.raises(UsageError, match="which is a composer"):
        guide.classify(photos, classes=str(signs))
