"""The series of a folder, numbered without their identifiers, and which of them is meant."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.data.files import is_folder
from fieldguide.errors import ContractError, InputError
from fieldguide_medical.dicom_files import BROKEN, dicom_files, read_header
from fieldguide_medical.dicom_kind import CT, kind_of
from fieldguide_medical.dicom_slices import slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide_medical.dicom_slices import CtSlice

OTHER_SERIES_LEFT_OUT = "other_series_left_out"
"""A folder held one series of CT slices, and others of another kind, which were not read."""

MAX_NEIGHBOURS = 1000
"""Files beside a single one that are asked whether they are of its series."""

_SERIES = "SeriesInstanceUID"


@dataclass(frozen=True, slots=True)
class Series:
    """The slices or other images of one series in one folder.

    Attributes:
        number: from 1, in the order of the first file's name.
        slices: in the order of the files.
    """

    number: int
    slices: tuple[CtSlice, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What its files show, each kind once; see ``dicom_kind``."""
        return tuple(dict.fromkeys(kind_of(each.header) for each in self.slices))


def series_in(path: Path) -> list[Series]:
    """Return the series of a folder, or the one of a file.

    Raises:
        LoadError: there is no DICOM file, or one is broken.
    """
    groups: dict[str, list[CtSlice]] = {}
    for file in dicom_files(path):
        for each in slices_of(file):
            groups.setdefault(str(each.header.get(_SERIES) or ""), []).append(each)
    return [Series(number, tuple(group)) for number, group in enumerate(groups.values(), 1)]


def choose(found: Sequence[Series], number: int | None) -> tuple[Series, tuple[str, ...]]:
    """Return the series that is meant, and the repairs that this took.

    Args:
        found: the series of one folder.
        number: what the user chose, or None.

    Raises:
        ContractError: there is none of that number; or none was chosen and several are CT, or
            none is.
    """
    table = "Run: fieldguide medical series FOLDER, and add --series N to choose one"
    if number is not None:
        if number > len(found):
            raise ContractError(
                f"it holds {len(found)} series, and --series is {number}. Run: fieldguide medical "
                "series FOLDER"
            )
        return found[number - 1], ()
    if len(found) == 1:
        return found[0], ()
    ct = [series for series in found if CT in series.kinds]
    if len(ct) == 1:
        return ct[0], (OTHER_SERIES_LEFT_OUT,)
    raise ContractError(f"the folder holds {len(found)} series, {len(ct)} of them CT. {table}.")


def refuse_part_of_series(path: Path, series: Series) -> None:
    """Refuse a file that holds one slice of a series whose other slices lie beside it.

    Raises:
        ContractError: it does.
    """
    own = series.slices[0].header.get(_SERIES)
    if is_folder(path) or len(series.slices) > 1 or not own or series.kinds != (CT,):
        return
    others = (file for file in dicom_files(path.parent) if file.name != path.name)
    if any(_is_of_series(file, str(own)) for file in itertools.islice(others, MAX_NEIGHBOURS)):
        raise ContractError("it is one slice of a series. Name its folder to read the volume.")


def _is_of_series(file: Path, series: str) -> bool:
    try:
        return str(read_header(file, [_SERIES]).get(_SERIES) or "") == series
    except (InputError, *BROKEN):
        return False  # a broken neighbour is of no series
