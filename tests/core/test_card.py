"""The card says what the record and the assessment say, and its pictures are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fieldguide.benchmarks.intervals import Interval
from fieldguide.contract import InputContract
from fieldguide.errors import TuningError
from fieldguide.tuning.adapter import AdapterBase, AdapterConfig
from fieldguide.tuning.assessment import Assessment, SuiteReport
from fieldguide.tuning.card import write_card
from fieldguide.tuning.pareto import WithinLoss
from fieldguide.tuning.pictures_of_card import draw_training

if TYPE_CHECKING:
    from pathlib import Path

HISTORY: list[dict[str, Any]] = [
    {"step": 1, "loss": 3.2, "learning_rate": 0.001},
    {"step": 2, "loss": 2.1, "val_top1": 0.4},
    {"step": 4, "loss": 1.5, "val_top1": 0.6},
]
HONESTY = {
    "findings": [
        {
            "level": "warn",
            "code": "copies",
            "text": "12 pictures are near copies | of others.",
            "advice": "Give them a group.",
        }
    ],
    "counts": {"train": 1500, "test": 1027},
}


def config_of(**changes: Any) -> AdapterConfig:
    contract = InputContract(size_px=(32, 32), resize="squash", mean=(0, 0, 0), std=(1, 1, 1))
    base = AdapterBase(
        model="embedded_conse",
        encoder="e" * 64,
        network="a" * 64,
        contract=contract.digest,
        dim=2,
        logit_scale=10.0,
    )
    given: dict[str, Any] = {
        "name": "scenes", "summary": "Aerial scenes", "method": "lora", "base": base,
        "contract": contract, "logit_scale": 10.0, "strength": 0.5, "scope": ("rgb_scene",),
        "prompts": {"airport": ("an airport",), "farmland": ("farmland",)}, "seed": 7,
        "command": "fieldguide tune labels.csv", "licence": "LicenseRef-research-only",
        "research_only": True, "trainable_parameters": 12345, "versions": {"torch": "2.9"},
        "settings": {"loss": "infonce"}, "data": {"images": {"train": 1500}, "licence": "CC0"},
    }  # fmt: skip
    return AdapterConfig(**(given | changes))


def report_of(name: str, role: str, values: list[float], note: str = "") -> SuiteReport:
    def interval(value: float) -> Interval:
        return Interval(value, value - 0.02, value + 0.02)

    return SuiteReport(
        name=name,
        role=role,
        note=note,
        rows={"val": 30, "test": 60},
        groups=12,
        unreadable=(),
        chosen_by=tuple({"top1": value} for value in values),
        figures=tuple({"top1": interval(value)} for value in values),
        changes=tuple({"top1": interval(value - values[0])} for value in values),
    )


@pytest.fixture
def assessment() -> Assessment:
    return Assessment(
        strengths=(0.0, 0.5, 1.0),
        reports=(
            report_of("aid", "domain", [0.10, 0.70, 0.80]),
            report_of("drawn", "general", [0.90, 0.88, 0.60], note="It is tiny."),
        ),
        omitted={"xray": "No picture of xray can be read."},
    )


def test_the_card_states_gain_and_loss_at_the_picked_strength(
    assessment: Assessment, tmp_path: Path
) -> None:
    path = write_card(config_of(), assessment, HONESTY, HISTORY, tmp_path, str(WithinLoss(0.02)))
    text = path.read_text("utf-8")
    assert (
        "| aid | domain | top-1 | 60 in 12 groups | 10.0 % [8.0, 12.0] | 70.0 % [68.0, 72.0] "
        "| +60.0 [+58.0, +62.0] |"
    ) in text
    assert "| -2.0 [-4.0, +0.0] |" in text
    assert "drawn: It is tiny." in text
    assert "xray was not measured: No picture of xray can be read." in text
    assert "at most 2 points" in text
    assert "| 0.5 | 70.0 | 88.0 | +2.0 | yes | picked |" in text


@pytest.mark.parametrize(
    "fact",
    ["# scenes", "Aerial scenes", "embedded_conse", "LicenseRef-research-only",
     "For research or non-commercial use only", "airport, farmland", "rgb_scene",
     "fieldguide tune labels.csv", "Seed 7", "| torch | 2.9 |", "| loss | infonce |", "12,345",
     "| images, train | 1500 |", "0.5 of 0 (the base)", "Not for",
     "warn: 12 pictures are near copies \\| of others. Give them a group.",
     "| counts, train | 1500 |"],
)  # fmt: skip
def test_the_card_says_what_the_record_says(
    assessment: Assessment, tmp_path: Path, fact: str
) -> None:
    text = write_card(config_of(), assessment, HONESTY, HISTORY, tmp_path).read_text("utf-8")
    assert fact in text


def test_every_picture_of_the_card_is_there_and_every_table_row_is_whole(
    assessment: Assessment, tmp_path: Path
) -> None:
    text = write_card(config_of(), assessment, HONESTY, HISTORY, tmp_path).read_text("utf-8")
    names = [part.split(")")[0] for part in text.split("](")[1:]]
    assert names == ["gain_and_loss.png", "strength.png", "training.png"]
    for name in names:
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 400
    for block in text.split("\n\n"):
        widths = {
            line.replace("\\|", "").count("|") for line in block.splitlines() if line[:1] == "|"
        }
        assert len(widths) <= 1, block


def test_the_same_figures_give_the_same_bytes(assessment: Assessment, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        write_card(config_of(), assessment, HONESTY, HISTORY, folder)
    names = sorted(path.name for path in folders[0].iterdir())
    assert len(names) == 4
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    text = write_card(config_of(), None, {}, [], tmp_path).read_text("utf-8")
    assert "Not measured. What this adapter gained and cost is not known." in text
    assert "![" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]


def test_a_strength_that_was_not_measured_has_no_card(
    assessment: Assessment, tmp_path: Path
) -> None:
    with pytest.raises(TuningError, match=r"Strength 0\.3 was not measured"):
        write_card(config_of(strength=0.3), assessment, HONESTY, HISTORY, tmp_path)


def test_a_history_without_figures_has_no_picture(tmp_path: Path) -> None:
    assert draw_training([{"step": 1, "learning_rate": 0.1}], tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_text_of_a_stranger_cannot_write_html_into_the_card(
    assessment: Assessment, tmp_path: Path
) -> None:
    config = config_of(summary="<script>alert(1)</script>", data={"source": "<img src=x>"})
    text = write_card(config, assessment, HONESTY, HISTORY, tmp_path).read_text("utf-8")
    assert "<script" not in text
    assert "<img" not in text
