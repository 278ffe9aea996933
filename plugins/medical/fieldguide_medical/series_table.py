"""The table of the DICOM series below a folder: what each is, and whether it makes a CT volume."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import nibabel as nib
import numpy as np

from fieldguide.data.inputs import find_items
from fieldguide.data.quiet import quiet_library
from fieldguide.errors import InputError, UsageError
from fieldguide.results import Result
from fieldguide_medical.dicom_files import BROKEN
from fieldguide_medical.dicom_groups import series_in
from fieldguide_medical.dicom_kind import CT, modality_of, refusal
from fieldguide_medical.dicom_series import plan_series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.specs import LoaderSpec
    from fieldguide_medical.dicom_groups import Series
    from fieldguide_medical.dicom_series import Plan

READY = "ready"


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series.

    Attributes:
        item: the folder's name as other commands show it.
        series: its number in that folder, for ``--series``; None where the folder cannot be read.
        modality, kind: words of fixed lists.
        slices: images of it.
        shape: columns x rows x slices of the volume; empty where there is none.
        spacing_mm: along these axes.
        orientation: of these axes, as three letters; "LPS" is an axial series as scanners write it.
        verdict: "ready", "repaired by ..." or "refused: ...".
    """

    item: str
    series: int | None
    modality: str
    kind: str
    slices: int
    shape: str
    spacing_mm: str
    orientation: str
    verdict: str

    @property
    def is_usable(self) -> bool:
        """Whether it can be read without another option."""
        return not self.verdict.startswith("refused")


@dataclass(frozen=True)
class SeriesTable(Result):
    """The series of all folders, in the order of folders and numbers."""

    kind: ClassVar[str] = "series"

    rows: tuple[SeriesRow, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> int:
        """How many can be read without another option."""
        return sum(row.is_usable for row in self.rows)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as they are written into tables."""
        return [asdict(row) for row in self.rows]


def list_series(
    folder: Path, loader: LoaderSpec, private: PrivateNames | None = None
) -> SeriesTable:
    """Return the series of a folder and of the folders in it.

    Args:
        folder: what the user named; a file is taken as well.
        loader: the spec of the reader of DICOM series, which says what is looked for.
        private: gives the folders their ids; None to show their paths.

    Raises:
        UsageError: there is no DICOM file.
    """
    items = find_items(folder, [loader])
    hidden = items if private is None else private.hide(items)
    rows = [row for item in hidden for row in rows_of(item)]
    if not rows:
        raise UsageError("There is no DICOM series. Name the folder of a study.")
    return SeriesTable(tuple(rows))


def rows_of(item: Item) -> list[SeriesRow]:
    """Return the series of one folder or file; what cannot be read is one refused row."""
    if item.path is None or item.fault is not None:
        return [_fault(item.name, item.fault or "it is no file.")]
    with quiet_library():  # pydicom's warnings quote what elements hold
        try:
            return [_row(item.name, series) for series in series_in(item.path)]
        except InputError as error:
            return [_fault(item.name, str(error))]
        except BROKEN:  # even what a file is cannot be told
            return [_fault(item.name, "a file of it is broken. Export the folder again.")]


def _fault(name: str, reason: str) -> SeriesRow:
    return SeriesRow(name, None, "", "", 0, "", "", "", f"refused: {reason}")


def _row(name: str, series: Series) -> SeriesRow:
    try:
        plan = plan_series(series)
        shape, spacing, orientation = _geometry(plan)
        verdict = _verdict(plan)
    except (InputError, *BROKEN) as error:
        shape = spacing = orientation = ""
        verdict = f"refused: {_reason(series, error)}"
    return SeriesRow(
        item=name,
        series=series.number,
        modality=modality_of(series.slices[0].header),
        kind=" and ".join(series.kinds),
        slices=len(series.slices),
        shape=shape,
        spacing_mm=spacing,
        orientation=orientation,
        verdict=verdict,
    )


def _reason(series: Series, error: Exception) -> str:
    if len(series.kinds) == 1 and series.kinds != (CT,):
        return refusal(series.kinds[0])
    if isinstance(error, InputError):
        return str(error)
    return "an element that the volume needs is missing or broken. Export it again."


def _geometry(plan: Plan) -> tuple[str, str, str]:
    spacing = np.linalg.norm(plan.affine[:3, :3], axis=0)
    letters = "".join(nib.aff2axcodes(plan.affine))
    return " x ".join(map(str, plan.shape)), " x ".join(f"{mm:.4g}" for mm in spacing), letters


def _verdict(plan: Plan) -> str:
    try:
        plan.check()
    except InputError as error:
        return f"refused: {error}"
    return f"repaired by {', '.join(plan.repairs)}" if plan.repairs else READY
