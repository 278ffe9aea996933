"""The input contract: what an encoder takes. It checks a sample and plans repairs by name."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from fieldguide.errors import ContractError
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, RGB, SRGB8, SRGB16
from fieldguide.specs import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.samples import Sample

SELECT_BANDS = "select_bands_by_name"
GRAYSCALE_TO_RGB = "grayscale_to_rgb"
FILL_NODATA = "fill_nodata_with_mean"
SIXTEEN_TO_EIGHT = "sixteen_bit_to_eight_bit"
STRETCH = "stretch_percentiles_2_98"
REFLECTANCE_TO_DISPLAY = "reflectance_to_display"
REFLECTANCE_TO_RANGES = "reflectance_to_ranges"
FILL_MISSING = "fill_missing_bands_with_mean"


class Contract(Protocol):
    """What the image side of an encoder takes, of whatever kind its inputs are."""

    @property
    def digest(self) -> str:
        """SHA-256 of what changes a vector."""
        ...

    @property
    def spatial_dims(self) -> int:
        """2 for images, 3 for volumes."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names and order of the channels."""
        ...

    @property
    def units(self) -> str:
        """What the numbers of an input mean."""
        ...

    @property
    def size_px(self) -> tuple[int, ...]:
        """(height, width) of what is prepared, or (X, Y, Z)."""
        ...

    @property
    def min_valid_fraction(self) -> float:
        """Below this share of valid pixels an input is skipped."""
        ...

    def model_dump(self) -> dict[str, Any]:
        """Return all that it states, as JSON can hold it but for tuples."""
        ...

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[Any]]:
        """Make a sample what the encoder takes.

        Args:
            sample: as the loader gave it.
            allowed: names of the repairs that the sample's modality permits.

        Returns:
            The repaired sample, whose ``repairs`` and ``notes`` say what was done, and the pixels:
            (H, W, C) of an image, (X, Y, Z, C) of a volume. Every sample of one contract gives the
            same shape and type.

        Raises:
            ContractError: the sample does not fit and may not be repaired.
        """
        ...


class InputContract(Record):
    """What an encoder of images takes after preparation, and so a part of its SpaceId.

    Attributes:
        spatial_dims: 2 for images, 3 for volumes.
        bands: names and order of the channels.
        units: what the numbers mean.
        size_px: (height, width).
        resize: how another size becomes this one: "squash" both sides, "center_crop" after the
            shorter side fits, or "pad" after the longer side fits. Rounding is open_clip's.
        interpolation: of the resize, always antialiased.
        fill: color of the padding, 0..255 for each band; None for the mean.
        mean: subtracted from each band, in ``units``.
        std: divides each band, in ``units``.
        min_valid_fraction: below this share of valid pixels an input is skipped.
        ranges: of each band, the reflectances that become 0 and 255; None for a model of colours
            only, see the repair of reflectance.
        optional_bands: those that an input may lack: they get their mean. Never red, green, blue.
    """

    spatial_dims: Literal[2, 3] = 2
    bands: tuple[str, ...] = RGB
    units: str = SRGB8
    size_px: tuple[int, int]
    resize: Literal["squash", "center_crop", "pad"]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill: tuple[int, ...] | None = None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    min_valid_fraction: float = Field(default=0.05, ge=0, le=1)
    ranges: tuple[tuple[float, float], ...] | None = None
    optional_bands: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _each_band_has_a_range(self) -> Self:
        if self.ranges is None:
            return self
        if len({len(self.bands), len(self.ranges), len(self.mean), len(self.std)}) > 1:
            raise ValueError("ranges, mean and std need one entry for each band")
        for band, ends in zip(self.bands, self.ranges, strict=True):
            check_range(band, ends)
        return self

    @model_validator(mode="after")
    def _colours_are_not_optional(self) -> Self:
        optional = set(self.optional_bands or ())
        if strangers := optional - set(self.bands):
            raise ValueError(f"optional_bands names {min(strangers)}, which is not among the bands")
        if colours := optional & set(RGB):
            raise ValueError(f"{min(colours)} cannot be optional: no colour is made up")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of what changes a vector; what is not stated does not count."""
        return hashlib.sha256(self.model_dump_json(exclude_none=True).encode()).hexdigest()

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[np.uint8]]:
        """Return the repaired sample and (H, W, C) uint8 pixels, see :meth:`Contract.prepare`.

        Raises:
            ContractError: the sample does not fit and may not be repaired.
        """
        from fieldguide.models.prepare import prepare

        return prepare(sample, self, allowed)

    def plan(self, sample: Sample, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return the repairs that make a sample fit, in order.

        Args:
            sample: as the loader gave it.
            allowed: names of the repairs that the sample's modality permits.

        Raises:
            ContractError: it cannot fit, or only by a repair that is not allowed.
        """
        self._check_shape(sample)
        needed = (
            *self._band_repairs(sample),
            *self._unit_repairs(sample),  # before filling, so that only valid pixels count
            *self._nodata_repairs(sample),
            *((FILL_MISSING,) if self._lacks_optional(sample) else ()),
        )
        for name in needed:
            if name not in allowed:
                raise ContractError(
                    f"it has bands {', '.join(sample.bands)} in {sample.units} and would need the "
                    f"repair '{name}', which is not done for this kind of image. Convert the "
                    f"file to {', '.join(self.bands)} in {self.units}, or name another --modality."
                )
        return needed

    def _check_shape(self, sample: Sample) -> None:
        check_axes(sample.spatial_dims, self)
        if sample.valid_fraction == 0:
            raise _no_data("no pixel of it is valid (all are nodata)")
        if sample.valid_fraction < self.min_valid_fraction:
            raise _no_data(f"only {sample.valid_fraction:.1%} of its pixels are valid")

    def _band_repairs(self, sample: Sample) -> tuple[str, ...]:
        if sample.bands == self.bands:
            return ()
        if sample.bands == ("gray",) and self.bands == RGB:
            return (GRAYSCALE_TO_RGB,)
        optional = self.optional_bands or ()
        present = tuple(band for band in self.bands if band in sample.bands)
        missing = [band for band in self.bands if band not in (*present, *optional)]
        if missing:
            raise ContractError(
                f"it has the bands {', '.join(sample.bands) or 'none'} and the model needs "
                f"{', '.join(missing)}. Name the bands of the file, or use another --modality."
            )
        return () if sample.bands == present else (SELECT_BANDS,)

    def _lacks_optional(self, sample: Sample) -> bool:
        return any(band not in sample.bands for band in self.optional_bands or ())

    def _nodata_repairs(self, sample: Sample) -> tuple[str, ...]:
        return () if sample.valid_fraction == 1 else (FILL_NODATA,)

    def _unit_repairs(self, sample: Sample) -> tuple[str, ...]:
        is_for_display = self.ranges is None
        repairs = {
            SRGB16: SIXTEEN_TO_EIGHT,
            DIGITAL_NUMBER: STRETCH,
            REFLECTANCE: REFLECTANCE_TO_DISPLAY if is_for_display else REFLECTANCE_TO_RANGES,
        }
        if sample.units == self.units:
            return ()
        if self.units == SRGB8 and sample.units in repairs:
            return (repairs[sample.units],)
        raise ContractError(
            f"its values are in {sample.units} and the model takes {self.units}. "
            "Name a model that takes them: --model."
        )


def check_axes(axes: int, contract: Contract) -> None:
    """Refuse a volume where a model takes images, and the reverse.

    Args:
        axes: 2 of an image, 3 of a volume.
        contract: of the model.

    Raises:
        ContractError: the model takes another number of axes.
    """
    kinds = {2: "an image", 3: "a volume"}
    if axes != contract.spatial_dims:
        raise ContractError(
            f"it is {kinds[axes]} and the model takes {kinds[contract.spatial_dims]}. Name a model "
            "that does: --model."
        )


def check_range(band: str, ends: tuple[float, float]) -> None:
    """Raise ValueError when the values that become 0 and 255 do not rise, or cannot be told apart.

    Args:
        band: for the message.
        ends: the two values.
    """
    low, high = ends
    if not (low < high and math.isfinite(high - low) and math.isfinite(255 / (high - low))):
        raise ValueError(f"the range of {band} is {low} to {high}; it must rise")


def _no_data(reason: str) -> ContractError:
    error = ContractError(f"{reason}. Choose a file or an area with data.")
    error.status = "skipped"
    return error
