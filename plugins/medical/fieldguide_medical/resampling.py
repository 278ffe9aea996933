"""From a volume to the box of a contract, in slabs so that memory stays bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.spatial.array import SpatialResample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide_medical.volume_contract import HuWindow, Three, VolumeContract

SLAB = 16
"""Slices that are resampled at once: the coordinates of a whole volume would take gigabytes."""
SAME_SPACING = 1e-3
"""Spacings that differ by less, as a fraction, are one: headers round to some digits."""
MODES = {"trilinear": "bilinear", "nearest": "nearest"}
"""MONAI's names, which do not count axes."""


@dataclass(frozen=True)
class Axis:
    """One axis of a volume in one axis of the box.

    A place ``t`` of the box lies at ``(t - (size - 1) / 2) * step + (length - 1) / 2`` of the
    volume: the centres of both coincide. Where the spacing stays, voxels stay whole, and of an odd
    rest the larger part is where MONAI's ``CenterSpatialCrop`` and ``SpatialPad`` have it.

    Attributes:
        length: voxels of the volume.
        size: voxels of the box.
        step: the spacing of the box in voxels of the volume.
        start: the first place of the box that the volume reaches.
        stop: behind the last one.
    """

    length: int
    size: int
    step: float
    start: int
    stop: int

    @property
    def origin(self) -> float:
        """Where the first place that is reached lies, in voxels of the volume."""
        if self.step == 1:
            cropped = self.length // 2 - self.size // 2
            return self.start + (cropped if cropped > 0 else -((self.size - self.length) // 2))
        return (self.start - (self.size - 1) / 2) * self.step + (self.length - 1) / 2

    @property
    def is_cropped(self) -> bool:
        """Whether some voxel of the volume lies outside of the box."""
        return self.length - self.size * self.step > 1e-6 + self.step * SAME_SPACING

    @property
    def is_padded(self) -> bool:
        """Whether the volume does not reach all places of the box."""
        return self.stop - self.start < self.size


@dataclass(frozen=True)
class Placed:
    """A volume in the box of a contract.

    Attributes:
        axes: X, Y, Z.
        notes: what is done, in numbers, by the name of the repair, in order.
    """

    axes: tuple[Axis, Axis, Axis]
    notes: Mapping[str, str]

    @property
    def repairs(self) -> tuple[str, ...]:
        """What is done, by name."""
        return tuple(self.notes)


def place(size: Sequence[int], spacing_mm: Three, contract: VolumeContract) -> Placed:
    """Return where a volume lies in the box of a contract.

    Args:
        size: voxels along X, Y, Z.
        spacing_mm: of its voxels.
        contract: of the box.
    """
    first, second, third = (
        _axis(length, own_mm, goal, goal_mm)
        for length, own_mm, goal, goal_mm in zip(
            size, spacing_mm, contract.size, contract.spacing_mm, strict=True
        )
    )
    axes = (first, second, third)
    notes: dict[str, str] = {}
    if any(axis.step != 1 for axis in axes):
        notes["resampled"] = (
            f"resampled from {_text(spacing_mm)} to {_text(contract.spacing_mm)} mm"
        )
    if any(axis.is_cropped for axis in axes):
        kept = [min(axis.length, axis.size * axis.step) / axis.length for axis in axes]
        notes["cropped"] = f"cropped to the middle {_shares(kept)} of its sides"
    if any(axis.is_padded for axis in axes):
        reached = [(axis.stop - axis.start) / axis.size for axis in axes]
        notes["padded"] = f"padded: it fills {_shares(reached)} of the sides"
    return Placed(axes, notes)


def _axis(length: int, own_mm: float, size: int, goal_mm: float) -> Axis:
    step = goal_mm / own_mm
    if abs(step - 1) < SAME_SPACING:
        step = 1.0
    whole = Axis(length, size, step, 0, size)
    # a voxel reaches half of itself to both sides
    first = math.ceil((-0.5 - whole.origin) / step - 1e-9)
    last = math.floor((length - 0.5 - whole.origin) / step + 1e-9)
    start, stop = max(0, first), min(size, last + 1)
    if stop <= start:  # voxels of the box are larger than the whole volume
        start, stop = (size - 1) // 2, (size - 1) // 2 + 1
    return Axis(length, size, step, start, stop)


def resampled(
    voxels: NDArray[np.generic], placed: Placed, contract: VolumeContract
) -> NDArray[np.float32]:
    """Return the part of the box that a volume reaches, interpolated; its ends are repeated.

    Args:
        voxels: (X, Y, Z) Hounsfield units.
        placed: where it lies.
        contract: says how it is interpolated.
    """
    horizontal, vertical, along = placed.axes
    if all(axis.step == 1 for axis in placed.axes):
        kept = (slice(int(a.origin), int(a.origin) + a.stop - a.start) for a in placed.axes)
        return voxels[tuple(kept)].astype(np.float32)
    size = tuple(axis.stop - axis.start for axis in placed.axes)
    found = np.empty(size, np.float32)
    for start in range(0, size[2], SLAB):
        stop = min(size[2], start + SLAB)
        low = along.origin + start * along.step
        high = along.origin + (stop - 1) * along.step
        first = min(max(0, math.floor(low) - 1), along.length - 1)
        last = min(along.length, math.ceil(high) + 2)
        part = voxels[:, :, first : max(last, first + 1)]
        origin = (horizontal.origin, vertical.origin, low - first)
        steps = (horizontal.step, vertical.step, along.step)
        shape = (size[0], size[1], stop - start)
        found[:, :, start:stop] = _slab(part, origin, steps, shape, contract)
    return found


def _slab(
    voxels: NDArray[np.generic],
    origin: tuple[float, float, float],
    steps: tuple[float, float, float],
    shape: tuple[int, int, int],
    contract: VolumeContract,
) -> NDArray[np.float32]:
    """Return voxels at ``origin + i * steps`` of a volume, by MONAI; in double precision."""
    goal = torch.diag(torch.tensor([*steps, 1.0], dtype=torch.float64))
    goal[:3, 3] = torch.tensor(origin, dtype=torch.float64)
    # of one voxel torch cannot tell where its centre is: an axis has two at least, on both sides
    given = np.pad(voxels, [(0, int(length == 1)) for length in voxels.shape], mode="edge")
    doubled = torch.from_numpy(np.ascontiguousarray(given, dtype=np.float64))
    volume = MetaTensor(doubled[None], affine=torch.eye(4, dtype=torch.float64))
    resample = SpatialResample(
        mode=MODES[contract.interpolation],
        padding_mode="border",
        align_corners=True,
        dtype=torch.float64,
    )
    turned = resample(volume, dst_affine=goal, spatial_size=[max(2, length) for length in shape])
    found = turned.as_tensor().numpy()[0, : shape[0], : shape[1], : shape[2]]
    return np.asarray(found, dtype=np.float32)


def windowed(inside: NDArray[np.float32], placed: Placed, contract: VolumeContract) -> NDArray[Any]:
    """Return (X, Y, Z, C) of the whole box: each window a channel, air where nothing is.

    Args:
        inside: the part that the volume reaches, in Hounsfield units.
        placed: where that part lies.
        contract: its windows and what they become.
    """
    channels = len(contract.windows)
    box = np.empty((*contract.size, channels), contract.dtype)
    across, down, along = (slice(axis.start, axis.stop) for axis in placed.axes)
    air = np.full(1, contract.fill_hu, np.float32)
    for channel, window in enumerate(contract.windows):
        box[..., channel] = _scaled(air, window, contract)[0]
        box[across, down, along, channel] = _scaled(inside, window, contract)
    return box


def _scaled(
    values: NDArray[np.float32], window: HuWindow, contract: VolumeContract
) -> NDArray[np.float32]:
    """Return clipped and scaled values; a new array."""
    (low, high), (least, most) = window.range, contract.output
    scaled = np.clip(values, low, high)
    scaled -= np.float32(low)
    scaled *= np.float32((most - least) / (high - low))
    scaled += np.float32(least)
    return np.rint(scaled, out=scaled) if contract.dtype == "uint8" else scaled


def _text(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)


def _shares(fractions: Sequence[float]) -> str:
    return " x ".join(f"{fraction:.0%}" for fraction in fractions)
