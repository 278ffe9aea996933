"""Compare the rules of report findings with the labels of CT-RATE and OpenI.

    python benchmarks/report_findings.py FOLDER

FOLDER holds ct_rate_val.csv (AccessionNo, report_text and a column a finding) and
openi_reports.csv (uid, MeSH, findings, impression). The rules were written on other reports of
CT-RATE, and frozen before these two files were scored. ``--disagreements`` lists reports and
findings without any text.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide_medical.finding_rules import finding_rules
from fieldguide_medical.report_scores import ct_rate_reports, openi_reports, score

if TYPE_CHECKING:
    from fieldguide_medical.report_scores import Scores


def show(name: str, scores: Scores, reports: int) -> None:
    """Print a table of one data set."""
    print(f"\n{name}: {reports} reports, macro F1 {scores.macro}")
    print("| finding | present | F1 | false alarms | missed |\n|---|---|---|---|---|")
    for each in scores.each:
        print(
            f"| {each.label} | {each.present} | {each.f1} | {each.false_alarms} | {each.missed} |"
        )


def main() -> None:
    """Score both data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--disagreements", action="store_true")
    given = parser.parse_args()
    rules = finding_rules("ct_rate_18")
    sets = {
        "CT-RATE": ct_rate_reports(given.folder / "ct_rate_val.csv", rules.labels),
        "OpenI": openi_reports(given.folder / "openi_reports.csv"),
    }
    for name, reports in sets.items():
        scores = score(reports, rules)
        show(name, scores, len(reports))
        if given.disagreements:
            for report, label, present in scores.disagreements:
                print(f"{report}\t{label}\t{'labelled' if present else 'not labelled'}")


if __name__ == "__main__":
    main()
