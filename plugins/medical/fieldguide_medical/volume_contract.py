"""What an encoder of CT volumes takes: spacing, size, windows, crop and pad, stated once.

The volume keeps its own axes, which the readers brought into RAS order. Its centre is put onto the
centre of a box of the stated size and spacing; what lies outside of the box is cropped, what the
volume does not reach is filled with air. The numbers are the voxel's of linear interpolation, not
smoothed before: so the published preparations do it.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fieldguide.errors import ContractError
from fieldguide.specs import Name, Record
from fieldguide_medical.hounsfield import AIR_HU

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.samples import Sample

RESAMPLED, CROPPED, PADDED = "resampled", "cropped", "padded"
REPAIRS = (RESAMPLED, CROPPED, PADDED)
MAX_VALUES = 512 * 512 * 1024
"""Of a prepared volume, all windows together: 1 GiB of float32."""
MAX_WINDOWS = 8

Three = tuple[float, float, float]


class HuWindow(Record):
    """A range of Hounsfield units.

    Attributes:
        name: of the channel that it becomes.
        range: what becomes the lowest and the highest number; beyond it is clipped.
    """

    name: Name
    range: tuple[float, float]

    @model_validator(mode="after")
    def _it_rises(self) -> Self:
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"the range of {self.name} is {low:g} to {high:g}; it must rise")
        return self


class VolumeContract(Record):
    """What an encoder of CT volumes takes after preparation, and so a part of its SpaceId.

    Attributes:
        spatial_dims: 3.
        units: of the input.
        orientation: of the axes X, Y, Z: to the right, to anterior, to superior.
        spacing_mm: of the voxels, along X, Y, Z.
        size: voxels along X, Y, Z.
        fit: how another extent becomes this one: cropped or padded evenly on both sides.
        interpolation: of the resampling, without antialiasing.
        fill_hu: where the volume does not reach.
        windows: each becomes a channel.
        output: the numbers that the two ends of a window become.
        dtype: of these; whole numbers are rounded.
        min_valid_fraction: below this share of valid voxels an input is skipped.
    """

    spatial_dims: Literal[3] = 3
    units: Literal["hounsfield_unit"] = "hounsfield_unit"
    orientation: Literal["RAS"] = "RAS"
    spacing_mm: Three
    size: tuple[int, int, int]
    fit: Literal["center_crop_or_pad"] = "center_crop_or_pad"
    interpolation: Literal["trilinear", "nearest"] = "trilinear"
    fill_hu: float = Field(default=float(AIR_HU), ge=-32768, le=32767)
    windows: tuple[HuWindow, ...] = Field(min_length=1, max_length=MAX_WINDOWS)
    output: tuple[float, float]
    dtype: Literal["uint8", "float16", "float32"] = "float32"
    min_valid_fraction: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _it_can_be_made(self) -> Self:
        if not all(0.05 <= length <= 100 for length in self.spacing_mm):
            raise ValueError("spacing_mm must be 0.05 to 100 on each axis")
        values = math.prod(self.size) * len(self.windows)
        if min(self.size) < 1 or values > MAX_VALUES:
            raise ValueError(f"size has {values} values; it needs 1 to {MAX_VALUES}")
        low, high = self.output
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError("output must be two numbers that rise")
        if self.dtype == "uint8" and not (low >= 0 and high <= 255):
            raise ValueError("output of uint8 must lie in 0 to 255")
        names = [window.name for window in self.windows]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"windows names {doubled[0]} twice")
        return self

    @property
    def bands(self) -> tuple[str, ...]:
        """The windows' names: the channels."""
        return tuple(window.name for window in self.windows)

    @property
    def size_px(self) -> tuple[int, int, int]:
        """Voxels along X, Y, Z."""
        return self.size

    @property
    def digest(self) -> str:
        """SHA-256 of what changes a vector."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def for_pictures(self) -> VolumeContract:
        """Return the same with channels of 0..255, as networks of pictures take them."""
        return self.model_copy(update={"output": (0.0, 255.0), "dtype": "uint8"})

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[Any]]:
        """Resample, crop or pad, and window a volume.

        Returns:
            The sample as it was, whose repairs and notes say what was done, and the prepared
            (X, Y, Z, C) voxels.

        Raises:
            ContractError: it is no CT volume with spacing, or needs a repair that is not allowed.
        """
        from fieldguide_medical.resampling import place, resampled, windowed  # MONAI: seconds

        spacing_mm = self._checked(sample)
        placed = place(sample.size_px, spacing_mm, self)
        aim = f" to {joined(self.size)} voxels of {joined(self.spacing_mm)} mm"
        notes = {name: placed.notes[name] for name in placed.repairs}
        done = noted(sample, notes, allowed, aim)
        voxels = sample.array[..., 0]
        if sample.valid is not None:
            voxels = np.where(sample.valid, voxels, voxels.dtype.type(self.fill_hu))
        inside = resampled(voxels, placed, self)
        return done, windowed(inside, placed, self)

    def _checked(self, sample: Sample) -> Three:
        """Return the spacing of a sample that is what this takes."""
        check_volume(sample, self.units, self.min_valid_fraction)
        spacing = sample.metadata.get("spacing_mm")
        if spacing is None or len(spacing) != 3 or not all(0 < mm < math.inf for mm in spacing):
            raise ContractError(
                "its voxel spacing is not known, and the model takes voxels of "
                f"{joined(self.spacing_mm)} mm. Read it from NIfTI or DICOM."
            )
        first, second, third = (float(mm) for mm in spacing)
        return first, second, third


def check_volume(sample: Sample, units: str, min_valid_fraction: float) -> None:
    """Raise ContractError unless a sample is a volume of one band in some units, with data."""
    if sample.spatial_dims != 3:
        raise ContractError(
            "it is an image and the model takes a volume. Name a model of images: --model."
        )
    if sample.units != units or len(sample.bands) != 1:
        raise ContractError(
            f"its values are in {sample.units} and the model takes CT in {units}. Name a model "
            "that takes them: --model."
        )
    if sample.valid_fraction < min_valid_fraction:
        error = ContractError(
            f"only {sample.valid_fraction:.1%} of its voxels are valid. Choose a file with data."
        )
        error.status = "skipped"
        raise error


def noted(
    sample: Sample, notes: Mapping[str, str], allowed: Collection[str], aim: str = ""
) -> Sample:
    """Return a sample that says what was done to it.

    Args:
        sample: as it was.
        notes: what was done, by the repair's name.
        allowed: repairs that may be done.
        aim: what for, within the error.

    Raises:
        ContractError: a repair is not allowed.
    """
    if refused := [name for name in notes if name not in allowed]:
        raise ContractError(
            f"it would have to be {refused[0]}{aim}, which is not done for this kind of image. "
            "Name another --modality or --model."
        )
    for name, note in notes.items():
        sample = sample.repaired(name, notes=(*sample.notes, note))
    return sample


def joined(numbers: Sequence[float]) -> str:
    """Return lengths as text: 1.5 x 1.5 x 3."""
    return " x ".join(f"{number:.4g}" for number in numbers)
