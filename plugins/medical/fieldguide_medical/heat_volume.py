"""The heat map of a text search in a CT volume, voxel for voxel over the volume, as NIfTI."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel import orientations

from fieldguide.data.files import atomic_path
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.localization.result import Regions, Scored

MAX_BYTES = 2 * 1024**3
"""Of the voxels of all texts."""


def write_heat_volume(result: Regions, path: Path) -> None:
    """Write float32 scores on the grid of the volume's own file, NaN where there is no patient.

    Shape, axes and affine are those of the file, so that a viewer lays one over the other. Several
    texts become a fourth axis, in their order.

    Raises:
        UsageError: several volumes were searched, none, or too many texts for one file.
    """
    source = the_volume(result, path)
    shape = tuple(source.metadata["shape"])
    if 4 * np.prod(shape, dtype=np.int64) * len(source.queries) > MAX_BYTES:
        raise UsageError(
            f"{path} would hold more than {MAX_BYTES // 1024**3} GiB. Ask for fewer texts at once."
        )
    maps = [heat_of_voxels(source, text) for text in source.queries]
    values = maps[0] if len(maps) == 1 else np.stack(maps, axis=-1)
    image = nib.Nifti1Image(values, np.array(source.metadata["affine"], np.float64))
    image.header.set_xyzt_units("mm")
    turned = image.as_reoriented(_to_file(source))
    is_packed = path.name.lower().endswith(".gz")
    with atomic_path(path) as temporary, temporary.open("wb") as plain:
        if is_packed:
            with gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0) as stream:
                turned.to_stream(stream)
        else:
            turned.to_stream(plain)


def the_volume(result: Regions, path: Path) -> Scored:
    """Return the one volume that was searched.

    Raises:
        UsageError: there are several, or what was searched is no volume.
    """
    if len(result.sources) != 1:
        raise UsageError(
            f"{path} can hold the scores of one volume, and {len(result.sources)} were searched. "
            "Search them one by one."
        )
    source = result.sources[0]
    if len(source.grids[0].size_px) != 3:
        raise UsageError(f"{path} is for CT volumes. End the name in .csv, .geojson or .png.")
    return source


def heat_of_voxels(source: Scored, text: str) -> NDArray[np.float32]:
    """Return (X, Y, Z) scores of voxels in RAS order: the cells of the heat map, interpolated.

    Between the middles of cells it is linear, beyond the outermost ones constant.
    """
    cells = source.heat(text)
    shape = source.grids[0].size_px
    for axis, (length, count) in enumerate(zip(shape, cells.shape, strict=True)):
        places = (np.arange(length) + 0.5) * count / length - 0.5
        cells = _along(cells, axis, np.clip(places, 0, count - 1))
    return cells


def _along(values: NDArray[Any], axis: int, places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate along one axis; where one of two neighbours is not known, the nearer counts."""
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    share = (places - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    low, high = values.take(below, axis), values.take(above, axis)
    between = low + share * (high - low)
    return np.where(np.isnan(between), np.where(share < 0.5, low, high), between)


def _to_file(source: Scored) -> NDArray[Any]:
    """Return the turn from RAS order to the axes of the file."""
    wanted = orientations.axcodes2ornt(tuple(source.metadata["orientation_of_file"]))
    turn = orientations.ornt_transform(orientations.axcodes2ornt(("R", "A", "S")), wanted)
    return np.asarray(turn)
