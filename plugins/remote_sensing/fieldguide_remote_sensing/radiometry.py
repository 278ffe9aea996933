"""Digital numbers (DN) become reflectance; what is said of them is compared with the numbers.

So nothing is scaled twice, or by the scale of another product: a file that contradicts what is
said of it is refused with what to type.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide_remote_sensing.claims import Claim

ALREADY_REFLECTANCE = "kept_as_reflectance"
"""The reader's mark on floats that were reflectance before anything was done."""

MAX_STORED = 1.5
"""Floats whose 98th percentile is not above are reflectance: fresh snow is near 1."""
MAX_REFLECTANCE = 2.0
"""No scene is brighter in its 98th percentile; clouds end near 1.5 at the top of the atmosphere."""
MIN_REFLECTANCE = 0.005
"""No scene is darker in its 98th percentile; clear deep water has 0.03 in blue."""
MIN_MEDIAN = -0.03
"""No band is darker in its median; correction of the atmosphere over water errs by less."""
MIN_EIGHT_BIT_SCALE = 0.001
"""Below, 255 would be less than a quarter of the light: the scale is that of another file."""
MAX_CHECKED_PX = 25_000


@dataclass(frozen=True)
class Conversion:
    """What becomes of the numbers of one file, decided once for all its windows.

    Attributes:
        units: what they are afterwards.
        claim: the arithmetic; None leaves them as they are.
        repairs: names for the row.
        notes: what could not be known or contradicts.
    """

    units: str
    claim: Claim | None = None
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def apply(self, sample: Sample) -> Sample:
        """Return the sample, or a window of its raster, in the new units; float32 if scaled."""
        array = sample.array
        if self.claim is not None and self.claim.offset is not None:
            scale = np.asarray(self.claim.scale, np.float32)
            array = np.multiply(sample.array, scale, dtype=np.float32, casting="unsafe")
            array += np.asarray(self.claim.offset, np.float32)
        return replace(
            sample,
            array=array,
            units=self.units,
            repairs=(*sample.repairs, *self.repairs),
            notes=(*sample.notes, *self.notes),
        )


def decide(sample: Sample, claim: Claim | None) -> Conversion:
    """Decide what becomes of the numbers of a file.

    Args:
        sample: the numbers as stored, of the whole file, perhaps decimated.
        claim: what is said of them; None when nobody says anything.

    Raises:
        ContractError: the numbers contradict what is said of them.
    """
    if claim is None:
        return Conversion(sample.units)
    if sample.array.dtype == np.uint8 and not (
        claim.is_own and max(claim.scale) >= MIN_EIGHT_BIT_SCALE
    ):
        return _eight_bit(sample, claim)
    values = _checked(sample)  # (N, C)
    if not values.size:  # nothing to compare with
        is_taken = claim.offset is not None and sample.array.dtype.kind != "f"
        return Conversion(REFLECTANCE, claim) if is_taken else Conversion(sample.units)
    high = float(np.percentile(values, 98))
    if not claim.is_own and sample.array.dtype.kind == "f" and high <= MAX_STORED:
        return _reflectance_already(values, sample.bands, claim)
    if claim.offset is None:
        note = (
            f"the offset of {claim.by} is not known, so its numbers stay digital numbers. "
            f"{claim.remedy}"
        )
        return Conversion(DIGITAL_NUMBER, notes=(*claim.notes, note))
    if fault := _fault(values, sample.bands, claim, claim.offset):
        if claim.is_sure:
            raise ContractError(fault)
        return Conversion(sample.units, notes=(*claim.notes, fault))
    return Conversion(REFLECTANCE, claim, notes=claim.notes)


def _checked(sample: Sample) -> NDArray[np.float64]:
    """Return (N, C) valid numbers, every so many pixels of a large file."""
    height, width = sample.size_px
    step = max(1, math.ceil(math.sqrt(height * width / MAX_CHECKED_PX)))
    array = sample.array[::step, ::step]
    if sample.valid is None:
        return array.reshape(-1, array.shape[-1]).astype(np.float64)
    return array[sample.valid[::step, ::step]].astype(np.float64)


def _eight_bit(sample: Sample, claim: Claim) -> Conversion:
    if claim.is_explicit:
        raise ContractError(
            f"its numbers have 8 bits, so they are for display and none of {claim.by}. "
            "Leave --offset out."
        )
    note = "its numbers have 8 bits, so they are for display and stay as they are"
    return Conversion(sample.units, notes=(*claim.notes, note))


def _reflectance_already(
    values: NDArray[np.float64], bands: Sequence[str], claim: Claim
) -> Conversion:
    """Keep floats that are reflectance, or say why they can be neither that nor DN."""
    high = float(np.percentile(values, 98))
    if claim.is_explicit:
        raise ContractError(
            f"its numbers are floats up to about {high:.3g}, which is reflectance already, and "
            "--offset is for digital numbers. Leave --offset out."
        )
    if 0 < high <= MAX_STORED * max(claim.scale):
        raise ContractError(
            f"its numbers are floats up to about {high:.2g}: the scale {claim.scale[0]:g} seems to "
            "have been applied twice. Make the file again from the digital numbers."
        )
    if dark := _too_dark(values, bands):
        raise ContractError(
            f"its numbers are floats below {MAX_STORED}, as reflectance is, but {dark}. Make the "
            "file again from the digital numbers."
        )
    return Conversion(REFLECTANCE, None, (ALREADY_REFLECTANCE,), claim.notes)


def _fault(
    values: NDArray[np.float64], bands: Sequence[str], claim: Claim, offset: Sequence[float]
) -> str | None:
    """Return why a claim cannot be right, or None."""
    if not claim.is_explicit and not claim.is_own and values.max() <= np.iinfo(np.uint8).max:
        return (
            f"its numbers end at {values.max():g}, as those for display do, and so are none of "
            f"{claim.by}. Leave --sensor out and name its bands: --bands NAME,..."
        )
    scaled = values * np.asarray(claim.scale) + np.asarray(offset)
    high = float(np.percentile(scaled, 98))
    if not MIN_REFLECTANCE <= high <= MAX_REFLECTANCE:
        how = "dark" if high < MIN_REFLECTANCE else "bright"
        return (
            f"its numbers, up to about {np.percentile(values, 98):.4g}, would become reflectances "
            f"up to {high:.2g}, too {how} to be true, by {claim.by}. {claim.remedy}"
        )
    if dark := _too_dark(scaled, bands):
        return f"{dark} by {claim.by}. {claim.remedy}"
    return None


def _too_dark(reflectance: NDArray[np.float64], bands: Sequence[str]) -> str | None:
    medians = np.median(reflectance, axis=0)
    darkest = int(medians.argmin())
    if medians[darkest] >= MIN_MEDIAN:
        return None
    return f"half of {bands[darkest]} would be below {medians[darkest]:.2g}, which no surface is,"
