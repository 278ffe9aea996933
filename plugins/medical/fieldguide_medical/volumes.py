"""From voxels and an affine to a Sample in RAS order: what NIfTI and DICOM have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import ContractError
from fieldguide.samples import HOUNSFIELD, Sample
from fieldguide_medical.hounsfield import fraction_of_air, implausible, refuse_label_map

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 2 * 1024**3
"""Of float32 voxels; 512 x 512 x 2048. Checked before anything is allocated."""

SPACING_RANGE_MM = (0.01, 100.0)
MAX_SHEAR_DEG = 1.0
ASSUMED = "assume_hu"

_AXES = (("L", "R"), ("P", "A"), ("I", "S"))

Affine = NDArray[np.float64]
"""(4, 4): voxel indices to millimetres, x to the right, y to anterior, z to superior."""


def check_size(shape: Sequence[int], value_bytes: int = 4) -> None:
    """Refuse a volume that is empty or too large for memory.

    Args:
        shape: voxels on each axis.
        value_bytes: of a voxel in the file; in memory it takes at least 4.

    Raises:
        ContractError: it has no voxel, or more than ``MAX_BYTES`` hold.
    """
    voxels = math.prod(int(length) for length in shape)
    if min(shape) <= 0:
        raise ContractError("it has no voxels. Export it again.")
    if voxels * max(4, value_bytes) > MAX_BYTES:
        raise ContractError(
            f"it declares {' x '.join(map(str, shape))} voxels, more than {MAX_BYTES // 1024**3} "
            "GiB. Crop or resample it."
        )


def check_affine(affine: Affine) -> None:
    """Refuse an affine that is not a rotation, reflection and scaling in millimetres.

    Raises:
        ContractError: spacing is zero, absurd or not a number, or the axes are sheared.
    """
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        raise ContractError("its affine is not finite. Export it again.")
    spacing = np.linalg.norm(axes, axis=0)
    low, high = SPACING_RANGE_MM
    if (spacing < low).any() or (spacing > high).any():
        raise ContractError(
            f"its voxel spacing is {_lengths(spacing)} mm, which no scanner makes. Correct the "
            "spacing in its header."
        )
    unit = axes / spacing
    cosines = np.abs(unit.T @ unit - np.eye(3))
    if cosines.max() > math.sin(math.radians(MAX_SHEAR_DEG)):
        raise ContractError(
            "its axes are not at right angles (singular or sheared affine, as gantry tilt leaves "
            "it). Resample it to a rectangular grid first."
        )


def untold_sample(
    values: NDArray[Any], affine: Affine, *, assume_hu: bool, has_label_names: bool
) -> Sample:
    """Return the sample of a file of voxels that does not tell what they are.

    Args:
        values: (I, J, K) voxels in the order of the file.
        affine: as of :func:`ct_sample`.
        assume_hu: likewise.
        has_label_names: whether the header holds names of labels.

    Raises:
        ContractError: a map of labels, not a number somewhere, or not in Hounsfield units.
    """
    if np.isfinite(values).all():  # what is not is refused below, with its own reason
        refuse_label_map(values, has_label_names=has_label_names)
    return ct_sample(compact(values), affine, assume_hu=assume_hu)


def ct_sample(
    values: NDArray[np.generic],
    affine: Affine,
    *,
    assume_hu: bool,
    doubt: str | None = None,
    facts: dict[str, Any] | None = None,
    repairs: tuple[str, ...] = (),
) -> Sample:
    """Bring a volume into RAS order, judge its units and describe it.

    Args:
        values: (I, J, K) voxels in the order of the file; int16 or float32.
        affine: from indices (i, j, k) to RAS millimetres; already checked.
        assume_hu: take them as Hounsfield units whatever they look like; recorded as a repair.
        doubt: why the file itself says that they are not Hounsfield units, or None.
        facts: more metadata.
        repairs: what the reader did already, by name.

    Returns:
        (X, Y, Z, 1) with X to the right, Y to anterior, Z to superior.

    Raises:
        ContractError: not a number somewhere, or not in Hounsfield units.
    """
    if not np.isfinite(values).all():
        raise ContractError("some voxels are not numbers (NaN or infinite). Export it again.")
    doubt = doubt or implausible(values)
    if doubt is not None and not assume_hu:
        raise ContractError(doubt)
    oriented, affine_ras = to_ras(values, affine)
    metadata = {
        **_describe(oriented, affine_ras),
        "orientation_of_file": "".join(nib.aff2axcodes(affine)),
        **(facts or {}),
    }
    repairs = repairs if doubt is None else (*repairs, ASSUMED)
    return Sample(oriented[..., None], ("ct",), HOUNSFIELD, metadata, repairs=repairs)


def _describe(values: NDArray[Any], affine: Affine) -> dict[str, Any]:
    return {
        "spacing_mm": tuple(float(mm) for mm in np.linalg.norm(affine[:3, :3], axis=0)),
        "affine": tuple(tuple(float(cell) for cell in row) for row in affine),
        "shape": tuple(int(length) for length in values.shape),
        "slice_count": int(values.shape[2]),
        "hu_min": float(values.min()),
        "hu_max": float(values.max()),
        "fraction_below_minus_200": fraction_of_air(values),
    }


def to_ras(values: NDArray[np.generic], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """Flip and swap axes to the nearest RAS order; no voxel is interpolated."""
    import torch  # here, because headers are judged without it, and monai takes seconds
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms.spatial.array import Orientation

    turn = Orientation("RAS", labels=_AXES)
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    turned = turn(MetaTensor(torch.from_numpy(native)[None], affine=torch.from_numpy(affine)))
    voxels = np.ascontiguousarray(turned.as_tensor().numpy()[0])
    return voxels, np.asarray(turned.affine.numpy(), dtype=np.float64)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers that fit as int16, everything else as float32."""
    limits = np.iinfo(np.int16)
    fits = np.issubdtype(values.dtype, np.integer) and (
        values.min() >= limits.min and values.max() <= limits.max
    )
    return values.astype(np.int16 if fits else np.float32, copy=False)


def _lengths(spacing: NDArray[np.float64]) -> str:
    return " x ".join(f"{mm:.3g}" for mm in spacing)
