"""Classification by descriptions, from the front door and the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

SENTENCES = {"Turnstone": ["a wader with orange legs", "it turns stones"], "Knot": ["a grey wader"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def guide(model: Path) -> Guide:
    return fg.guide(model=str(model))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def waders(tmp_path: Path) -> Path:
    path = tmp_path / "waders.json"
    path.write_text(json.dumps(SENTENCES))
    return path


def probabilities(predictions: fg.Predictions) -> dict[str, float]:
    return {row["label"]: row["probability"] for row in predictions.records()}


def test_without_labels_the_described_classes_are_chosen_from(
    guide: Guide, photo: Path, waders: Path
) -> None:
    found = guide.classify(photo, descriptions=waders)
    assert set(probabilities(found)) == {"Turnstone", "Knot"}
    assert found.provenance["descriptions"] == {"described": 2, "without": []}


def test_one_sentence_a_class_answers_as_that_sentence_in_place_of_the_prompt(
    guide: Guide, photo: Path, waders: Path
) -> None:
    texts = {"Turnstone": "a wader with orange legs", "Knot": "a grey wader"}
    waders.write_text(json.dumps({label: [text] for label, text in texts.items()}))
    described = probabilities(guide.classify(photo, descriptions=waders))
    plain = probabilities(guide.classify(photo, list(texts.values()), templates=["{}"]))
    for label, text in texts.items():
        assert described[label] == pytest.approx(plain[text], abs=1e-6)


def test_a_label_that_is_not_described_keeps_its_prompts_and_is_named(
    guide: Guide, photo: Path, waders: Path
) -> None:
    found = guide.classify(photo, ["turnstone", "Dunlin"], descriptions=waders)
    assert set(probabilities(found)) == {"turnstone", "Dunlin"}
    assert found.provenance["descriptions"] == {"described": 1, "without": ["Dunlin"]}


def test_a_class_set_is_described_by_its_names_and_aliases(guide: Guide, photo: Path) -> None:
    found = guide.classify(photo, classes="fish4knowledge", descriptions="fish4knowledge_looks")
    assert found.provenance["descriptions"] == {"described": 23, "without": []}


def test_the_whole_share_of_prompts_is_the_plain_classifier(
    guide: Guide, photo: Path, waders: Path
) -> None:
    labels = ["Turnstone", "Knot"]
    plain = probabilities(guide.classify(photo, labels))
    mixed = guide.classify(photo, labels, descriptions=waders, prompt_share=1.0)
    assert probabilities(mixed) == pytest.approx(plain, abs=1e-6)


def test_descriptions_of_other_classes_are_refused_with_theirs(
    guide: Guide, photo: Path, waders: Path
) -> None:
    with pytest.raises(UsageError, match=r"describes none of the 2 labels.*'Turnstone', 'Knot'"):
        guide.classify(photo, ["cat", "dog"], descriptions=waders)


def test_findings_have_sentences_of_their_own(guide: Guide, photo: Path, waders: Path) -> None:
    with pytest.raises(UsageError, match="Leave --descriptions out"):
        guide.classify(photo, classes="ct_rate_18", descriptions=waders)


def test_the_command_says_which_labels_are_not_described(
    model: Path, photo: Path, waders: Path
) -> None:
    result = CliRunner().invoke(
        cli,
        ["classify", str(photo), "--model", str(model), "--label", "knot", "--label", "dunlin",
         "--descriptions", str(waders), "--prompt-share", "0.5"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "no description of 1 labels: dunlin" in result.output


def test_the_eighty_templates_of_clip_are_one_word(model: Path, photo: Path) -> None:
    guide = fg.guide(model=str(model))
    named = guide.classify(photo, ["cat", "dog"], templates=["openai_imagenet"])
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    written = [template("{}") for template in OPENAI_IMAGENET_TEMPLATES]
    typed = guide.classify(photo, ["cat", "dog"], templates=written)
    assert probabilities(named) == probabilities(typed)
    assert len(written) == 80
