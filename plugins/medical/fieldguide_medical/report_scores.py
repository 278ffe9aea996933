"""How well the rules of report findings agree with the labels of a data set.

A finding counts as found where the rules say present; uncertain is not present, which was decided
on training reports (of those that are only uncertain, 3 of 11 have the label).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from fieldguide.benchmarks.intervals import Interval, grouped_bootstrap
from fieldguide.errors import LoadError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record
from fieldguide_medical.report_findings import State, findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide_medical.finding_rules import FindingRules

OPENI = Path(__file__).parent / "report_rules" / "openi_labels.yaml"


@dataclass(frozen=True, slots=True)
class LabelledReport:
    """One report with what people or a model said of it.

    Attributes:
        id: of the report.
        text: of the report.
        labels: present or not, by the label of a finding; one that is not in it is not judged.
    """

    id: str
    text: str
    labels: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class FindingScore:
    """Agreement about one finding.

    Attributes:
        label: of the finding.
        f1: with its 95 % interval over resampled reports.
        present: reports that have the label.
        false_alarms: reports found without the label.
        missed: reports with the label that were not found.
    """

    label: str
    f1: Interval
    present: int
    false_alarms: int
    missed: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement about all findings of a set.

    Attributes:
        macro: mean F1 over the findings, with its interval.
        each: by finding.
        disagreements: report, finding, and whether the label says present.
    """

    macro: Interval
    each: tuple[FindingScore, ...]
    disagreements: tuple[tuple[str, str, bool], ...]


class OpeniLabels(Record):
    """Which indexing terms mean which findings; see ``report_rules/openi_labels.yaml``."""

    version: str
    source: str
    licence: str
    unindexed: tuple[str, ...]
    doubtful_qualifiers: tuple[str, ...]
    findings: dict[str, tuple[str, ...]] = Field(min_length=1)
    left_out: dict[str, str] = Field(default_factory=dict)

    def judge(self, terms: Sequence[str]) -> dict[str, bool]:
        """Return the findings that terms name, without those that they leave in doubt."""
        judged: dict[str, bool] = {}
        for label, meant in self.findings.items():
            own = [term.split("/") for term in terms if any(_begins(term, each) for each in meant)]
            sure = [each for each in own if not set(each) & set(self.doubtful_qualifiers)]
            if sure or not own:
                judged[label] = bool(sure)
        return judged


def ct_rate_reports(path: Path, labels: Sequence[str]) -> list[LabelledReport]:
    """Return the reports of a CSV of CT-RATE: AccessionNo, report_text and a column a finding.

    Raises:
        LoadError: a column is missing.
    """
    rows = _rows(path, ("AccessionNo", "report_text", *labels))
    return [
        LabelledReport(row["AccessionNo"], row["report_text"], {n: row[n] == "1" for n in labels})
        for row in rows
    ]


def openi_reports(path: Path) -> list[LabelledReport]:
    """Return the indexed reports of a CSV of OpenI: uid, MeSH, findings and impression.

    Raises:
        LoadError: a column is missing.
    """
    known = OpeniLabels(**load_yaml(OPENI))
    reports = []
    for row in _rows(path, ("uid", "MeSH", "findings", "impression")):
        terms = [term.strip() for term in row["MeSH"].split(";")]
        text = "\n\n".join(part for part in (row["findings"], row["impression"]) if part.strip())
        if text and not set(terms) & set(known.unindexed):
            reports.append(LabelledReport(row["uid"], text, known.judge(terms)))
    return reports


def score(reports: Sequence[LabelledReport], rules: FindingRules) -> Scores:
    """Return how far the rules agree with the labels of reports.

    Args:
        reports: with labels.
        rules: of the findings; those that no report has a label for are left out.
    """
    judged = {label for report in reports for label in report.labels}
    labels = [label for label in rules.labels if label in judged]
    counts = np.zeros((len(reports), len(labels), 3))  # found rightly, falsely, missed
    disagreements: list[tuple[str, str, bool]] = []
    for place, report in enumerate(reports):
        stated = findings(report.text, rules)
        for column, label in enumerate(labels):
            if label not in report.labels:
                continue
            truth, found = report.labels[label], stated[label] is State.PRESENT
            counts[place, column] = truth and found, found and not truth, truth and not found
            if truth != found:
                disagreements.append((report.id, label, truth))
    groups = [str(place) for place in range(len(reports))]
    flat = counts.reshape(len(reports), -1)
    totals = counts.sum(axis=0)
    each = tuple(
        FindingScore(
            label=label,
            f1=grouped_bootstrap(counts[:, column], groups, _f1),
            present=int(totals[column, 0] + totals[column, 2]),
            false_alarms=int(totals[column, 1]),
            missed=int(totals[column, 2]),
        )
        for column, label in enumerate(labels)
    )
    return Scores(grouped_bootstrap(flat, groups, _macro), each, tuple(disagreements))


def _begins(term: str, meant: str) -> bool:
    return term == meant or term.startswith(f"{meant}/")


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return F1 (B,) of sums (B, 3); NaN where nothing is present and nothing found."""
    right, false, missed = sums.T
    whole = 2 * right + false + missed
    figures: NDArray[np.float64] = np.full(len(sums), np.nan)
    np.divide(2 * right, whole, out=figures, where=whole > 0)
    return figures


def _macro(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    by_finding = sums.reshape(len(sums), -1, 3)
    figures = [_f1(by_finding[:, column]) for column in range(by_finding.shape[1])]
    mean: NDArray[np.float64] = np.nanmean(np.stack(figures), axis=0)
    return mean


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise LoadError(
                f"it has no column {', '.join(missing)}. Name the file of the data set."
            )
        return list(reader)
