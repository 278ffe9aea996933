"""CT volumes from NIfTI files.

The file is read with nibabel and not with MONAI's reader, which rewrites an affine that does
not agree with the voxel sizes without saying so. MONAI turns the volume (see ``volumes``).
Nothing of the header's free text is kept: it can name a patient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.damaged import DAMAGED
from fieldguide_medical.nifti_bounds import check_length, check_start
from fieldguide_medical.volumes import check_affine, check_size, compact, untold_sample

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.samples import Sample

BROKEN = (
    *DAMAGED, np.linalg.LinAlgError, ImageFileError, HeaderDataError, WrapStructError,
)  # fmt: skip
"""What nibabel raises on damaged files."""


class NiftiLoader:
    """Reads one CT volume of ``.nii`` or ``.nii.gz``.

    Args:
        assume_hu: take values as Hounsfield units although they do not look like it.
    """

    def __init__(self, assume_hu: bool = False) -> None:
        self.assume_hu = assume_hu

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            (X, Y, Z, 1) Hounsfield units in RAS order, int16 where they are whole numbers, else
            float32.

        Raises:
            LoadError: it is missing, broken or not NIfTI.
            ContractError: not one 3D volume, no orientation, not in Hounsfield units, a label map.
        """
        image = open_nifti(path)
        values = read_voxels(image)
        affine = np.asarray(image.affine, dtype=np.float64)
        named = _has_label_names(image)
        return untold_sample(values, affine, assume_hu=self.assume_hu, has_label_names=named)


def open_nifti(path: Path) -> Any:
    """Return nibabel's image of one 3D volume, its header checked and its voxels not yet read.

    Raises:
        LoadError: it is missing, broken or not NIfTI.
        ContractError: not one 3D volume, or no orientation.
    """
    check_start(path)
    image = _open(path)
    _check_header(image)
    check_length(path, image)
    return image


def _open(path: Path) -> Any:
    try:
        image = nib.load(path)
    except FileNotFoundError as error:
        raise LoadError("no such file. Check the path.") from error
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error
    except BROKEN as error:
        raise LoadError("not a NIfTI file, or a broken one. Copy or export it again.") from error
    if not isinstance(image, nib.Nifti1Image):  # NIfTI-2 is a subclass; CIFTI surfaces are not
        raise ContractError("it is not a NIfTI volume. Export the CT as .nii.gz.")
    return image


def _check_header(image: Any) -> None:
    try:
        shape = tuple(int(length) for length in image.shape)
        kind = image.get_data_dtype().kind
        codes = [int(image.header[name]) for name in ("sform_code", "qform_code")]
        unit = image.header.get_xyzt_units()[0]
        affine = np.asarray(image.affine, dtype=np.float64)
    except BROKEN as error:
        raise LoadError("its header is broken. Copy or export it again.") from error
    if len(shape) < 3 or any(length != 1 for length in shape[3:]):
        raise ContractError(
            f"it has {len(shape)} dimensions ({' x '.join(map(str, shape))}), not one 3D volume. "
            "Split it and name the volume."
        )
    check_size(shape, image.get_data_dtype().itemsize)
    if kind not in "iuf":
        raise ContractError("its voxels are colours or complex numbers. Name the CT volume itself.")
    if unit not in ("mm", "unknown"):
        raise ContractError(f"its lengths are in {unit}. Write it again in mm.")
    if not any(codes):
        raise ContractError(
            "its header states no orientation (sform and qform codes are 0), so left and right are "
            "unknown. Convert the CT again, for example with dcm2niix."
        )
    check_affine(affine)
    if all(codes) and _axes(image.get_sform()) != _axes(image.get_qform()):
        raise ContractError(
            "sform and qform of its header state different orientations. Convert the CT again, for "
            "example with dcm2niix."
        )


def _axes(affine: NDArray[np.float64]) -> tuple[Any, ...]:
    return tuple(nib.aff2axcodes(affine))


def read_voxels(image: Any) -> NDArray[Any]:
    """Return (I, J, K) as the file scales them; int16 where they are whole numbers that fit.

    Raises:
        LoadError: the file is cut or broken.
    """
    try:
        if (image.dataobj.slope, image.dataobj.inter) == (1, 0):
            values = np.asanyarray(image.dataobj)
        else:
            values = image.get_fdata(dtype=np.float32)
        return compact(values.reshape(values.shape[:3]))
    except BROKEN as error:
        raise LoadError(
            "its voxels cannot be read: the file is cut or broken. Copy it again."
        ) from error


def _has_label_names(image: Any) -> bool:
    """Return whether a header extension holds a table of labels, as TotalSegmentator writes it."""
    return any(b"<Label " in _content(extension) for extension in image.header.extensions)


def _content(extension: Any) -> bytes:
    try:
        content = extension.get_content()
    except BROKEN:
        return b""  # an extension that cannot be read says nothing of labels
    return content if isinstance(content, bytes) else str(content).encode()
