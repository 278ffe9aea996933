"""Self-contained HTML contact sheets: pictures, labels, probabilities, refusals with reasons."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, select_autoescape

from fieldguide.data.files import atomic_path, utf8_text

if TYPE_CHECKING:
    from fieldguide.benchmarks.classification import Evaluation
    from fieldguide.benchmarks.findings import FindingsEvaluation
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.results import Matches, Predictions

MAX_PICTURES = 2000
"""A page with more pictures than this is slow to open; the rest is counted."""


def data_url(jpeg: bytes | None) -> str | None:
    """Return a JPEG as a data URL, so that the page needs no other file."""
    return None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def environment() -> Environment:
    """Return the template environment; everything is escaped."""
    templates = Environment(
        loader=PackageLoader("fieldguide.writers", "templates"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["data_url"] = data_url
    templates.filters["filename"] = lambda path: Path(path).name
    return templates


def render(path: Path, template: str, **values: Any) -> None:
    """Write one page."""
    text = environment().get_template(template).render(**values)
    with atomic_path(path) as temporary:
        temporary.write_text(utf8_text(text), "utf-8")


def write_predictions(result: Predictions, path: Path) -> None:
    """Write a contact sheet of a classification."""
    rows = list(result)
    render(
        path,
        "predictions.html",
        title="Classification",
        rows=rows[:MAX_PICTURES],
        more=max(0, len(rows) - MAX_PICTURES),
        provenance=result.provenance,
    )


def write_matches(result: Matches, path: Path) -> None:
    """Write a contact sheet of a search."""
    render(
        path,
        "matches.html",
        title=f"Search: {result.query}",
        rows=list(result)[:MAX_PICTURES],
        more=max(0, len(result) - MAX_PICTURES),
        provenance=result.provenance,
    )


def write_evaluation(result: Evaluation, path: Path) -> None:
    """Write the figures, the confusion matrix and the reliability table."""
    confusion = [
        {
            "label": label,
            "cells": [{"count": int(n), "percent": round(80 * n / max(1, row.sum()))} for n in row],
        }
        for label, row in zip(result.labels, result.confusion, strict=True)
    ]
    render(
        path,
        "evaluation.html",
        title="Evaluation",
        result=result,
        confusion=confusion,
        provenance=result.provenance,
    )


def write_findings(result: FindingsEvaluation, path: Path) -> None:
    """Write the figures of each finding, their means and the reliability table."""
    render(
        path, "findings.html", title="Findings", result=result, provenance=result.provenance
    )  # fmt: skip


def write_benchmark(result: BenchmarkReport, path: Path) -> None:
    """Write the figures, published ones of the same and of other protocols, and the protocol."""
    render(
        path,
        "benchmark.html",
        title=f"Benchmark: {result.benchmark}",
        result=result,
        provenance=result.provenance,
    )
