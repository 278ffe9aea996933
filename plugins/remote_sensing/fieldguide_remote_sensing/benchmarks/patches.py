"""Patches of BigEarthNet: a folder with a file a band, shown in red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.data.files import require_file
from fieldguide.errors import LoadError
from fieldguide.models.repairs import WHITE_REFLECTANCE
from fieldguide_remote_sensing.gdal import open_raster

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RED_GREEN_BLUE = ("B04", "B03", "B02")
PATCH_PX = 120
QUANTIFICATION = 10_000
"""Digital numbers of reflectance 1; the patches were made without the offset of later products."""


@dataclass(frozen=True)
class LazyPatch:
    """A patch that is read when numpy asks for its pixels, so that many cost no memory.

    Attributes:
        folder: of its single-band files.
    """

    folder: Path

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """Return (120, 120, 3) pixels.

        Raises:
            LoadError: a band is not there, cannot be read or has another size.
        """
        bands = [read_band(band_file(self.folder, band)) for band in RED_GREEN_BLUE]
        shown = to_display(np.stack(bands, axis=-1))
        return shown if dtype is None else np.asarray(shown, dtype)


def band_file(folder: Path, band: str) -> Path:
    """Return the file of one band of a patch."""
    return folder / f"{folder.name}_{band}.tif"


def read_band(path: Path) -> NDArray[np.float32]:
    """Return (120, 120) digital numbers of one band.

    Raises:
        LoadError: it cannot be read, or has another size.
    """
    require_file(path)
    with open_raster(path.absolute()) as raster:
        found = (raster.count, raster.height, raster.width, raster.dtypes[0])
        if found != (1, PATCH_PX, PATCH_PX, "uint16"):
            raise LoadError(
                f"{path.name} has {found[0]} bands of {found[2]} x {found[1]} px and type "
                f"{found[3]}, not one of {PATCH_PX} x {PATCH_PX} px and type uint16. Get the "
                "published patch again."
            )
        return np.asarray(raster.read(1), dtype=np.float32)


def to_display(numbers: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return digital numbers as bytes, as :func:`reflectance_to_display` shows reflectance."""
    shares = numbers / (QUANTIFICATION * WHITE_REFLECTANCE)
    return np.asarray(np.round(np.clip(shares, 0, 1) * 255), dtype=np.uint8)
