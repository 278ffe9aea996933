"""A picture of what was searched, under the colours of its heat map, with regions and scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from fieldguide.data.files import atomic_path
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.localization.result import Region, Regions, Scored

MAX_SIDE_PX = 4096
"""Of the whole picture, whatever the source."""
PANEL_PX = 2048
"""The longer side of one text's panel, where all of them fit."""
COLOURS = "viridis"
HEAT_OPACITY = 0.45
LINE = (255, 80, 0)
DARK, LIGHT = (0, 0, 0), (255, 255, 255)
BAR_SHARE = 0.25
"""Of a panel's width that the scale bar fills at most."""
MAX_TITLE = 80
FONT = "fonts/ttf/DejaVuSans.ttf"
"""Of matplotlib's own: Pillow's has few letters."""


def write_overlay(result: Regions, path: Path) -> None:
    """Write a PNG with one panel a text: the source, its heat from low to high, and the regions.

    Colours run from the lowest to the highest heat of the text (viridis: dark blue to yellow).

    Raises:
        UsageError: several sources were searched, or one that cannot be seen as a whole.
    """
    if len(result.sources) != 1:
        raise UsageError(
            f"{path} can show one source, and {len(result.sources)} were searched. Search them one "
            "by one."
        )
    source = result.sources[0]
    if source.overview is None:
        raise UsageError(
            f"{path}: only a picture or slide that is searched alone can be drawn. Write regions "
            "or a heat map in another format; 'fieldguide plugins' lists them."
        )
    across = math.ceil(math.sqrt(len(source.queries)))
    down = math.ceil(len(source.queries) / across)
    cell_px = MAX_SIDE_PX // max(across, down)
    longer_px = min(PANEL_PX, cell_px - max(16, cell_px // 39))  # less the line of text above it
    panels = [
        _Panel.of(source, [row for row in result if row.query == text], text, longer_px).draw()
        for text in source.queries
    ]
    width, height = panels[0].size
    sheet = Image.new("RGB", (width * across, height * down), LIGHT)
    for place, panel in enumerate(panels):
        sheet.paste(panel, (place % across * width, place // across * height))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "PNG")


@dataclass(frozen=True)
class _Panel:
    """One text over one source.

    Attributes:
        picture: of the source.
        heat: (rows, columns), NaN without data.
        regions: found for the text.
        text: the title.
        scale: pixels of the source for one of the picture.
        pixel_size_m: of the source, or None.
    """

    picture: Image.Image
    heat: NDArray[np.float32]
    regions: list[Region]
    text: str
    scale: float
    pixel_size_m: float | None

    @classmethod
    def of(cls, source: Scored, regions: list[Region], text: str, longer_px: int) -> _Panel:
        picture = Image.fromarray(np.ascontiguousarray(source.overview))
        picture.thumbnail((longer_px, longer_px))
        scale = max(source.grids[0].size_px) / max(picture.size)
        size_m = source.pixel_size_m if isinstance(source.pixel_size_m, float) else None
        return cls(picture, source.heat(text), regions, text, scale, size_m)

    def draw(self) -> Image.Image:
        """Return the panel with a line of text above it."""
        letters_px = max(10, max(self.picture.size) // 64)
        font = ImageFont.truetype(Path(matplotlib.get_data_path(), FONT), letters_px)
        margin = round(1.6 * letters_px)
        width, height = self.picture.size
        panel = Image.new("RGB", (width, height + margin), LIGHT)
        panel.paste(_blended(self.picture, self.heat), (0, margin))
        pen = ImageDraw.Draw(panel)
        pen.text((4, 2), self._title(), fill=DARK, font=font)
        line_px = max(1, letters_px // 8)
        for region in reversed(self.regions):  # the best one on top
            (row, column), (rows, columns) = region.window.start_px, region.window.size_px
            left, top = column / self.scale, row / self.scale + margin
            box = (left, top, left + columns / self.scale - 1, top + rows / self.scale - 1)
            pen.rectangle(box, outline=LINE, width=line_px)
            place = (left + 2 * line_px, top + line_px)
            pen.text(place, str(region.rank), fill=LINE, font=font, stroke_width=line_px,
                     stroke_fill=LIGHT)  # fmt: skip
        self._draw_bar(pen, font, (width, height + margin), letters_px)
        return panel

    def _title(self) -> str:
        known = self.heat[np.isfinite(self.heat)]
        limits = f" ({known.min():.3f} to {known.max():.3f})" if known.size else ""
        return f"{self.text[:MAX_TITLE]}{limits}"

    def _draw_bar(
        self,
        pen: ImageDraw.ImageDraw,
        font: ImageFont.FreeTypeFont,
        size: tuple[int, int],
        letters_px: int,
    ) -> None:
        """Draw a bar of a round length in the lower left corner, where the scale is known."""
        if self.pixel_size_m is None:
            return
        metre_px = 1 / (self.pixel_size_m * self.scale)
        length_m = round_length(BAR_SHARE * size[0] / metre_px)
        bottom, left = size[1] - letters_px, letters_px
        right = left + round(length_m * metre_px)
        pen.rectangle((left - 2, bottom - letters_px // 3 - 2, right + 2, bottom + 2), fill=LIGHT)
        pen.rectangle((left, bottom - letters_px // 3, right, bottom), fill=DARK)
        place = (left, bottom - 2 * letters_px)
        pen.text(place, length_text(length_m), fill=DARK, font=font, stroke_width=2,
                 stroke_fill=LIGHT)  # fmt: skip


def _blended(picture: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Lay the colours of the heat over a picture; where it has no data the picture stays."""
    known = np.isfinite(heat)
    low, high = (heat[known].min(), heat[known].max()) if known.any() else (0.0, 1.0)
    near = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled = heat[tuple(near)] if known.any() else np.zeros_like(heat)  # no dark rim around data
    shares = (filled - low) / max(high - low, 1e-9)
    colours = matplotlib.colormaps[COLOURS](shares, bytes=True)[..., :3]
    size = picture.size
    smooth = Image.fromarray(np.ascontiguousarray(colours)).resize(size, Image.Resampling.BILINEAR)
    opacity = Image.fromarray((known * round(255 * HEAT_OPACITY)).astype(np.uint8))
    return Image.composite(smooth, picture, opacity.resize(size, Image.Resampling.NEAREST))


def round_length(longest_m: float) -> float:
    """Return the longest length of 1, 2 or 5 times a power of ten that is not longer.

    >>> [round_length(value) for value in (0.00037, 1.9, 640)]
    [0.0002, 1.0, 500.0]
    """
    power = math.floor(math.log10(longest_m))
    return max(
        n * 10.0**p for p in (power - 1, power) for n in (1, 2, 5) if n * 10.0**p <= longest_m
    )


def length_text(length_m: float) -> str:
    """Write a length in the unit in which it is a short number.

    >>> [length_text(value) for value in (0.0002, 0.001, 500.0, 2000.0)]
    ['200 \u00b5m', '1 mm', '500 m', '2 km']
    """
    for unit, metres in (("km", 1e3), ("m", 1.0), ("mm", 1e-3)):
        if length_m >= metres * 0.999:
            return f"{length_m / metres:.6g} {unit}"
    return f"{length_m / 1e-6:.6g} \u00b5m"
