"""WeiCom: what its scores are, what they do not depend on, and what it gains."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.errors import UsageError
from fieldguide.retrieval.composing import Composed, Composer, Term
from fieldguide.retrieval.corpus import CorpusMoments, moments_of
from fieldguide.retrieval.raw_average import RawAverage
from fieldguide.retrieval.weicom import WeiCom

Array = NDArray[np.float64]


def term(similarities: Array) -> Term:
    """Return a part of a query with the moments of its own rows, computed directly."""
    return Term(similarities, float(similarities.mean()), float(similarities.std(ddof=1)))


def ranking(found: Composed) -> list[int]:
    return np.lexsort((-found.ties, -found.scores)).tolist()


def unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


@pytest.fixture
def cosines() -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    return 0.7 + 0.1 * generator.normal(size=300), 0.2 + 0.02 * generator.normal(size=300)


# ----------------------------------------------------------------------------- the score


def test_the_score_is_the_formula_of_the_paper(cosines: tuple[Array, Array]) -> None:
    image, text = cosines
    found = WeiCom(0.3)(term(image), term(text))
    place = [
        scipy.stats.norm.cdf(raw, raw.mean(), np.sqrt(((raw - raw.mean()) ** 2).sum() / 299))
        for raw in cosines
    ]
    assert found.terms["image_cdf"] == pytest.approx(place[0], abs=1e-6)
    assert found.terms["text_cdf"] == pytest.approx(place[1], abs=1e-6)
    assert found.scores == pytest.approx(0.7 * place[0] + 0.3 * place[1], abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 100), st.floats(-5, 5), st.sampled_from([0, 1]), st.floats(0, 1))
def test_the_scores_do_not_change_when_one_modality_is_scaled_and_shifted(
    factor: float, shift: float, changed: int, weight: float
) -> None:
    generator = np.random.default_rng(1)
    parts = [generator.normal(size=50), generator.normal(size=50)]
    before = WeiCom(weight)(*map(term, parts))
    parts[changed] = factor * parts[changed] + shift
    after = WeiCom(weight)(*map(term, parts))
    assert after.scores == pytest.approx(before.scores, abs=1e-9)


@pytest.mark.parametrize("make", [WeiCom, RawAverage])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_with_all_the_weight_on_one_part_the_ranking_is_its_own(
    make: type[WeiCom | RawAverage], weight: float, cosines: tuple[Array, Array]
) -> None:
    found = make(weight)(term(cosines[0]), term(cosines[1]))
    assert ranking(found) == np.argsort(-cosines[int(weight)]).tolist()


def test_rows_so_far_above_the_mean_that_both_places_are_one_keep_their_order() -> None:
    image = np.zeros(1000)
    image[[7, 3]] = 1.0, 1.1
    found = WeiCom(0.0)(term(image), term(np.linspace(0, 1, 1000)))
    assert found.scores[7] == found.scores[3] == 1
    assert ranking(found)[:2] == [3, 7]


@pytest.mark.parametrize("size", [1, 5])
def test_a_part_to_which_all_rows_are_equally_similar_leaves_the_choice_to_the_other(
    size: int,
) -> None:
    text = np.linspace(0.1, 0.2, size)
    found = WeiCom(0.5)(Term(np.full(size, 0.8), 0.8, 0.0), Term(text, float(text.mean()), 0.05))
    assert found.terms["image_cdf"].tolist() == [0.5] * size
    assert ranking(found) == list(range(size))[::-1]


@pytest.mark.parametrize("make", [WeiCom, RawAverage])
@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_weight_that_is_no_share_is_a_usage_error(
    make: type[WeiCom | RawAverage], weight: float
) -> None:
    with pytest.raises(UsageError, match=r"Give 0 .* to 1"):
        make(weight)


# ----------------------------------------------------------------------------- what it gains


def mean_average_precision(composer: Composer, seed: int) -> float:
    """Return the mAP of queries "this class, that attribute" over embeddings with a modality gap.

    Images and texts are sums of a class and an attribute direction; each modality has an offset of
    its own, and images of one class lie much closer together than images and texts do.
    """
    generator = np.random.default_rng(seed)
    classes, attributes = (unit(generator.normal(size=(6, 64))) for _ in "ca")
    gap_image, gap_text = unit(generator.normal(size=(2, 64)))
    of_class, of_attribute = (grid.ravel() for grid in np.mgrid[0:6, 0:6].repeat(20, axis=2))
    noise = 0.3 * unit(generator.normal(size=(len(of_class), 64)))
    images = unit(2 * classes[of_class] + 0.8 * attributes[of_attribute] + gap_image + noise)
    texts = unit(0.3 * attributes + 2 * gap_text)
    precisions = []
    for query in range(0, len(images), 7):
        for wanted in set(range(6)) - {int(of_attribute[query])}:
            found = composer(term(images @ images[query]), term(images @ texts[wanted]))
            right = (of_class == of_class[query]) & (of_attribute == wanted)
            hits = right[ranking(found)]
            precisions.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(precisions))


@pytest.mark.parametrize("seed", [0, 1])
def test_both_together_beat_their_plain_average_and_that_beats_either_alone(seed: int) -> None:
    fused = mean_average_precision(WeiCom(0.5), seed)
    average = mean_average_precision(RawAverage(0.5), seed)
    alone = max(mean_average_precision(WeiCom(weight), seed) for weight in (0.0, 1.0))
    assert fused > average + 0.05
    assert average > alone + 0.05


# ----------------------------------------------------------------------------- the corpus


def moments(rows: Array, block: int = 37) -> CorpusMoments:
    return moments_of((rows[n : n + block] for n in range(0, len(rows), block)), rows.shape[1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 90), st.floats(0, 100))
def test_mean_and_deviation_from_the_moments_are_those_of_all_cosines(
    seed: int, count: int, offset: float
) -> None:
    generator = np.random.default_rng(seed)
    rows = unit(generator.normal(size=(count, 12)) + offset * np.eye(12)[0])
    query = unit(generator.normal(size=12))
    cosines = rows @ query
    mean, std = moments(rows).spread(query)
    assert mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert std == pytest.approx(cosines.std(ddof=1), abs=1e-6)


@pytest.mark.parametrize("count", [1, 4])
def test_rows_that_are_all_the_same_do_not_spread(count: int) -> None:
    row = unit(np.arange(1.0, 13.0)).astype(np.float32)
    mean, std = moments(np.repeat(row[None], count, axis=0)).spread(row)
    assert std == 0
    assert mean == pytest.approx(1)


def test_a_corpus_without_rows_has_no_moments_but_zeros() -> None:
    assert moments_of([], 3).spread(np.ones(3)) == (0, 0)
