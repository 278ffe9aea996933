"""The tables of labels of CheXpert (Irvin et al. 2019) and MIMIC-CXR-JPG (Johnson et al. 2019).

Both have the same fourteen labels: 1 positive, 0 negative, -1 uncertain, blank where the report is
silent. No message repeats what a row holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fieldguide.benchmarks.published_files import absent
from fieldguide.data.files import exists
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CLASSES = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
OTHERS = (
    "Enlarged Cardiomediastinum", "Lung Lesion", "Lung Opacity", "Pneumonia", "Pneumothorax",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
"""Labels that no image of the set has. 'No Finding' is left out, as MedCLIP's authors do: it says
nothing beside a finding."""
_LABELS = (*CLASSES, *OTHERS)
_VALUES = frozenset({"", 0, 1, -1})
_PLACE = re.compile(
    r"[^/]+/(train/(patient\d+)/study\d+/view\d+_(?:frontal|lateral)\.jpg)", re.ASCII
)
_IMAGE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", re.ASCII)


class Candidate(NamedTuple):
    """An image with exactly one of the five findings and none of the others.

    Attributes:
        place: of the image, below the folder of images; the draw is made by it.
        label: the finding, one of ``CLASSES``.
        patient: whose image it is.
    """

    place: str
    label: str
    patient: str


@dataclass(frozen=True)
class CheXpertTable:
    """``train.csv`` of CheXpert: its small and its large copy have the same places."""

    name: str = "chexpert_5x200"
    title: str = "CheXpert-5x200"
    files: tuple[str, ...] = ("CheXpert-v1.0-small/train.csv", "CheXpert-v1.0/train.csv",
                              "train.csv")  # fmt: skip

    def read(self, root: Path) -> tuple[Path, Iterator[Candidate]]:
        """Return the folder beside which ``train/`` lies, and its candidates.

        Raises:
            UsageError: there is no such table; while they are read: a row is none of it.
        """
        file = next((root / name for name in self.files if exists(root / name)), None)
        if file is None:
            expected = f"{self.files[0]} beside the folder train/"
            raise UsageError(absent(root, self.title, expected, self.name))
        return file.parent, self._rows(file)

    def _rows(self, file: Path) -> Iterator[Candidate]:
        for number, cells in read_table(file):
            found = _PLACE.fullmatch(str(cells.get("Path", "")))
            fault = _fault(cells, _LABELS)
            if not fault and found is None:
                fault = "Path is not like CheXpert-v1.0/train/patient1/study1/view1_frontal.jpg"
            if fault or found is None:
                raise _misshapen(file, number, fault, self)
            if label := exclusive_label(cells):
                place, patient = found.groups()
                yield Candidate(place, label, patient)


@dataclass(frozen=True)
class MimicTables:
    """The tables of images and of NegBio's labels of MIMIC-CXR-JPG, unpacked."""

    name: str = "mimic_5x200"
    title: str = "MIMIC-5x200"
    images: str = "mimic-cxr-2.0.0-metadata.csv"
    labels: str = "mimic-cxr-2.0.0-negbio.csv"

    def read(self, root: Path) -> tuple[Path, Iterator[Candidate]]:
        """Return the folder in which ``files/`` lies, and its candidates.

        Raises:
            UsageError: a table is not there; while they are read: a row is none of it.
        """
        for name in (self.images, self.labels):
            if not exists(root / name):
                packed = f" (packed: gunzip {name}.gz)" if exists(root / f"{name}.gz") else ""
                expected = f"{name}{packed} beside the folder files/"
                raise UsageError(absent(root, self.title, expected, self.name))
        return root, self._rows(root)

    def _rows(self, root: Path) -> Iterator[Candidate]:
        labels = self._labels(root / self.labels)
        file = root / self.images
        for number, cells in read_table(file):
            image, patient, study = _ids(cells, "dicom_id", "subject_id", "study_id")
            fault = _fault(cells, ())
            if not fault and not (_IMAGE.fullmatch(image) and patient.isdigit()):
                fault = "dicom_id or subject_id is not as published"
            if fault:
                raise _misshapen(file, number, fault, self)
            if label := labels.get((patient, study)):
                folder = f"files/p{patient[:2]}/p{patient}/s{study}"
                yield Candidate(f"{folder}/{image}.jpg", label, patient)

    def _labels(self, file: Path) -> dict[tuple[str, str], str]:
        """Return the one label of each study that has exactly one, by patient and study."""
        found = {}
        for number, cells in read_table(file):
            patient, study = _ids(cells, "subject_id", "study_id")
            fault = _fault(cells, _LABELS)
            if not fault and not (patient.isdigit() and study.isdigit()):
                fault = "subject_id or study_id is not as published"
            if fault:
                raise _misshapen(file, number, fault, self)
            if label := exclusive_label(cells):
                found[patient, study] = label
        return found


def exclusive_label(cells: Mapping[str, Any]) -> str | None:
    """Return the only positive label of a row where it is one of the five, else None.

    Uncertain and blank are not positive (Wang et al. 2022, as their code has it).

    >>> exclusive_label({"Edema": 1.0, "Lung Opacity": -1, "Fracture": ""})
    'Edema'
    >>> exclusive_label({"Edema": 1.0, "Support Devices": 1.0})
    """
    positive = [label for label in _LABELS if cells.get(label) == 1]
    return positive[0] if len(positive) == 1 and positive[0] in CLASSES else None


def _ids(cells: Mapping[str, Any], *columns: str) -> tuple[str, ...]:
    return tuple(str(cells.get(column, "")) for column in columns)


def _fault(cells: Mapping[str, Any], labels: tuple[str, ...]) -> str:
    """Return why a row is none of the table, or ""."""
    if fault := cells.get(FAULT):
        return str(fault)
    lacking = next((label for label in labels if label not in cells), None)
    if lacking is not None:
        return f"it has no column {lacking!r}"
    wrong = next((label for label in labels if cells[label] not in _VALUES), None)
    return "" if wrong is None else f"{wrong!r} is not 1, 0, -1 or blank"


def _misshapen(
    file: Path, number: int, fault: str, tables: CheXpertTable | MimicTables
) -> UsageError:
    return UsageError(
        f"{file.name}, line {number}, is no row of {tables.title}: {fault}. Get the published "
        f"file again: fieldguide benchmark {tables.name} --how-to-get"
    )
