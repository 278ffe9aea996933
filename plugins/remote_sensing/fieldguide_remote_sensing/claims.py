"""Who says how the numbers of a file become reflectance: the file, the sensor, the user.

An offset is never guessed. That of Sentinel-2 changed with processing baseline 04.00 (25 January
2022), so it comes from ``--offset``, or from the baseline that the product states.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, UsageError
from fieldguide_remote_sensing.bands import COMMON_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide_remote_sensing.sensors import Scaling, Sensor

BASELINE_TAGS = ("processing_baseline", "s2:processing_baseline")
"""Tags of a raster, capitals or not, that may hold a baseline such as "04.00"."""
REFLECTIVE = frozenset(COMMON_NAMES.values()) - {"gray", "lwir", "lwir11", "lwir12"}
_BASELINE = re.compile(r"\d\d\.\d\d", re.ASCII)
_PRODUCT = re.compile(r"S2[A-Z]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(\d\d)(\d\d)_", re.ASCII)
_NO_BASELINE = "99.99"  # what a processor on one's own machine writes


@dataclass(frozen=True)
class Claim:
    """How numbers are said to become reflectance: number * scale + offset.

    Attributes:
        scale: one value a band: the reflectance of one number.
        offset: one value a band, in reflectance; None where it is not known.
        by: who says so and how, for messages and metadata.
        remedy: what to type when it is not known or cannot be right.
        is_own: whether the file itself says so.
        is_explicit: whether the user said that these are digital numbers.
        is_sure: whether anyone says that the outcome is reflectance.
        notes: what contradicts.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...] | None
    by: str
    remedy: str
    is_own: bool = False
    is_explicit: bool = False
    is_sure: bool = True
    notes: tuple[str, ...] = ()

    def of(self, bands: Sequence[int]) -> Claim:
        """Return what is claimed of some bands, by their places."""
        offset = None if self.offset is None else tuple(self.offset[place] for place in bands)
        return replace(self, scale=tuple(self.scale[place] for place in bands), offset=offset)


@dataclass(frozen=True)
class Claimant:
    """Finds the claim on each file.

    Attributes:
        sensor: the one of ``--sensor``, or None.
        offset_dn: that of ``--offset``, added to a number before it is scaled; or None.

    Raises:
        UsageError: an offset is given that no sensor takes.
    """

    sensor: Sensor | None = None
    offset_dn: float | None = None

    def __post_init__(self) -> None:
        if self.offset_dn is None:
            return
        if self.sensor is None:
            raise UsageError(
                "--offset needs the sensor whose numbers it is added to. Name it too: "
                "--sensor sentinel2_l2a"
            )
        if self.sensor.scaling is None or self.sensor.scaling.offset is not None:
            raise UsageError(
                f"--offset is for sensors whose offset depends on the processing baseline; that of "
                f"{self.sensor.name} is fixed. Leave --offset out."
            )
        if not math.isfinite(self.offset_dn):
            raise UsageError("--offset is not a number. Give one, such as --offset -1000")

    def claim(
        self,
        names: Sequence[str],
        own: tuple[Sequence[float], Sequence[float]],
        baseline: str | None,
    ) -> Claim | None:
        """Return how the numbers of one file become reflectance, or None where nobody says.

        Args:
            names: of the bands that are read.
            own: scales and offsets that the file states for them; 1 and 0 state nothing.
            baseline: the processing baseline that the product states, such as "04.00".

        Raises:
            ContractError: the file and the options contradict each other.
        """
        scales, offsets = own
        if any(scale != 1 for scale in scales) or any(offset != 0 for offset in offsets):
            return self._own_claim(names, tuple(scales), tuple(offsets))
        if self.sensor is None or self.sensor.scaling is None:
            return None
        return self._sensor_claim(len(names), self.sensor, self.sensor.scaling, baseline)

    def _own_claim(
        self, names: Sequence[str], scales: tuple[float, ...], offsets: tuple[float, ...]
    ) -> Claim | None:
        possible = all(0 < s < math.inf for s in scales) and all(map(math.isfinite, offsets))
        by = f"the file's own scale {_values(scales)} and offset {_values(offsets)}"
        if self.sensor is None:
            if not possible or not set(names) <= REFLECTIVE:
                return None  # temperatures, heights, indices
            remedy = "If the bands are a sensor's, name it: --sensor NAME"
            return Claim(scales, offsets, by, remedy, is_own=True, is_sure=False)
        remedy = "If the file is wrong: gdal_edit.py -scale 1 -offset 0 FILE"
        if not possible:
            raise ContractError(f"{by} cannot be. {remedy}")
        if self.offset_dn is not None:
            said = [self.offset_dn * scale for scale in scales]
            if not all(map(_close, said, offsets)):
                raise ContractError(
                    f"{by} contradict --offset {self.offset_dn:g}. Leave --offset out. {remedy}"
                )
        return Claim(scales, offsets, by, remedy, is_own=True)

    def _sensor_claim(
        self, count: int, sensor: Sensor, scaling: Scaling, baseline: str | None
    ) -> Claim:
        scales = (scaling.scale,) * count
        if scaling.offset is not None:
            by = f"{sensor.name}: DN * {scaling.scale:g} {_signed(scaling.offset)}"
            return Claim(scales, (scaling.offset,) * count, by, "Name another --sensor.")
        remedy = _offsets_to_type(scaling)
        stated = None if baseline is None else scaling.offset_since(baseline)
        offset_dn = stated if self.offset_dn is None else self.offset_dn
        if offset_dn is None:
            return Claim(scales, None, sensor.name, remedy)
        source = f"baseline {baseline}" if self.offset_dn is None else f"--offset {offset_dn:g}"
        claim = Claim(
            scales,
            (offset_dn * scaling.scale,) * count,
            f"{sensor.name} with {source}: (DN {_signed(offset_dn)}) * {scaling.scale:g}",
            remedy,
            is_explicit=self.offset_dn is not None,
        )
        if stated is not None and stated != offset_dn:
            note = f"--offset {offset_dn:g} was taken although baseline {baseline} has {stated:g}"
            return replace(claim, notes=(note,))
        return claim


def stated_baseline(path: Path, tags: Mapping[str, str]) -> str | None:
    """Return the processing baseline that a Sentinel-2 product states, such as "04.00".

    Args:
        path: of the file; it or a folder may be named as ESA names products.
        tags: of the raster.

    >>> from pathlib import Path
    >>> name = "S2A_MSIL2A_20220127T105311_N0400_R051_T31UFU_20220127T141524.tif"
    >>> stated_baseline(Path(name), {})
    '04.00'
    """
    by_name = {key.lower(): value.strip() for key, value in tags.items()}
    found = [by_name[tag] for tag in BASELINE_TAGS if _BASELINE.fullmatch(by_name.get(tag, ""))]
    for part in reversed(path.parts):
        if match := _PRODUCT.match(part):
            found.append(f"{match[1]}.{match[2]}")
    return next((baseline for baseline in found if baseline != _NO_BASELINE), None)


def _offsets_to_type(scaling: Scaling) -> str:
    """Return the options to choose from, and for which products each is."""
    since = [baseline.since for baseline in scaling.baselines]
    spans = [f"before {later}" for later in since[1:]] + [f"{since[-1]} and later"]
    offsets = [
        f"--offset {baseline.offset_dn:g} (processing baseline {span})"
        for baseline, span in zip(scaling.baselines, spans, strict=True)
    ]
    return f"For reflectance add {' or '.join(offsets)}"


def _values(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in dict.fromkeys(values))


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):g}"


def _close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-3, abs_tol=1e-6)
