"""CT volumes from DICOM: a folder with slices, a file with all slices, or a file with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, InputError, LoadError, UsageError
from fieldguide_medical.burned_in import burned_in, withheld
from fieldguide_medical.descriptions import known_words
from fieldguide_medical.dicom_files import BROKEN
from fieldguide_medical.dicom_geometry import stack
from fieldguide_medical.dicom_groups import Series, choose, refuse_part_of_series, series_in
from fieldguide_medical.dicom_kind import check_kinds
from fieldguide_medical.dicom_values import are_equal, hounsfield, unit_doubt
from fieldguide_medical.gantry import GANTRY_TILT_RESAMPLED, resample, upright_grid
from fieldguide_medical.uneven import UNEVEN_SLICES_RESAMPLED, interpolate_slices
from fieldguide_medical.volumes import check_affine, check_size, ct_sample

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.samples import Sample
    from fieldguide_medical.dicom_slices import CtSlice
    from fieldguide_medical.volumes import Affine

DROP_DOUBLED_SLICES = "drop_doubled_slices"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a series becomes a volume, known from its headers.

    Attributes:
        slices: one for each place, in order.
        affine: from (column, row, slice) to RAS millimetres.
        shifts_px: (N, 2) columns and rows by which each slice is shifted against the first.
        tilt_deg: gantry tilt; 0 where there is none.
        heights_mm: (N,) of the slices along their normal, from the first.
        uneven: what to say of gaps that are not equal, or None.
        repairs: what was done to the slices, by name.
    """

    slices: tuple[CtSlice, ...]
    affine: Affine
    shifts_px: NDArray[np.float64]
    tilt_deg: float
    heights_mm: NDArray[np.float64]
    uneven: str | None
    repairs: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        header = self.slices[0].header
        return int(header.Columns), int(header.Rows), len(self.slices)

    def check(self, *, tilt_allowed: bool = False, uneven_allowed: bool = False) -> None:
        """Refuse what is not on a rectangular grid, unless the user asked for resampling.

        Raises:
            ContractError: the slices are stacked askew or unevenly.
        """
        if self.tilt_deg and not tilt_allowed:
            raise ContractError(
                f"gantry tilt: the slices are stacked {self.tilt_deg:.1f} degrees off their own "
                "normal. Resample them to a rectangular grid: --correct-gantry-tilt"
            )
        if self.uneven and not uneven_allowed:
            raise ContractError(
                f"{self.uneven}. Put the slices of one spacing in a folder of their own, or "
                "interpolate between them: --resample-uneven"
            )


def plan_series(series: Series) -> Plan:
    """Judge a series by its headers; only slices at the same place are compared by their pixels.

    Raises:
        LoadError: a slice that must be looked at is broken.
        ContractError: not the evenly stacked slices of one CT.
    """
    slices = series.slices
    headers = [each.header for each in slices]
    check_kinds(headers)
    check_size((headers[0].Columns, headers[0].Rows, len(slices)))
    found = stack([each.place() for each in slices])
    check_affine(found.affine)
    for kept, other in found.doubled:
        if not are_equal(slices[kept], slices[other]):
            raise ContractError(
                f"{len(found.doubled)} of its {len(slices)} slices lie where another one lies, and "
                "differ (doubled slices of several phases or reconstructions). Put each in a "
                "folder of its own."
            )
    return Plan(
        slices=tuple(slices[index] for index in found.order),
        affine=found.affine,
        shifts_px=found.shifts_px,
        tilt_deg=found.tilt_deg,
        heights_mm=found.heights_mm,
        uneven=found.uneven,
        repairs=(DROP_DOUBLED_SLICES,) if found.doubled else (),
    )


class DicomSeriesLoader:
    """Reads one CT series.

    Args:
        assume_hu: take values as Hounsfield units although they do not look like it.
        series: which one of a folder's series, by its number in ``fieldguide medical series``.
        correct_gantry_tilt: resample tilted slices to a rectangular grid.
        resample_uneven: interpolate between unevenly spaced slices.

    Raises:
        UsageError: the number is not a whole number from 1.
    """

    def __init__(
        self,
        assume_hu: bool = False,
        series: float | None = None,
        correct_gantry_tilt: bool = False,
        resample_uneven: bool = False,
    ) -> None:
        if series is not None and (series < 1 or series % 1 != 0):
            raise UsageError("--series is a whole number from 1. Run: fieldguide medical series")
        self.assume_hu = assume_hu
        self.series = None if series is None else int(series)
        self.correct_gantry_tilt = correct_gantry_tilt
        self.resample_uneven = resample_uneven

    def __call__(self, path: Path) -> Sample:
        """Read a folder with slices, a file with all slices (enhanced CT), or a lone slice.

        Returns:
            (X, Y, Z, 1) Hounsfield units in RAS order, int16 where they are whole numbers, else
            float32.

        Raises:
            LoadError: missing, broken or not DICOM.
            ContractError: not one evenly stacked CT series in Hounsfield units.
        """
        with quiet_library():  # pydicom's warnings quote what elements hold
            try:
                return self._read(path)
            except InputError:
                raise
            except BROKEN as error:
                raise LoadError(
                    "an element that the volume needs is missing or broken. Export it again."
                ) from error

    def _read(self, path: Path) -> Sample:
        series, left_out = choose(series_in(path), self.series)
        refuse_part_of_series(path, series)
        plan = plan_series(series)
        plan.check(tilt_allowed=self.correct_gantry_tilt, uneven_allowed=self.resample_uneven)
        doubt = unit_doubt(plan.slices)
        values, padded = hounsfield(plan.slices)
        values, affine, resampled = _on_grid(plan, values)
        sample = ct_sample(
            values,
            affine,
            assume_hu=self.assume_hu,
            doubt=doubt,
            facts=_facts(plan),
            repairs=(*left_out, *plan.repairs, *padded, *resampled),
        )
        reasons = (burned_in(each.header) for each in plan.slices)
        return withheld(sample, next(filter(None, reasons), None))


def _on_grid(plan: Plan, values: NDArray[Any]) -> tuple[NDArray[Any], Affine, tuple[str, ...]]:
    """Resample slices that are stacked askew or unevenly; others are returned as they are."""
    affine = plan.affine
    repairs: list[str] = []
    if plan.tilt_deg:
        shape, places, affine = upright_grid(plan.shape, plan.shifts_px, affine)
        values = resample(values, places, shape)
        repairs.append(GANTRY_TILT_RESAMPLED)
    if plan.uneven:
        step_mm = float(np.linalg.norm(affine[:3, 2]))
        values = interpolate_slices(values, plan.heights_mm, step_mm)
        repairs.append(UNEVEN_SLICES_RESAMPLED)
    return values, affine, tuple(repairs)


def _facts(plan: Plan) -> dict[str, Any]:
    facts: dict[str, Any] = {"slices_of_file": len(plan.slices)}
    if plan.tilt_deg:
        facts["gantry_tilt_deg"] = round(plan.tilt_deg, 3)
    if words := known_words(str(plan.slices[0].header.get("SeriesDescription", ""))):
        facts["series_description"] = words
    return facts
