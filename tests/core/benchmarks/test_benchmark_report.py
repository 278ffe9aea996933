"""A report on disk and on screen, and what may never stand beside a part of a data set."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from fieldguide.benchmarks.intervals import Interval
from fieldguide.benchmarks.published import published_beside
from fieldguide.benchmarks.report import BenchmarkReport, Coverage, Figure, Published, percent
from fieldguide.cli.benchmark_texts import figure_row, report_lines
from fieldguide.registry import parse_registry
from fieldguide.writers.provenance import make_provenance

if TYPE_CHECKING:
    from fieldguide.registry import Registry

HOSTILE = "<script>alert('x')</script>"
SAME = Published("RN50", "top1_accuracy", 61.0, "percent", "https://a.example", True)
OTHER = Published("B-32", "top1_accuracy", 0.5, "fraction", "https://b.example", False, "5 shots")


def report(used: int = 4, **fields: Any) -> BenchmarkReport:
    given: dict[str, Any] = {
        "benchmark": "leaves_zero_shot",
        "dataset": "leaves",
        "model": "tiny",
        "coverage": Coverage(used, 4),
        "figures": (
            Figure("top1_accuracy", 75.0, 50.0, 100.0, 4),
            Figure("class_accuracy", 50.0, None, None, 2, part="oak"),
        ),
        "protocol": ("All images.",),
        "provenance": make_provenance(device="cpu"),
        "traps": (HOSTILE,),
    }
    return BenchmarkReport(**given | fields)


def test_published_figures_beside_a_subset_are_refused() -> None:
    with pytest.raises(ValueError, match="subset: 3 of 4"):
        report(used=3, published=(SAME,))


def test_rows_are_our_figures_and_then_the_published_ones() -> None:
    rows = report(published=(SAME, OTHER)).records()
    assert [row["source"] for row in rows] == [
        "this run", "this run", "https://a.example", "https://b.example",
    ]  # fmt: skip
    assert [row["same_protocol"] for row in rows] == [True, True, True, False]
    assert rows[0] == {
        "model": "tiny", "metric": "top1_accuracy", "part": "", "value": 75.0, "low": 50.0,
        "high": 100.0, "unit": "percent", "n": 4, "coverage": "complete: 4 of 4",
        "source": "this run", "same_protocol": True, "note": "",
    }  # fmt: skip


def test_a_share_becomes_a_figure_in_percent() -> None:
    figure = percent("map", Interval(0.5, 0.25, 0.75), 8, "oak")
    assert figure == Figure("map", 50.0, 25.0, 75.0, 8, "percent", "oak")


def test_csv_holds_every_row(tmp_path: Path) -> None:
    path = report(published=(SAME,)).write(tmp_path / "r.csv")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["metric"], row["value"], row["low"]) for row in rows] == [
        ("top1_accuracy", "75.0", "50.0"), ("class_accuracy", "50.0", ""),
        ("top1_accuracy", "61.0", ""),
    ]  # fmt: skip


def test_json_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    result = report(published=(OTHER,))
    written = json.loads(result.write(tmp_path / "r.json").read_text("utf-8"))
    assert written == result.records()
    assert pq.read_table(result.write(tmp_path / "r.parquet")).to_pylist() == result.records()


def test_provenance_stands_beside_the_output(tmp_path: Path) -> None:
    path = report().write(tmp_path / "r.csv")
    facts = json.loads((tmp_path / f"{path.name}.provenance.json").read_text("utf-8"))
    assert facts["device"] == "cpu"


def test_the_page_keeps_protocols_apart_and_escapes_texts(tmp_path: Path) -> None:
    path = report(published=(SAME, OTHER)).write(tmp_path / "r.html")
    page = path.read_text("utf-8")
    same, other = page.index("same protocol"), page.index("do not compare")
    assert same < page.index("a.example") < other < page.index("b.example")
    assert HOSTILE not in page


def test_the_screen_says_that_a_subset_has_no_published_figure_beside_it() -> None:
    lines = list(report_lines(report(used=3)))
    assert lines[0].startswith("subset: 3 of 4: no published figure")


def test_the_screen_keeps_protocols_apart() -> None:
    lines = list(report_lines(report(published=(SAME, OTHER))))
    assert lines[:4] == [
        "published, same protocol:",
        "  61 %  top1_accuracy  RN50  (https://a.example)",
        "published under other protocols; do not compare:",
        "  0.5 fraction  top1_accuracy  B-32  (https://b.example)",
    ]


def test_a_figure_without_interval_has_an_empty_cell() -> None:
    assert figure_row(report().figures[1])["95 % interval"] == ""
    assert figure_row(report().figures[0])["95 % interval"] == "[50.00, 100.00]"


def registry() -> Registry:
    def result(name: str, value: float, **fields: Any) -> dict[str, Any]:
        base = {
            "name": name, "model_label": name, "dataset": "UC Merced", "metric": "top1_accuracy",
            "unit": "percent", "value": value, "protocol": "all", "source": "https://e.example",
            "trust": "verified",
        }  # fmt: skip
        return base | fields

    content = {
        "version": 1,
        "datasets": [{
            "name": "uc_merced", "title": "UC-Merced", "summary": "s", "licence": "l",
            "source": "https://e.example", "modality": "m",
        }],
        "results": [
            result("other", 90.0),
            result("low", 50.0, benchmark="uc_merced_zero_shot"),
            result("high", 60.0, benchmark="uc_merced_zero_shot"),
            result("another_metric", 10.0, metric="map", benchmark="uc_merced_zero_shot"),
            result("another_set", 10.0, dataset="AID", benchmark="aid_zero_shot"),
        ],
    }  # fmt: skip
    return parse_registry(content, "test", Path("/none"))


def test_published_figures_of_the_same_protocol_come_first_and_the_best_of_them() -> None:
    found = published_beside(registry(), "uc_merced_zero_shot", "uc_merced", {"top1_accuracy"})
    assert [(row.model, row.same_protocol) for row in found] == [
        ("high", True), ("low", True), ("other", False),
    ]  # fmt: skip
