"""Boxes of a CT volume as windows, for ``locate`` and ``index --window``."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide_medical.body import body_mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.contract import Contract
    from fieldguide.samples import Loader, Sample, Window

MIN_BODY_FRACTION = 0.05
"""Of a window's voxels; with less, it shows the air around the patient."""


@dataclass(frozen=True)
class WindowedVolume:
    """A CT volume of which boxes are cut out.

    Attributes:
        sample: (X, Y, Z, 1) in RAS order, Hounsfield units.
        body: (X, Y, Z), which voxels are of the patient.
    """

    sample: Sample
    body: NDArray[np.bool_]

    @property
    def size_px(self) -> tuple[int, ...]:
        """(X, Y, Z) voxels."""
        return self.sample.size_px

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Sides of a voxel in x, y and z."""
        return tuple(self.sample.metadata["spacing_mm"])

    @property
    def pixel_size_m(self) -> tuple[float, ...]:
        """Sides of a voxel in metres."""
        return tuple(mm / 1000 for mm in self.spacing_mm)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the volume says of itself as a whole."""
        return self.sample.metadata

    def usual_window_px(self, contract: Contract) -> tuple[int, ...]:
        """Return the box that fills a model's input at its own spacing, in voxels of this volume.

        Args:
            contract: of a model of volumes, which states its ``spacing_mm``.
        """
        wanted_mm = getattr(contract, "spacing_mm", self.spacing_mm)
        lengths = zip(contract.size_px, wanted_mm, self.spacing_mm, strict=True)
        return tuple(max(1, round(count * mm / own_mm)) for count, mm, own_mm in lengths)

    def read(self, window: Window, at_least_px: int) -> Sample:
        """Return one box in full resolution; without data where it shows no patient."""
        part = _slices(window)
        metadata = {**self.sample.metadata, "affine": self._affine(window)}
        body = self.body[part]
        valid = None if body.mean() >= MIN_BODY_FRACTION else np.zeros(body.shape, np.bool_)
        return replace(self.sample, array=self.sample.array[part], metadata=metadata, valid=valid)

    def place(self, window: Window) -> Mapping[str, Any]:
        """Return where a box lies: its middle in millimetres (RAS), its slices, its affine."""
        affine = np.array(self._affine(window))
        half = (np.array(window.size_px) - 1) / 2
        middle_mm = affine[:3, :3] @ half + affine[:3, 3]
        first = window.start_px[2]
        return {
            **{
                f"{axis}_mm": round(float(mm), 2) for axis, mm in zip("xyz", middle_mm, strict=True)
            },
            "slice_first": first,
            "slice_last": first + window.size_px[2] - 1,
            "spacing_mm": self.spacing_mm,
            "affine": self._affine(window),
        }

    def _affine(self, window: Window) -> tuple[tuple[float, ...], ...]:
        """Return the affine of a box: that of the volume, from its own first voxel."""
        affine = np.array(self.sample.metadata["affine"], np.float64)
        affine[:3, 3] += affine[:3, :3] @ np.array(window.start_px, np.float64)
        return tuple(tuple(float(cell) for cell in row) for row in affine)


def _slices(window: Window) -> tuple[slice, ...]:
    return tuple(
        slice(start, start + length)
        for start, length in zip(window.start_px, window.size_px, strict=True)
    )


@contextmanager
def open_volume_windows(
    loader: Loader, path: Path, bands: Sequence[str] | None = None
) -> Iterator[WindowedVolume]:
    """Read a volume whose boxes are then cut out.

    Args:
        loader: of CT volumes.
        path: of a file or a folder with a series.
        bands: not asked for; a volume has one.

    Raises:
        LoadError: as the loader does.
        ContractError: as the loader does.
    """
    sample = loader(path)
    yield WindowedVolume(sample, body_mask(sample.array[..., 0]))
