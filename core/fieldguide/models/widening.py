"""What a user says of a model with more bands: its base, and each band by name.

The same words stand in the settings of a registry record and in a YAML file that ``--model`` names:

    base: remoteclip_vit_l_14
    bands:
      - {name: red, range: [0, 0.3]}
      - {name: green, range: [0, 0.3]}
      - {name: blue, range: [0, 0.3]}
      - {name: nir, wavelength_nm: 833, range: [0, 0.55], mean: 118, std: 69, optional: true}
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from fieldguide.contract import InputContract, check_range
from fieldguide.errors import UsageError
from fieldguide.samples import RGB
from fieldguide.specs import Name, Record, list_faults

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BANDS = 512  # of imaging spectrometers some 200 to 400
FORM = "docs/multispectral.md shows the form of such a file"


class Band(Record):
    """One band of a sensor.

    Attributes:
        name: by which inputs and colours are matched.
        wavelength_nm: of its centre.
        range: the reflectances that become 0 and 255.
        mean: in 0..255; None for the mean of the base's three. Red, green and blue keep the base's.
        std: in 0..255, likewise.
        optional: whether an input may lack it; it gets its mean.
    """

    name: Name
    wavelength_nm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    range: tuple[float, float]
    mean: float | None = Field(default=None, ge=0, le=255)
    std: float | None = Field(default=None, gt=0, le=255)
    optional: bool = False

    @model_validator(mode="after")
    def _its_range_rises(self) -> Self:
        check_range(self.name, self.range)
        return self

    @model_validator(mode="after")
    def _colours_keep_what_the_base_says(self) -> Self:
        if self.name in RGB and (self.mean is not None or self.std is not None):
            raise ValueError(f"mean and std of {self.name} are those of the base; leave them out")
        if self.name in RGB and self.optional:
            raise ValueError(f"{self.name} cannot be optional: no colour is made up")
        return self


def _form_of_bands(value: Any) -> str:
    """Return which form the bands have, so that only its faults show."""
    return "model" if isinstance(value, str) else "list"


Bands = Annotated[
    Annotated[Name, Tag("model")] | Annotated[tuple[Band, ...], Tag("list")],
    Discriminator(_form_of_bands),
]


class Widening(Record):
    """Which bands a base model is widened to.

    Attributes:
        base: a model as ``--model`` names it; a path may be relative to the file.
        bands: all bands in order, or the name of a registered model that has them.
        base_wavelengths_nm: centres of the base's red, green and blue: kernels are handed to the
            bands by wavelength. None: they go to the bands of these names, the others begin at
            zero.
    """

    base: str = Field(min_length=1)
    bands: Bands
    base_wavelengths_nm: tuple[float, float, float] | None = None

    @model_validator(mode="after")
    def _bands_are_told_apart(self) -> Self:
        if isinstance(self.bands, str):
            return self
        names = [band.name for band in self.bands]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"bands names {doubled[0]} twice")
        if not 1 <= len(names) <= MAX_BANDS:
            raise ValueError(f"bands has {len(names)}; it needs 1 to {MAX_BANDS}")
        if self.base_wavelengths_nm is not None:
            if unknown := [band.name for band in self.bands if band.wavelength_nm is None]:
                raise ValueError(f"{unknown[0]} needs a wavelength_nm beside base_wavelengths_nm")
        elif absent := [colour for colour in RGB if colour not in names]:
            raise ValueError(f"bands lacks {absent[0]}; or say base_wavelengths_nm")
        return self

    def resolved(self, settings_of: Callable[[str], dict[str, Any]]) -> Widening:
        """Return the same with bands in place of the name of a model that has them.

        Args:
            settings_of: returns the settings of a registered model.

        Raises:
            UsageError: that model has none, or they do not fit.
        """
        if not isinstance(self.bands, str):
            return self
        named = parse_widening(settings_of(self.bands), f"the model {self.bands}")
        if isinstance(named.bands, str):
            raise UsageError(
                f"The model {self.bands} takes its bands from {named.bands}. Name that: bands: "
                f"{named.bands}"
            )
        given = self.model_dump() | {"bands": named.model_dump()["bands"]}
        return parse_widening(given, f"the bands of {self.bands}")

    @property
    def told_bands(self) -> tuple[Band, ...]:
        """The bands, once :meth:`resolved`."""
        assert not isinstance(self.bands, str)
        return self.bands

    def initialisation(self) -> str:
        """Return what decides the first kernels as text, for the identity of a space."""
        by_wavelength = self.base_wavelengths_nm is not None
        named = [[b.name, b.wavelength_nm if by_wavelength else None] for b in self.told_bands]
        return json.dumps([self.base_wavelengths_nm, named])

    def contract(self, base: InputContract) -> InputContract:
        """Return what the widened model takes: the base's contract with a range for each band."""
        means, stds = dict(zip(RGB, base.mean, strict=True)), dict(zip(RGB, base.std, strict=True))
        bands = self.told_bands
        mean = tuple(means.get(b.name, _first(b.mean, base.mean)) for b in bands)
        std = tuple(stds.get(b.name, _first(b.std, base.std)) for b in bands)
        fill = base.fill
        if fill is not None:
            colours = dict(zip(RGB, fill, strict=True))
            fill = tuple(colours.get(b.name, round(m)) for b, m in zip(bands, mean, strict=True))
        changes = {
            "bands": tuple(band.name for band in bands),
            "ranges": tuple(band.range for band in bands),
            "optional_bands": tuple(b.name for b in bands if b.optional) or None,
            "mean": mean,
            "std": std,
            "fill": fill,
        }
        try:
            return InputContract(**(base.model_dump() | changes))
        except ValidationError as error:
            raise UsageError(f"The bands are not valid: {list_faults(error)}. {FORM}.") from error


def parse_widening(content: Any, where: str) -> Widening:
    """Check the content of a file or the settings of a record.

    Raises:
        UsageError: it does not fit; every fault is listed.
    """
    try:
        return Widening.model_validate(content)
    except ValidationError as error:
        raise UsageError(
            f"{where} describes no model with more bands: {list_faults(error)}. {FORM}."
        ) from error


def widening_settings(content: Any, where: str) -> dict[str, Any]:
    """Return the checked content of a YAML file as settings of a record; see ``parse_widening``."""
    return parse_widening(content, where).model_dump(exclude_none=True)


def _first(own: float | None, of_base: tuple[float, ...]) -> float:
    return sum(of_base) / len(of_base) if own is None else own
