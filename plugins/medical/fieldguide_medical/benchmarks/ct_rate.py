"""CT-RATE: chest CT with reports, 1,564 scans to test (Hamamci et al. 2024, arXiv:2403.17834)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.finding_images import SharedFindingsRetrieval
from fieldguide.benchmarks.findings_zero_shot import FindingsZeroShot
from fieldguide.benchmarks.pooled_retrieval import PooledRetrieval
from fieldguide_medical.benchmarks.ct_rate_findings import CtRateFindings
from fieldguide_medical.benchmarks.reports_table import ReportRow, ReportTable

if TYPE_CHECKING:
    from collections.abc import Mapping

SCANS = 1564
SECTIONS = ("Findings_EN", "Impressions_EN")
_NAME = re.compile(r"(valid_\d+)(_[a-z]+)_(\d+)\.nii\.gz", re.ASCII)
TRAPS = (
    "One volume of each scan, its first reconstruction: with all 3,039 a scan has several right "
    "answers.",
    "Version 2 of CT-RATE changed intensities that CT-CLIP was trained on (issue 50 of its "
    "repository): figures on the two do not compare.",
    "The reports are translations from Turkish.",
)


def read_row(cells: Mapping[str, Any]) -> ReportRow | None:
    """Return what a row of validation_reports.csv says; None for further reconstructions.

    Raises:
        ValueError: its name is that of no volume.
        KeyError: a column is not there.
    """
    name = str(cells["VolumeName"])
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError("VolumeName is not like valid_1_a_1.nii.gz")
    patient, scan, reconstruction = found.groups()
    if reconstruction != "1":
        return None
    text = " ".join(str(cells[section] or "").strip() for section in SECTIONS).strip()
    return ReportRow((f"{patient}/{patient}{scan}/{name}", name), text, patient)


DATA = ReportTable(
    name="ct_rate",
    title="CT-RATE",
    files=(
        "dataset/radiology_text_reports/validation_reports.csv",
        "radiology_text_reports/validation_reports.csv",
    ),
    folders=("dataset/valid_fixed", "dataset/valid", "valid_fixed", "valid"),
    read=read_row,
    count=SCANS,
)
retrieval = PooledRetrieval(DATA, "ct_rate_retrieval", cutoffs=(5, 10, 50, 100), traps=TRAPS)
volume_retrieval = SharedFindingsRetrieval(
    CtRateFindings(),
    "ct_rate_volume_retrieval",
    traps=(
        "In the authors' script a volume is the first hit of its own, volumes without a finding "
        "ask too and get 0, and the figures of k = 5, 10 and 50 are means over those of smaller k "
        "too (scripts/volume_to_volume.py): its figures are not these.",
        *TRAPS[1:2],
    ),
)
findings_zero_shot = FindingsZeroShot(
    CtRateFindings(),
    "ct_rate_findings_zero_shot",
    "ct_rate_18_ctclip",
    traps=(
        "The labels were read out of the reports by a classifier of the authors, not by people.",
        "Of CT-CLIP's prompts two versions were released; these say 'is present' and 'is not "
        "present'. Its precision, F1 and accuracy are at thresholds chosen by the result.",
        *TRAPS[1:2],
    ),
)
