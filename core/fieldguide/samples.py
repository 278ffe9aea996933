"""What a loader returns: pixels with their bands, units and metadata."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.contract import Contract

RGB = ("red", "green", "blue")
SRGB8 = "srgb8"
"""Display values: uint8, 0 to 255, sRGB."""
SRGB16 = "srgb16"
"""Display values: uint16, 0 to 65535, sRGB."""
DIGITAL_NUMBER = "digital_number"
"""What the sensor's file stores, without a known scale."""
REFLECTANCE = "reflectance"
"""The share of light that a surface reflects: 1.0 is all of it; snow and glint may exceed it."""
HOUNSFIELD = "hounsfield_unit"
"""CT numbers: air -1000, water 0."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image or volume in memory.

    Attributes:
        array: (H, W, C) for an image, (X, Y, Z, C) for a volume in RAS order.
        bands: the names of the last axis.
        units: what the numbers mean, such as "srgb8" or "hounsfield_unit".
        metadata: what the file says of itself: capture date, place, CRS, spacing ...
        valid: (H, W) or (X, Y, Z), True where there is data; None means everywhere.
        repairs: what was done on the way, by name.
        notes: what the reader could not know, each a sentence that ends with what to do.
        display_range: for each band the values that a stretch for display makes 0 and 255, where
            this is a part of something larger; None for the image's own percentiles.
        withheld: whether no picture of it is put into results: it may show the name of a person.
    """

    array: NDArray[Any]
    bands: tuple[str, ...]
    units: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    valid: NDArray[np.bool_] | None = None
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    display_range: Mapping[str, tuple[float, float]] | None = None
    withheld: bool = False

    @property
    def spatial_dims(self) -> int:
        """2 for an image, 3 for a volume."""
        return int(self.array.ndim) - 1

    @property
    def size_px(self) -> tuple[int, ...]:
        """(H, W) or (X, Y, Z)."""
        return tuple(int(length) for length in self.array.shape[:-1])

    @property
    def valid_fraction(self) -> float:
        """The share of pixels that hold data, 0 to 1."""
        return 1.0 if self.valid is None else float(self.valid.mean())

    def repaired(self, name: str, **changes: Any) -> Sample:
        """Return a copy with changed fields and the repair's name added."""
        return replace(self, **changes, repairs=(*self.repairs, name))


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle or box of a larger source, in its own pixels.

    Attributes:
        start_px: the first pixel on each axis.
        size_px: how many pixels on each axis.
    """

    start_px: tuple[int, ...]
    size_px: tuple[int, ...]


@runtime_checkable
class Loader(Protocol):
    """Reads one item."""

    def __call__(self, path: Path) -> Sample:
        """Read a file, or a folder for loaders whose unit is a folder.

        Raises:
            LoadError: it cannot be read.
            ContractError: it is a file of another kind.
        """
        ...


@runtime_checkable
class Windowed(Protocol):
    """An open source of which windows are read: a raster, a slide, a large picture, a volume.

    It is read from several threads at once.
    """

    @property
    def size_px(self) -> tuple[int, ...]:
        """(H, W) of a picture, (X, Y, Z) of a volume."""
        ...

    @property
    def pixel_size_m(self) -> float | tuple[float, ...] | None:
        """Side of a pixel in metres, on the ground or in the tissue; None if unknown.

        One for each axis where they differ.
        """
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the source says of itself as a whole."""
        ...

    def read(self, window: Window, at_least_px: int) -> Sample:
        """Read one window.

        Args:
            window: inside the source.
            at_least_px: a larger window may be read smaller, down to sides of this length.

        Raises:
            LoadError: this part of the source is damaged.
        """
        ...

    def place(self, window: Window) -> Mapping[str, Any]:
        """Return where a window lies: a GeoJSON ``geometry``, and what filters can ask."""
        ...


@runtime_checkable
class KnowsUsualWindow(Protocol):
    """A :class:`Windowed` source that says which window suits a model, where none is named.

    For others it is a square of the model's input, pixel for pixel.
    """

    def usual_window_px(self, contract: Contract) -> tuple[int, ...]:
        """Return the sides of a window, one for each axis, in the source's own pixels.

        Args:
            contract: of the model.
        """
        ...


@runtime_checkable
class FixesWindow(Protocol):
    """A :class:`Windowed` source whose options may say already how large its windows are."""

    @property
    def window_option(self) -> str | None:
        """The option that says so, such as ``--at-mpp``; None when none does."""
        ...


@runtime_checkable
class Overviewed(Protocol):
    """A :class:`Windowed` source that can be seen as a whole."""

    def overview(self, longer_px: int) -> NDArray[np.uint8] | None:
        """Return (h, w, 3) sRGB whose longer side has at most so many pixels, or None."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A :class:`Windowed` source that tells what it could not know of itself as a whole."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that end with what to do."""
        ...
