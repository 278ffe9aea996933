"""Classes by sentences about them: the laws of the mean, and what sentences add to unseen names."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fieldguide as fg
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.load import load_encoder, named_model
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.classifier import build_classifier
from fieldguide.zeroshot.description_ensemble import HALF, DescriptionEnsembleClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.models.embeddings import Encoder

DIM = 24
SPACE = SpaceId(model="words", encoder="0" * 64, contract="0" * 64, pooling="mean", dim=DIM)


@dataclass
class WordTower:
    """A text is the sum of its words' vectors; a word without one has a direction of its own."""

    words: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    space: SpaceId = SPACE
    logit_scale: float = 10.0

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        vectors = np.stack([sum(map(self.word, text.split()), np.zeros(DIM)) for text in texts])
        return Embeddings(unit_length(vectors), self.space)

    def word(self, word: str) -> np.ndarray[Any, Any]:
        if word not in self.words:
            self.words[word] = np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIM)
        return self.words[word]


SENTENCES = {
    "oystercatcher": ("a black and white wader", "it has a long red bill", "pink legs"),
    "dunlin": ("a small brown wader", "a black belly in summer"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "model")
    catalog = fg.get_catalog()
    return load_encoder(named_model(str(folder), catalog), catalog, torch.device("cpu"))


def test_one_sentence_a_class_is_the_plain_classifier(model: Encoder) -> None:
    single = {label: texts[:1] for label, texts in SENTENCES.items()}
    described = DescriptionEnsembleClassifier.of(model, single)
    plain = build_classifier(model, single)
    assert described.labels == plain.labels
    assert np.array_equal(described.vectors.vectors, plain.vectors.vectors)
    assert described.logit_scale == plain.logit_scale


def test_a_class_is_the_direction_of_the_mean_of_its_unit_sentences(model: Encoder) -> None:
    described = DescriptionEnsembleClassifier.of(model, SENTENCES)
    for row, texts in enumerate(SENTENCES.values()):
        total = np.zeros(described.vectors.vectors.shape[1])
        for text in texts:
            vector = model.encode_texts([text]).vectors[0].astype(np.float64)
            total += vector / np.linalg.norm(vector)
        assert described.vectors.vectors[row] == pytest.approx(
            total / np.linalg.norm(total), abs=1e-5
        )


@given(st.permutations(SENTENCES["oystercatcher"]), st.integers(1, 4))
def test_order_and_doubling_of_the_whole_set_change_nothing(order: list[str], times: int) -> None:
    tower = WordTower()
    usual = DescriptionEnsembleClassifier.of(tower, SENTENCES)
    other = DescriptionEnsembleClassifier.of(
        tower, {**SENTENCES, "oystercatcher": tuple(order) * times}
    )
    assert other.vectors.vectors == pytest.approx(usual.vectors.vectors, abs=1e-6)


def test_half_of_the_prompts_is_the_mean_of_both_directions() -> None:
    tower = WordTower()
    prompts = {label: [f"a photo of a {label}", label] for label in SENTENCES}
    both = DescriptionEnsembleClassifier.of(tower, SENTENCES, prompts, prompt_share=HALF)
    told = DescriptionEnsembleClassifier.of(tower, SENTENCES).vectors.vectors
    named = build_classifier(tower, prompts).vectors.vectors
    assert both.vectors.vectors == pytest.approx(unit_length((told + named) / 2), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_at_its_ends_the_share_gives_the_one_or_the_other_alone(share: float) -> None:
    tower = WordTower()
    prompts = {label: [label] for label in SENTENCES}
    mixed = DescriptionEnsembleClassifier.of(tower, SENTENCES, prompts, prompt_share=share)
    alone = build_classifier(tower, prompts if share else SENTENCES)
    assert mixed.vectors.vectors == pytest.approx(alone.vectors.vectors, abs=1e-6)


def test_a_label_without_sentences_keeps_its_prompts_and_is_not_called_described() -> None:
    tower = WordTower()
    prompts = {"oystercatcher": ["oystercatcher"], "knot": ["a photo of a knot", "knot"]}
    found = DescriptionEnsembleClassifier.of(tower, SENTENCES, prompts, prompt_share=HALF)
    assert found.labels == ("oystercatcher", "knot")
    assert found.described == ("oystercatcher",)
    knot = build_classifier(tower, {"knot": prompts["knot"]}).vectors.vectors[0]
    assert found.vectors.vectors[1] == pytest.approx(knot, abs=1e-6)


def test_a_label_with_neither_is_refused() -> None:
    with pytest.raises(UsageError, match="'knot' has neither a description nor a prompt"):
        DescriptionEnsembleClassifier.of(WordTower(), SENTENCES, {"knot": []})


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="Give 0 to 1"):
        DescriptionEnsembleClassifier.of(WordTower(), SENTENCES, prompt_share=share)


def test_sentences_name_classes_whose_names_were_never_seen() -> None:
    """Words of attributes are learned from captions of other classes; names of new ones are not."""
    draw = np.random.default_rng(0)
    attributes, classes, each = 16, 10, 60
    looks = draw.normal(size=(attributes, DIM))  # what each attribute adds to an image
    words = [f"attribute{number}" for number in range(attributes)]

    def see(has: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return has @ looks + 1.0 * draw.normal(size=(len(has), DIM))

    seen = (draw.random((400, attributes)) < 0.3).astype(float)
    learned, *_ = np.linalg.lstsq(seen, see(seen), rcond=None)
    tower = WordTower(dict(zip(words, learned, strict=True)))

    kinds = (draw.random((classes, attributes)) < 0.3).astype(float)
    truth = np.arange(classes).repeat(each)
    images = Embeddings(unit_length(see(kinds[truth])), SPACE)
    names = [f"zyx{number}" for number in range(classes)]
    sentences = {
        name: [f"{words[a]}" for a in np.flatnonzero(has)]
        for name, has in zip(names, kinds, strict=True)
    }

    def accuracy(found: Any) -> float:
        return float((found.probabilities(images).argmax(axis=1) == truth).mean())

    by_name = accuracy(build_classifier(tower, {name: [name] for name in names}))
    described = accuracy(DescriptionEnsembleClassifier.of(tower, sentences))
    assert described >= by_name + 0.3
