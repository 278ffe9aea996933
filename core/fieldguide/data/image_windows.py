"""Windows of a plain picture, which is held in memory as a whole."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fieldguide.samples import RGB, SRGB8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.samples import Loader, Sample, Window


@dataclass(frozen=True)
class WindowedImage:
    """A picture whose parts are cut out.

    Attributes:
        sample: (H, W, C).
    """

    sample: Sample
    pixel_size_m: float | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.sample.size_px
        return height, width

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says of itself."""
        return self.sample.metadata

    def read(self, window: Window, at_least_px: int) -> Sample:
        """Return a view of one window, in full size."""
        part = tuple(
            slice(start, start + length)
            for start, length in zip(window.start_px, window.size_px, strict=True)
        )
        valid = None if self.sample.valid is None else self.sample.valid[part]
        return replace(self.sample, array=self.sample.array[part], valid=valid)

    def overview(self, longer_px: int) -> NDArray[np.uint8] | None:
        """Return (h, w, 3), the picture made smaller; None when it is no RGB or gray of 8 bits."""
        if self.sample.units != SRGB8 or self.sample.bands not in (RGB, ("gray",)):
            return None
        pixels = self.sample.array
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
        image.thumbnail((longer_px, longer_px))
        return np.asarray(image)

    def place(self, window: Window) -> Mapping[str, Any]:
        """Return nothing: a plain picture lies nowhere."""
        return {}


@contextmanager
def open_image_windows(
    loader: Loader, path: Path, bands: Sequence[str] | None = None
) -> Iterator[WindowedImage]:
    """Read a picture whose windows are then cut out; all of its bands.

    Raises:
        LoadError: it cannot be read.
    """
    yield WindowedImage(loader(path))
