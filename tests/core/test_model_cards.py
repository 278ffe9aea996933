"""Every model that ships says what it is, and its files are the ones the registry names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import fieldguide
from fieldguide.cli import cli
from fieldguide.errors import WeightsError
from fieldguide.models.weights import resource_text, weight_paths
from fieldguide.plugins import get_catalog
from fieldguide.registry import CoreText, ModelRecord, RegistryError, parse_registry

RECORDS = [
    record
    for record in get_catalog().registry.models
    if record.availability == "ready" and "join" in record.files  # others are not trained here
]
RESEARCH = [record for record in RECORDS if record.research_only]


def named(record: ModelRecord) -> str:
    return record.name


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_shipped_model_has_a_card_with_data_scope_and_quality(record: ModelRecord) -> None:
    assert record.card is not None
    card = resource_text(record, record.card)
    assert card.startswith(f"# {record.name}\n")
    for part in ("## Data", "## Scope", "For: ", "Not for: ", "## Measured quality", "95 %"):
        assert part in card


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_the_files_of_a_shipped_model_are_those_of_the_registry(record: ModelRecord) -> None:
    assert set(weight_paths(record)) == {"vision", "text", "tokenizer", "join"}


@pytest.mark.parametrize("record", RESEARCH, ids=named)
def test_research_weights_carry_a_licence_with_its_papers(record: ModelRecord) -> None:
    assert record.licence_file is not None
    text = resource_text(record, record.licence_file)
    assert f"{record.name}.safetensors" in text
    assert "research use only" in text
    assert "without any warranty" in text
    assert re.search(r"Please cite:\n\n.*\(\d{4}\)", text, re.DOTALL)


@pytest.mark.parametrize("record", RESEARCH, ids=named)
def test_the_card_names_the_command_that_made_the_weights(record: ModelRecord) -> None:
    card = resource_text(record, record.card or "")
    (dataset,) = record.trained_on
    assert f"python tools/train_projectors.py DATA_FOLDER --dataset {dataset} " in card


def test_the_command_line_shows_the_core_models_card() -> None:
    result = CliRunner().invoke(cli, ["models", "embedded_conse"])
    assert result.exit_code == 0
    assert result.output.startswith("# embedded_conse\n")


def test_a_card_of_the_core_lies_in_the_package_wherever_the_registry_is(tmp_path: Path) -> None:
    record = get_catalog().registry.model("embedded_conse")
    moved = record.model_copy(update={"origin": str(tmp_path)})
    assert isinstance(moved.card, CoreText)
    path = Path(fieldguide.__file__).parent / moved.card.core
    assert resource_text(moved, moved.card) == path.read_text("utf-8")


def test_a_missing_card_says_how_to_get_it_back(tmp_path: Path) -> None:
    record = get_catalog().registry.model("embedded_conse")
    moved = record.model_copy(update={"origin": str(tmp_path)})
    with pytest.raises(WeightsError, match=r"gone\.md is missing\. Run: pip install"):
        resource_text(moved, "gone.md")


def test_a_card_outside_the_package_is_refused(tmp_path: Path) -> None:
    model = {"name": "m", "summary": "s", "architecture": "a", "embed_dim": 1, "image_size_px": 1,
             "scope": ["any"], "licence": "MIT", "card": {"core": "../secret.md"}}  # fmt: skip
    with pytest.raises(RegistryError, match="stay inside its folder"):
        parse_registry({"version": 1, "models": [model]}, "registry.yaml", tmp_path)
