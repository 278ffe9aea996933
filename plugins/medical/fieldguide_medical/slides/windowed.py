"""Windows of one slide, read from the level that suffices; those without tissue are not read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.samples import RGB, SRGB8, Sample
from fieldguide_medical.slides.overview import make_overview
from fieldguide_medical.slides.pyramid import read_box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.contract import Contract
    from fieldguide.samples import Window
    from fieldguide_medical.slides.overview import Overview
    from fieldguide_medical.slides.pyramid import Pyramid
    from fieldguide_medical.tissue import TissueMap

WHITE = 255


@dataclass(frozen=True)
class WindowedSlide:
    """One open slide whose windows are read from any thread; in pixels of its finest level.

    Attributes:
        pyramid: the open file.
        mpp_um: micrometres a pixel, stated by the file or the user; None when not known.
        tissue: where tissue is; None for everywhere.
        min_tissue: share of tissue below which a window counts as empty.
        target_mpp_um: micrometres a pixel at which the model is to see the slide; None for any.
        seen: the whole slide as it was seen already, or None.
    """

    pyramid: Pyramid
    mpp_um: float | None = None
    tissue: TissueMap | None = None
    min_tissue: float = 0.0
    target_mpp_um: float | None = None
    seen: Overview | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pyramid.levels[0].size_px

    @property
    def pixel_size_m(self) -> float | None:
        """Side of a pixel in the tissue, in metres; None when not known."""
        return None if self.mpp_um is None else self.mpp_um * 1e-6

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """Numbers of scale alone: a slide's other properties can name people."""
        found = {
            "microns_per_pixel": self.mpp_um,
            "magnification": self.pyramid.resolution.objective,
            "level_count": len(self.pyramid.levels),
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to type where the scale is not known."""
        return () if self.mpp_um is not None else (self.pyramid.resolution.remark,)

    def usual_window_px(self, contract: Contract) -> tuple[int, int]:
        """Return (H, W) of what a model sees at the scale asked for; else pixel for pixel."""
        model_px = max(contract.size_px)
        if self.target_mpp_um is None or self.mpp_um is None:
            return model_px, model_px
        side_px = max(1, round(model_px * self.target_mpp_um / self.mpp_um))
        return side_px, side_px

    @property
    def window_option(self) -> str | None:
        """The option that says how large windows are, or None."""
        return None if self.target_mpp_um is None else "--at-mpp or --at-magnification"

    def read(self, window: Window, at_least_px: int) -> Sample:
        """Read one window; one that is twice as large as needed or more is averaged.

        A window with too little tissue comes back white and without a valid pixel, and nothing
        of the file is decoded for it.

        Raises:
            LoadError: this part of the file is damaged.
        """
        (row, column), (height, width) = window.start_px, window.size_px
        factor = max(1, min(height, width) // at_least_px)
        size_px = (height // factor, width // factor)
        if self.tissue is not None and self.tissue.share(window) < self.min_tissue:
            white = np.broadcast_to(np.uint8(WHITE), (*size_px, 3))
            return Sample(white, RGB, SRGB8, valid=np.broadcast_to(np.False_, size_px))
        box = (float(row), float(column), float(row + height), float(column + width))
        return Sample(read_box(self.pyramid, box, size_px), RGB, SRGB8)

    def place(self, window: Window) -> Mapping[str, Any]:
        """Return where a window lies: a ``geometry`` in pixels, and micrometres where known."""
        (row, column), (height, width) = window.start_px, window.size_px
        corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
        ring = [[column + x, row + y] for x, y in corners]
        found: dict[str, Any] = {"geometry": {"type": "Polygon", "coordinates": [ring]}}
        if self.mpp_um is not None:
            lengths = {"x_um": column, "y_um": row, "width_um": width, "height_um": height}
            found |= {name: round(pixels * self.mpp_um, 3) for name, pixels in lengths.items()}
        if self.tissue is not None:
            found["tissue_fraction"] = round(self.tissue.share(window), 4)
        return found

    def overview(self, longer_px: int) -> NDArray[np.uint8]:
        """Return (h, w, 3), the whole slide seen from far away; never its label or macro picture.

        Args:
            longer_px: at most how long the longer side becomes.
        """
        if self.seen is not None and max(self.seen.pixels.shape) <= longer_px:
            return self.seen.pixels
        return make_overview(self.pyramid, longer_px).pixels
