"""Microns per pixel: read from a slide's own statements, checked, given, or not known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_MPP, MAX_MPP = 0.05, 20.0
"""Micrometres; what scanners of slides are made for lies well inside."""
MAX_ANISOTROPY = 1.05
"""How many times as long as high a pixel may be."""
UM_AT_ONE = 10.0
"""Micrometres a pixel at a magnification of 1, by convention: 20x is 0.5."""
UNITS_UM = {"centimeter": 10_000.0, "inch": 25_400.0}
"""Of the TIFF tag ResolutionUnit, in micrometres."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a slide says of its scale.

    Attributes:
        mpp_um: micrometres a pixel of the finest level; None when not known.
        objective: power of the scanner's objective, as stated; None when not stated.
        fault: why ``mpp_um`` is None.
    """

    mpp_um: float | None
    objective: float | None = None
    fault: str = ""

    def required(self) -> float:
        """Return the micrometres a pixel.

        Raises:
            ContractError: they are not known.
        """
        if self.mpp_um is not None:
            return self.mpp_um
        raise ContractError(self.remark)

    @property
    def remark(self) -> str:
        """Why the micrometres a pixel are not known, and what to type."""
        line = "Look it up and state it: --mpp 0.5"
        if self.objective is not None:
            usual = f"{UM_AT_ONE / self.objective:g}"
            line = (
                f"It names an objective of {self.objective:g}x, which often means {usual}: if that "
                f"is so, --mpp {usual}"
            )
        return f"{self.fault}, so its magnification is not known. {line}"


def resolution_of(x: Any, y: Any, objective: Any = None) -> Resolution:
    """Return what two lengths and an objective, numbers or text of a file, say.

    >>> resolution_of("0.499", "0.499", "20")
    Resolution(mpp_um=0.499, objective=20.0, fault='')
    >>> resolution_of("352.8", "352.8").mpp_um is None
    True
    """
    across, down, power = _number(x), _number(y), _number(objective)
    power = power if power is not None and 0.5 <= power <= 200 else None
    if across is None or down is None:
        return Resolution(None, power, "it does not say how many micrometres a pixel has")
    if not all(MIN_MPP <= value <= MAX_MPP for value in (across, down)):
        fault = (
            f"it says that a pixel has {across:g} x {down:g} micrometres, which no scanner of "
            "slides makes"
        )
        return Resolution(None, power, fault)
    if max(across, down) > MAX_ANISOTROPY * min(across, down):
        fault = f"it says that a pixel has {across:g} x {down:g} micrometres, which is no square"
        return Resolution(None, power, fault)
    return Resolution(math.sqrt(across * down), power)


def resolution_of_properties(properties: Mapping[str, str]) -> Resolution:
    """Return what OpenSlide found in a file, else what the TIFF tags of the resolution say."""
    objective = properties.get("openslide.objective-power")
    found = [properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    if None in found:
        unit = UNITS_UM.get(properties.get("tiff.ResolutionUnit", ""))
        dots = [_number(properties.get(f"tiff.{axis}Resolution")) for axis in "XY"]
        if unit is not None and all(dots):
            x, y = (unit / one for one in dots if one)
            if all(MIN_MPP <= value <= MAX_MPP for value in (x, y)):  # 72 dpi is said by anyone
                return resolution_of(x, y, objective)
    return resolution_of(found[0], found[1], objective)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None
