"""Images that a Python user hands over in memory: pictures, arrays and samples."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from fieldguide.data.images import sample_of_image
from fieldguide.errors import LoadError
from fieldguide.samples import REFLECTANCE, SRGB8, SRGB16, Sample

KINDS = (Image.Image, np.ndarray, Sample)
"""What an image in memory may be."""

_DISPLAY_TYPES = {SRGB8: np.uint8, SRGB16: np.uint16}
_MAX_REFLECTANCE = 2.0
"""Of the 98th percentile: clouds and snow stay below; digital numbers are in the thousands."""


def sample_in_memory(image: Any) -> Sample:
    """Return the sample of a Pillow image or of an (H, W) or (H, W, 3 or 4) uint8 array.

    A Sample is taken at its word on bands and units, where its numbers allow it; what is not a
    number in it is not valid.

    Raises:
        LoadError: an array of another shape or type, or a sample whose parts do not fit together.
    """
    if isinstance(image, Image.Image):
        return sample_of_image(image)
    if isinstance(image, Sample):
        return _checked(image)
    array = np.asarray(image)
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not is_image or 0 in array.shape:
        raise LoadError(
            f"an array of shape {array.shape} and type {array.dtype} is not an image. Give "
            "(H, W), (H, W, 3) or (H, W, 4) uint8, or a fieldguide.Sample that says what "
            "its bands and units are."
        )
    return sample_of_image(Image.fromarray(array))


def fingerprint_in_memory(image: Any) -> str:
    """Return a hash that changes when the content does.

    Raises:
        LoadError: the image cannot be read.
    """
    if isinstance(image, Sample):
        return _sample_fingerprint(image)
    is_pillow = isinstance(image, Image.Image)
    palette = image.getpalette() if is_pillow and image.mode == "P" else None
    try:
        pixels = np.ascontiguousarray(image)  # a Pillow image is read from its file only now
    except (OSError, SyntaxError, ValueError) as error:
        raise LoadError(f"broken image: {error}. Copy or export it again.") from error
    kind = f"{image.mode if is_pillow else ''} {pixels.dtype} {pixels.shape} {palette}"
    return hashlib.sha256(kind.encode() + pixels.tobytes()).hexdigest()


def _sample_fingerprint(sample: Sample) -> str:
    metadata = sorted(sample.metadata.items(), key=str)
    about = (sample.bands, sample.units, metadata, sample.repairs, sample.notes)
    digest = hashlib.sha256(repr(about).encode("utf-8", "backslashreplace"))
    for array in (sample.array, sample.valid):
        pixels = np.ascontiguousarray(array)
        digest.update(f"{pixels.dtype} {pixels.shape}".encode() + pixels.tobytes())
    return digest.hexdigest()


def _checked(sample: Sample) -> Sample:
    array = np.asarray(sample.array)
    if array.ndim not in (3, 4) or 0 in array.shape or array.dtype.kind not in "uif":
        raise LoadError(
            f"a Sample with an array of shape {array.shape} and type {array.dtype} is no image. "
            "Give numbers of (H, W, C), or (X, Y, Z, C) for a volume."
        )
    if len(sample.bands) != array.shape[-1] or len(set(sample.bands)) != len(sample.bands):
        raise LoadError(
            f"a Sample of {array.shape[-1]} channels names the bands {', '.join(sample.bands)}. "
            "Give each channel, the last axis, a name of its own."
        )
    if sample.valid is not None and np.shape(sample.valid) != array.shape[:-1]:
        raise LoadError(
            f"a Sample of {array.shape[:-1]} px has a mask of {np.shape(sample.valid)}. Give one "
            "True or False a pixel, or None."
        )
    valid = None if sample.valid is None else np.asarray(sample.valid, dtype=bool)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        finite = np.isfinite(array).all(axis=-1)
        valid = finite if valid is None else valid & finite
    sample = replace(sample, array=array, bands=tuple(sample.bands), valid=valid)
    _check_units(sample)
    return sample


def _check_units(sample: Sample) -> None:
    wanted = _DISPLAY_TYPES.get(sample.units)
    if wanted is not None and sample.array.dtype != wanted:
        raise LoadError(
            f"a Sample in {sample.units} has numbers of type {sample.array.dtype}. Give "
            f"{np.dtype(wanted)}, or name its units."
        )
    if sample.units != REFLECTANCE or sample.valid_fraction == 0:
        return
    values = sample.array if sample.valid is None else sample.array[sample.valid]
    high = float(np.percentile(values, 98))
    if high > _MAX_REFLECTANCE:
        raise LoadError(
            f"a Sample in reflectance has numbers up to about {high:.4g}, and 1 is all light. "
            "Scale them first, such as by 1 / 10000, or give the units digital_number."
        )
