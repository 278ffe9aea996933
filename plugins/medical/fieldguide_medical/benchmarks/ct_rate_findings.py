"""The 18 findings of CT-RATE's validation volumes (Hamamci et al. 2024, arXiv:2403.17834)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.benchmarks.finding_images import GROUP, FindingImages
from fieldguide.benchmarks.published_files import find_beside, incomplete
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VOLUMES = 3039
FINDINGS = 18
FILES = (
    "dataset/multi_abnormality_labels/valid_predicted_labels.csv",
    "multi_abnormality_labels/valid_predicted_labels.csv",
)
FOLDERS = ("dataset/valid_fixed", "dataset/valid", "valid_fixed", "valid")
TITLE = "CT-RATE"
_NAME = re.compile(r"(valid_\d+)(_[a-z]+)_\d+\.nii\.gz", re.ASCII)


@dataclass(frozen=True)
class CtRateFindings:
    """All validation volumes with their findings; see ``finding_images.FindingSet``."""

    name: str = "ct_rate"

    def find(self, root: Path, *, whole: bool) -> FindingImages:
        """See ``FindingSet``."""
        file, folder = find_beside(root, FILES, FOLDERS, TITLE, self.name)
        items, values, groups, missing = [], [], [], []
        for number, cells in read_table(file):
            patient, place, findings = self._row(file, number, cells)
            if not exists(folder / place):
                missing.append(place)
                continue
            path = folder / place
            about = {name: value for name, value in cells.items() if name != "VolumeName"}
            items.append(
                Item(path.absolute().as_posix(), path.as_posix(), path,
                     metadata=about | {GROUP: patient})
            )  # fmt: skip
            values.append(findings)
            groups.append(patient)
        if len(items) + len(missing) > VOLUMES or not items or (whole and len(items) != VOLUMES):
            text, more = f"{len(items)} of {VOLUMES} volumes", len(items) > VOLUMES
            raise UsageError(incomplete(root, TITLE, text, missing, more=more))
        return FindingImages(tuple(items), np.array(values, dtype=bool), tuple(groups), VOLUMES)

    def _row(
        self, file: Path, number: int, cells: Mapping[str, Any]
    ) -> tuple[str, str, tuple[bool, ...]]:
        """Return patient, place and findings of a row.

        Raises:
            UsageError: it is no row of the table.
        """
        name = str(cells.get("VolumeName", ""))
        found = _NAME.fullmatch(name)
        findings = [value for column, value in cells.items() if column != "VolumeName"]
        fault = str(cells.get(FAULT, ""))
        if not fault and found is None:
            fault = "VolumeName is not like valid_1_a_1.nii.gz"
        if not fault and (len(findings) != FINDINGS or not set(findings) <= {0, 1}):
            fault = f"it has no {FINDINGS} findings of 0 or 1"
        if fault or found is None:
            raise UsageError(
                f"{file.name}, line {number}, is no row of {TITLE}: {fault}. Get the published "
                f"file again: fieldguide benchmark {self.name} --how-to-get"
            )
        patient, scan = found.groups()
        return patient, f"{patient}/{patient}{scan}/{name}", tuple(value == 1 for value in findings)
