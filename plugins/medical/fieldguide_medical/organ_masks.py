"""Masks of organs: numbers in a NIfTI volume, their names, and what is counted in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from fieldguide.errors import ContractError
from fieldguide_medical.nifti import open_nifti, read_voxels
from fieldguide_medical.volumes import to_ras

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide_medical.volumes import Affine

MAX_LABEL = 4095
"""Larger numbers are no labels of organs."""
SAME_GRID_MM = 0.01
_TABLE = re.compile(rb"<CaretExtension>.*</CaretExtension>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OrganMask:
    """Which voxel belongs to which organ.

    Attributes:
        labels: (X, Y, Z) whole numbers in RAS order; 0 is none.
        affine: from indices to millimetres.
        names: of the numbers, as the table of the file's header has them; may be empty.
    """

    labels: NDArray[np.int64]
    affine: Affine
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class OrganMeasure:
    """What is counted of one organ.

    Attributes:
        label: its number.
        voxels: how many it has.
        volume_ml: of these voxels.
        mean_hu: of a CT on the same grid; None without one.
        is_cut: whether it reaches the border of the image, so that a part may be missing.
    """

    label: int
    voxels: int
    volume_ml: float
    mean_hu: float | None
    is_cut: bool


def read_organ_mask(path: Path) -> OrganMask:
    """Read a mask of organs from ``.nii`` or ``.nii.gz``.

    Raises:
        LoadError: it is missing, broken or not NIfTI.
        ContractError: its voxels are no labels.
    """
    image = open_nifti(path)
    values = read_voxels(image)
    whole = np.issubdtype(values.dtype, np.integer) or (values == np.round(values)).all()
    if not whole or values.min() < 0 or values.max() > MAX_LABEL:  # NaN is no whole number either
        raise ContractError(
            f"its voxels are no labels: whole numbers from 0 to {MAX_LABEL}. Name the mask of the "
            "organs."
        )
    labels, affine = to_ras(values.astype(np.int16), np.asarray(image.affine, dtype=np.float64))
    return OrganMask(labels.astype(np.int64), affine, _names(image))


def measure_organs(
    mask: OrganMask, ct_hu: NDArray[Any] | None = None, ct_affine: Affine | None = None
) -> tuple[OrganMeasure, ...]:
    """Return the measures of every organ that has a voxel, in the order of the numbers.

    Args:
        mask: of the organs.
        ct_hu: (X, Y, Z) Hounsfield units in RAS order, or None.
        ct_affine: of the CT.

    Raises:
        ContractError: the CT has another grid than the mask.
    """
    if ct_hu is not None and ct_affine is not None:
        _check_grid(mask, ct_hu.shape, ct_affine)
    flat = mask.labels.ravel()
    counts = np.bincount(flat)
    sums = None if ct_hu is None else np.bincount(flat, ct_hu.ravel().astype(np.float64))
    voxel_ml = abs(float(np.linalg.det(mask.affine[:3, :3]))) / 1000
    at_border = _labels_at_border(mask.labels)
    return tuple(
        OrganMeasure(
            label=label,
            voxels=int(counts[label]),
            volume_ml=float(counts[label] * voxel_ml),
            mean_hu=None if sums is None else float(sums[label] / counts[label]),
            is_cut=label in at_border,
        )
        for label in map(int, np.flatnonzero(counts))
        if label != 0
    )


def _check_grid(mask: OrganMask, shape: tuple[int, ...], affine: Affine) -> None:
    if mask.labels.shape != shape:
        raise ContractError(
            f"its mask has {_size(mask.labels.shape)} voxels and the CT {_size(shape)}. Resample "
            "the mask to the grid of the CT."
        )
    if not np.allclose(mask.affine, affine, rtol=0, atol=SAME_GRID_MM):
        raise ContractError(
            "its mask lies elsewhere than the CT (another affine). Resample the mask to the grid "
            "of the CT."
        )


def _labels_at_border(labels: NDArray[np.int64]) -> set[int]:
    faces = [np.take(labels, place, axis) for axis in range(labels.ndim) for place in (0, -1)]
    return {int(label) for face in faces for label in np.unique(face)}


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _names(image: Any) -> dict[int, str]:
    """Return the table of a header extension as TotalSegmentator writes it; empty without one."""
    for extension in image.header.extensions:
        content = extension.get_content()
        raw = content if isinstance(content, bytes) else str(content).encode()
        if found := _TABLE.search(raw):
            return _table(found.group())
    return {}


def _table(xml: bytes) -> dict[int, str]:
    try:
        labels = ElementTree.fromstring(xml).iter("Label")
        names = {int(label.attrib["Key"]): str(label.text or "").strip() for label in labels}
    except (ElementTree.ParseError, DefusedXmlException, KeyError, ValueError) as error:
        raise ContractError(
            "the table of labels in its header is broken. Name a table: --set mask_labels=FILE"
        ) from error
    return {number: name for number, name in names.items() if name and number > 0}
