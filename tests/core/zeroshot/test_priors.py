from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fieldguide.errors import PluginError, UsageError
from fieldguide.specs import DomainSpec, ModalitySpec, OptionSpec
from fieldguide.zeroshot.classifier import softmax
from fieldguide.zeroshot.priors import Belief, Boost, Candidates, prior_of, split_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LABELS = 5


@dataclass
class Same:
    """A source that says the same of each image."""

    log_prior: Any
    strength: float = 1.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def for_labels(self, _candidates: Candidates) -> Same:
        return self

    def belief(self, metadata: Mapping[str, Any]) -> Belief:
        if metadata.get("unknown"):
            return Belief(None, "no prior")
        return Belief(np.asarray(self.log_prior, np.float32), "prior")


def boosted(logits: NDArray[Any], log_prior: Any, strength: float = 1.0) -> NDArray[Any]:
    boost = Boost.of(Same(log_prior, strength), Candidates([f"{i}" for i in range(LABELS)]))
    return boost.add(logits, boost.beliefs([{}] * len(logits)))


# eighths: sums of them are exact, so that laws hold to the last bit
eighths = st.integers(-400, 400).map(lambda number: number / 8)
rows_of_logits = arrays(np.float64, st.tuples(st.integers(1, 4), st.just(LABELS)), elements=eighths)
log_priors = arrays(np.float32, LABELS, elements=st.integers(-64, 0).map(lambda n: n / 8))
strengths = st.integers(0, 16).map(lambda number: number / 8)


@given(rows_of_logits, log_priors)
def test_strength_zero_leaves_every_bit_as_it_is(
    logits: NDArray[Any], log_prior: NDArray[Any]
) -> None:
    assert boosted(logits, log_prior, 0.0).tobytes() == logits.tobytes()


@given(rows_of_logits, log_priors, strengths)
def test_the_log_prior_is_added_times_the_strength(
    logits: NDArray[Any], log_prior: NDArray[Any], strength: float
) -> None:
    expected = [
        [value + strength * float(prior) for value, prior in zip(row, log_prior, strict=True)]
        for row in logits.tolist()
    ]
    assert boosted(logits, log_prior, strength).tolist() == expected


@given(rows_of_logits, log_priors, log_priors)
def test_two_log_priors_one_after_the_other_are_their_sum(
    logits: NDArray[Any], first: NDArray[Any], second: NDArray[Any]
) -> None:
    one_by_one = boosted(boosted(logits, first), second)
    assert one_by_one.tolist() == boosted(logits, first + second).tolist()


@given(rows_of_logits, st.integers(-64, 64), strengths)
def test_a_constant_log_prior_changes_no_probability(
    logits: NDArray[Any], constant: int, strength: float
) -> None:
    found = softmax(boosted(logits, np.full(LABELS, constant / 8), strength))
    np.testing.assert_allclose(found, softmax(logits), atol=1e-6)


@given(rows_of_logits, log_priors, strengths, strengths)
def test_the_favoured_of_two_labels_gains_with_the_strength(
    logits: NDArray[Any], log_prior: NDArray[Any], some: float, more: float
) -> None:
    weak, strong = sorted((some, more))
    best, worst = int(np.argmax(log_prior)), int(np.argmin(log_prior))
    odds = [
        boosted(logits, log_prior, strength)[:, best]
        - boosted(logits, log_prior, strength)[:, worst]
        for strength in (weak, strong)
    ]
    assert (odds[1] >= odds[0]).all()
    probabilities = [softmax(boosted(logits, log_prior, s))[:, best] for s in (weak, strong)]
    assert (probabilities[1] >= probabilities[0] - 1e-6).all()


def test_an_image_of_which_nothing_is_known_keeps_its_logits_beside_one_that_changes() -> None:
    boost = Boost.of(Same([-1.0, 0, 0, 0, 0]), Candidates(list("abcde")))
    logits = np.arange(10, dtype=np.float32).reshape(2, 5) / 3
    found = boost.add(logits, boost.beliefs([{"unknown": True}, {}]))
    assert found[0].tobytes() == logits[0].tobytes()
    assert found[1, 0] == logits[1, 0] - 1
    assert found.dtype == np.float32


def test_labels_taken_in_parts_get_what_they_get_together() -> None:
    boost = Boost.of(Same([-1.0, -2, -3, -4, -5], 0.5), Candidates(list("abcde")))
    logits, beliefs = np.zeros((1, 5)), boost.beliefs([{}])
    parts = [boost.add(logits[:, s], beliefs, s) for s in (slice(0, 2), slice(2, 5))]
    assert np.hstack(parts).tolist() == boost.add(logits, beliefs).tolist()


@given(rows_of_logits, log_priors, strengths)
def test_what_is_added_is_what_the_sum_adds(
    logits: NDArray[Any], log_prior: NDArray[Any], strength: float
) -> None:
    boost = Boost.of(Same(log_prior, strength), Candidates(list("abcde")))
    beliefs = boost.beliefs([{}] * (len(logits) - 1) + [{"unknown": True}])
    assert (logits + boost.added(beliefs)).tolist() == boost.add(logits, beliefs).tolist()


def test_what_is_added_to_images_of_one_place_stands_once() -> None:
    boost = Boost.of(Same([-1.0, 0, 0, 0, 0], 2.0), Candidates(list("abcde")))
    belief = boost.beliefs([{}])[0]
    assert boost.added([belief] * 7).tolist() == [[-2.0, 0, 0, 0, 0]]


def test_logits_that_are_given_stay_what_they_were() -> None:
    logits = np.zeros((1, 5))
    boosted(logits, [-1.0, 0, 0, 0, 0])
    assert not logits.any()


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_prior_that_makes_a_label_impossible_is_refused(value: float) -> None:
    with pytest.raises(PluginError, match="impossible"):
        boosted(np.zeros((1, 5)), [value, 0, 0, 0, 0])


def test_a_prior_of_other_labels_is_refused() -> None:
    with pytest.raises(PluginError, match="5"):
        boosted(np.zeros((1, 5)), [0.0, 0.0])


@pytest.mark.parametrize("strength", [-0.1, np.nan, np.inf])
def test_a_strength_that_makes_no_sense_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        boosted(np.zeros((1, 5)), np.zeros(5), strength)


def domain(prior: str | None = None) -> DomainSpec:
    return DomainSpec(
        name="stars",
        summary="Stars",
        modalities=(ModalitySpec(name="sky", summary="The sky", loader=("image",)),),
        options=(
            OptionSpec(name="exposure", help="Of all"),
            OptionSpec(name="night", help="Of all", of_prior=True),
        ),
        prior=prior,
    )


def test_options_of_a_prior_are_kept_from_what_reads_images() -> None:
    reading, of_prior = split_options(domain(), {"exposure": "1", "night": "dark", "other": "2"})
    assert (reading, of_prior) == ({"exposure": "1", "other": "2"}, {"night": "dark"})


def make_source(*, night: str) -> Same:
    return Same([len(night)] * LABELS)


def test_a_domain_makes_its_prior_of_its_options_and_none_without_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fieldguide.demo.stars", make_source, raising=False)
    offered = domain("fieldguide.demo:stars")
    source = prior_of(offered, {"night": "dark"})
    assert isinstance(source, Same)
    assert source.log_prior == [4] * LABELS
    assert prior_of(offered, {}) is None
    assert prior_of(domain(), {"night": "dark"}) is None
