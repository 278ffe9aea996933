"""The 30 findings of Merlin's abdominal CT (Blankemeier et al. 2024, arXiv:2406.06512)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.finding_images import GROUP, FindingImages
from fieldguide.benchmarks.findings_zero_shot import FindingsZeroShot
from fieldguide.benchmarks.published_files import find_beside, incomplete
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import bare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FINDINGS = 30
STUDY = "studyid"
TITLE = "Merlin Abdominal CT"
FILES = (
    "zero_shot_findings_disease_cls.csv",
    "merlinabdominalctdataset/zero_shot_findings_disease_cls.csv",
)
FOLDERS = ("merlin_data", "merlinabdominalctdataset/merlin_data")


@dataclass(frozen=True)
class MerlinFindings:
    """All volumes of the owners' table with their findings; see ``finding_images.FindingSet``."""

    name: str = "merlin"

    def find(self, root: Path, *, whole: bool) -> FindingImages:
        """See ``FindingSet``; the set is as large as its table."""
        file, folder = find_beside(root, FILES, FOLDERS, TITLE, self.name)
        items, values, studies, missing = [], [], [], []
        for number, cells in read_table(file):
            study, findings = self._row(file, number, cells)
            path = next((p for p in (folder / f"{study}.nii.gz", folder / f"{study}.nii")
                         if exists(p)), None)  # fmt: skip
            if path is None:
                missing.append(f"{study}.nii.gz")
                continue
            about = {**findings, GROUP: study}
            items.append(Item(path.absolute().as_posix(), path.as_posix(), path, metadata=about))
            values.append([value == 1 for value in findings.values()])
            studies.append(study)
        count = len(items) + len(missing)
        if not items or (whole and missing):
            raise UsageError(incomplete(root, TITLE, f"{len(items)} of {count} volumes", missing))
        return FindingImages(tuple(items), np.array(values, dtype=bool), tuple(studies), count)

    def _row(self, file: Path, number: int, cells: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return study and findings of a row.

        Raises:
            UsageError: it is no row of the table.
        """
        fault = str(cells.get(FAULT, ""))
        study = next((str(v) for k, v in cells.items() if bare(str(k)) == STUDY), "")
        findings = {k: v for k, v in cells.items() if bare(str(k)) != STUDY}
        if not fault and (not study or set(study) & set("/\\\x00") or ".." in study):
            fault = "it has no study id"
        if not fault and (len(findings) != FINDINGS or not set(findings.values()) <= {1, 0, -1}):
            fault = f"it has no {FINDINGS} findings of 1, 0 or -1"
        if fault:
            raise UsageError(
                f"{file.name}, line {number}, is no row of {TITLE}: {fault}. Get the published "
                f"file again: fieldguide benchmark {self.name} --how-to-get"
            )
        return study, findings


zero_shot = FindingsZeroShot(
    MerlinFindings(),
    "merlin_findings_zero_shot",
    "merlin_abdomen_30",
    main="f1",
    traps=(
        "-1 means that a report does not mention the finding; such labels are left out, as "
        "Merlin's authors do (issue 33 of their repository).",
        "The authors' prompts are only in attachments to issues; these sentences are ours.",
        "The table is of all volumes it lists, whatever their split; the published figures are of "
        "the test part.",
    ),
)
