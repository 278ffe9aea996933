"""Findings from a manifest to figures, calibration and tables; on a tiny open_clip checkpoint."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.special import expit

import fieldguide as fg
from fieldguide.benchmarks.finding_calibration import cross_fitted, fit_calibration
from fieldguide.benchmarks.finding_labels import Truth
from fieldguide.benchmarks.findings import Scored, evaluate_findings
from fieldguide.cli import cli
from fieldguide.errors import SpaceMismatchError, UsageError
from fieldguide.models.embeddings import SpaceId
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.calibration import read_calibration
from fieldguide.zeroshot.class_sets import ClassEntry, ClassSet

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

SPACE = SpaceId(model="m", encoder="0" * 64, contract="0" * 64, pooling="none", dim=4)
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
  - {label: dots, names: [dots]}
  - {label: rings, names: [rings]}
"""
SET = ClassSet(
    name="signs", version="1", source="made here", licence="Apache-2.0", templates=("{}",),
    classes=tuple(ClassEntry(label=x, names=(x,), present=(x,), absent=(f"no {x}",))
                  for x in ("a", "b")),
)  # fmt: skip


def scored(rows: int, slope: float = 0.2, bias: float = -1.0, per_group: int = 1) -> Scored:
    """Two findings whose logits are far too certain: true odds are slope * logit + bias."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=8, size=(rows, 2))
    truth = (generator.random((rows, 2)) < expit(slope * logits + bias)).astype(np.float64)
    labels = Truth(("a", "b"), truth, np.zeros(2, dtype=np.int64), ("c",))
    groups = tuple(str(row // per_group) for row in range(rows))
    return Scored(logits, expit(logits), np.full(2, 0.5), labels, groups, SPACE, (), {})


# ----------------------------------------------------------------------------- calibration


def test_a_calibration_finds_the_line_that_labels_were_drawn_by() -> None:
    found = fit_calibration(scored(4000), SET, None)
    for one in found.findings.values():
        assert one.slope == pytest.approx(0.2, abs=0.03)
        assert one.bias == pytest.approx(-1, abs=0.15)
    assert found.left_out == {"c": "the manifest has no column of it"}


def test_a_calibration_says_how_far_it_helps_on_rows_it_was_not_fitted_on() -> None:
    figures = fit_calibration(scored(400), SET, None).figures
    for name in ("brier", "calibration_error"):
        assert figures["after"][name]["high"] < figures["before"][name]["low"]
        assert figures["after"][name]["low"] <= figures["after"][name]["value"]


def test_the_claim_about_a_group_comes_from_a_fit_without_that_group() -> None:
    some = scored(60, per_group=3)
    groups = np.asarray(some.groups)
    positives = some.truth.values[:, 0] == 1
    before = cross_fitted(some.logits[:, 0], positives, groups)
    moved = some.logits[:, 0].copy()
    moved[12] += 1000  # a row of group 4, as are 13 and 14
    after = cross_fitted(moved, positives, groups)
    assert not np.isnan(before).any()
    assert before[[13, 14]].tolist() == after[[13, 14]].tolist()
    assert (before != after).sum() > 30  # claims about the other parts come from fits with it


def test_findings_with_too_few_labels_are_named_and_not_calibrated() -> None:
    some = scored(60)
    some.truth.values[:, 1] = 0
    some.truth.values[:3, 1] = 1
    found = fit_calibration(some, SET, None)
    assert list(found.findings) == ["a"]
    assert found.left_out["b"].startswith("3 groups of rows with it and 57 without it")


def test_rows_of_one_group_are_one_piece_of_evidence_for_a_calibration() -> None:
    with pytest.raises(UsageError, match="5 groups of rows"):
        fit_calibration(scored(60, per_group=20), SET, None)


def test_a_threshold_of_the_user_replaces_those_of_all_findings() -> None:
    some = scored(200)
    found = evaluate_findings(some, 0.9)
    assert [row.threshold for row in found.findings] == [0.9, 0.9]
    called = some.probabilities[:, 0] >= 0.9
    recall = called[some.truth.values[:, 0] == 1].mean()
    assert found.findings[0].recall is not None
    assert found.findings[0].recall.value == pytest.approx(recall)


# ----------------------------------------------------------------------------- manifests


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def guide(tiny: Path) -> Guide:
    return fg.guide(model=str(tiny), device="cpu", batch_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, guide: Guide) -> Path:
    """40 pictures, whose first finding is by and large what the model itself says."""
    place = tmp_path_factory.mktemp("signs")
    (place / "signs.yaml").write_text(YAML, "utf-8")
    generator = np.random.default_rng(0)
    for number in range(40):
        colour = generator.integers(0, 256, 3)
        pixels = np.clip(colour + generator.normal(scale=20, size=(32, 32, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02}.png")
    said = guide.classify(place / "*.png", classes=str(place / "signs.yaml"))
    claims = [{g.label: g.probability for g in row.guesses}["stripes"] for row in said]
    middle = float(np.median([claim for claim in claims if claim is not None]))
    with (place / "signs.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "patient", "Stripes", "dots"])
        for number, (row, claim) in enumerate(zip(said, claims, strict=True)):
            assert claim is not None
            noisy = (claim > middle) != (number % 10 == 0)
            dots = (1, 0, "", -1)[number % 4]
            table.writerow([row.path, number // 2, int(noisy), dots])
    return place


def test_a_manifest_of_findings_is_evaluated(guide: Guide, folder: Path) -> None:
    found = guide.evaluate_findings(
        folder / "signs.csv", str(folder / "signs.yaml"), uncertain="ignore",
        group_column="patient",
    )  # fmt: skip
    by_label = {row.label: row for row in found.findings}
    assert (by_label["dots"].positives, by_label["dots"].negatives) == (10, 10)
    assert (by_label["dots"].uncertain, by_label["dots"].unknown) == (10, 20)
    assert found.not_evaluated == ("rings",)
    assert (found.classified, found.groups) == (40, 20)
    assert by_label["stripes"].auroc is not None
    assert by_label["stripes"].auroc.value > 0.8
    assert found.macro["auroc"].of == 2


def test_uncertain_as_positive_moves_rows_to_the_positives(guide: Guide, folder: Path) -> None:
    found = guide.evaluate_findings(
        folder / "signs.csv", str(folder / "signs.yaml"), uncertain="positive"
    )
    assert next(row.positives for row in found.findings if row.label == "dots") == 20


def test_uncertain_labels_are_asked_about_before_any_image_is_encoded(
    guide: Guide, folder: Path
) -> None:
    with pytest.raises(UsageError, match="--uncertain"):
        guide.evaluate_findings(folder / "signs.csv", str(folder / "signs.yaml"))


def test_the_table_of_an_evaluation_has_every_figure_with_its_interval(
    guide: Guide, folder: Path, tmp_path: Path
) -> None:
    found = guide.evaluate_findings(
        folder / "signs.csv", str(folder / "signs.yaml"), uncertain="negative"
    )
    for ending in (".csv", ".json", ".parquet", ".html"):
        found.write(tmp_path / f"out{ending}")
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == ["stripes", "dots"]
    assert {"auroc", "auroc_low", "auroc_high", "f1_low", "recall_high"} <= set(rows[0])
    assert "no statement about any patient" in (tmp_path / "out.html").read_text("utf-8")
    assert found.summary()["macro_auroc"]["findings"] == 2


def test_a_single_label_evaluation_of_findings_says_what_to_use(guide: Guide, folder: Path) -> None:
    with pytest.raises(UsageError, match="evaluate_findings"):
        guide.evaluate(folder / "signs.csv", classes=str(folder / "signs.yaml"))


def test_calibrated_probabilities_are_the_line_of_the_logits_written_out(
    guide: Guide, folder: Path, tmp_path: Path
) -> None:
    classes = str(folder / "signs.yaml")
    fitted = guide.calibrate(folder / "signs.csv", classes, uncertain="ignore")
    fitted.write(tmp_path / "own.json")
    assert read_calibration(tmp_path / "own.json") == fitted
    raw = guide.classify(folder / "00.png", classes=classes)[0]
    found = guide.classify(folder / "00.png", classes=classes, calibration=tmp_path / "own.json")[0]
    assert {guess.label for guess in found.guesses} == {"stripes", "dots"}  # no labels of rings
    own = fitted.findings["stripes"]
    claim = next(g.probability for g in raw.guesses if g.label == "stripes")
    assert claim is not None
    expected = expit(own.slope * np.log(claim / (1 - claim)) + own.bias)
    guess = next(g for g in found.guesses if g.label == "stripes")
    assert guess.probability == pytest.approx(expected, abs=1e-6)
    assert guess.threshold == own.threshold


def test_a_calibration_of_another_model_is_refused(
    guide: Guide, folder: Path, tmp_path: Path
) -> None:
    fitted = guide.calibrate(folder / "signs.csv", str(folder / "signs.yaml"), uncertain="ignore")
    other = write_tiny_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(SpaceMismatchError, match="The calibration"):
        fg.guide(model=str(other), device="cpu").classify(
            folder / "00.png", classes=str(folder / "signs.yaml"), calibration=fitted
        )


def test_a_calibration_of_another_version_of_the_sentences_is_refused(
    guide: Guide, folder: Path, tmp_path: Path
) -> None:
    fitted = guide.calibrate(folder / "signs.csv", str(folder / "signs.yaml"), uncertain="ignore")
    (tmp_path / "new.yaml").write_text(YAML.replace('version: "1"', 'version: "2"'), "utf-8")
    with pytest.raises(UsageError, match="not of signs version 2"):
        guide.classify(folder / "00.png", classes=str(tmp_path / "new.yaml"), calibration=fitted)


def test_a_calibration_without_findings_is_refused(guide: Guide, folder: Path) -> None:
    fitted = guide.calibrate(folder / "signs.csv", str(folder / "signs.yaml"), uncertain="ignore")
    with pytest.raises(UsageError, match="none are asked for"):
        guide.classify(folder / "00.png", ["a cat", "a dog"], calibration=fitted)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2}', "[" * 100_000, '{"findings": {"a": NaN}}']
)
def test_a_file_that_is_no_calibration_is_a_usage_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content, "utf-8")
    with pytest.raises(UsageError, match="is no calibration"):
        read_calibration(tmp_path / "bad.json")


# ----------------------------------------------------------------------------- command line


def run(*arguments: Any) -> tuple[int, str, str]:
    found = CliRunner().invoke(cli, [str(each) for each in arguments])
    return found.exit_code, found.stdout, found.stderr


def test_the_commands_calibrate_and_classify(folder: Path, tiny: Path, tmp_path: Path) -> None:
    model = ("--model", tiny, "--classes", folder / "signs.yaml", "--device", "cpu")
    code, out, error = run("evaluate", folder / "signs.csv", *model, "--uncertain", "ignore",
                           "--write-calibration", tmp_path / "own.json")  # fmt: skip
    assert code == 0, error
    assert "macro auroc" in out
    assert "over 2 of 2 findings" in out
    assert "on rows left out of the fit" in out
    assert json.loads((tmp_path / "own.json").read_text())["class_set"] == "signs"
    code, out, error = run("classify", folder / "00.png", *model,
                           "--calibration", tmp_path / "own.json")  # fmt: skip
    assert code == 0, error
    assert out.splitlines()[0].split() == [
        "path", "rank", "label", "probability", "threshold", "status", "reason"
    ]  # fmt: skip
    assert len(out.splitlines()) == 3


def test_classify_gives_all_findings_unless_top_says_fewer(folder: Path, tiny: Path) -> None:
    model = ("--model", tiny, "--classes", folder / "signs.yaml", "--device", "cpu")
    assert len(run("classify", folder / "00.png", *model)[1].splitlines()) == 4
    assert len(run("classify", folder / "00.png", *model, "--top", 1)[1].splitlines()) == 2


def test_options_of_findings_are_refused_where_one_label_holds(folder: Path, tiny: Path) -> None:
    code, _, error = run("evaluate", folder / "signs.csv", "--model", tiny, "--uncertain", "ignore",
                         "--label", "a", "--label", "b")  # fmt: skip
    assert code == 2
    assert "--uncertain is for findings" in error
