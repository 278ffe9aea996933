"""Slides that OpenSlide reads: Aperio, Hamamatsu, MIRAX, Leica, Ventana, Trestle, plain pyramids.

Only pixels and the numbers of scale are taken: a slide's other properties name people, dates and
files, and its label and macro pictures show them, so neither is read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import openslide

from fieldguide.errors import LoadError
from fieldguide_medical.slides.pyramid import Level, Patch, make_levels
from fieldguide_medical.slides.resolution import resolution_of_properties

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

_FAULTS = (openslide.OpenSlideError, OSError, ValueError, LookupError, MemoryError)
"""What openslide-python raises; its texts may quote the file, and are never shown."""
DAMAGED = "a part of it is damaged and cannot be decoded. Get the file again; the rest was read."


class OpenSlidePyramid:
    """One open slide.

    Args:
        path: of the file; other files of the slide lie where its format puts them.

    Raises:
        LoadError: OpenSlide does not know the format, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        slide = self._handle()
        try:
            self.levels = make_levels([(h, w) for w, h in slide.level_dimensions])
            self._scales = tuple(slide.level_downsamples)
            self.resolution = resolution_of_properties(slide.properties)
        except _FAULTS as error:
            raise LoadError("its headers are damaged. Get the file again.") from error

    def read(self, level: Level, start: tuple[int, int], size_px: tuple[int, int]) -> Patch:
        """Read rows and columns of a level.

        OpenSlide is asked for whole pixels of the finest level, which may lie between those of
        another one: the patch says where it begins.

        Raises:
            LoadError: this part of the file is damaged.
        """
        scale = self._scales[level.number]
        row, column = (round(place * scale) for place in start)
        slide = self._handle()
        try:
            image = slide.read_region((column, row), level.number, (size_px[1], size_px[0]))
            pixels = _on_white(image)
        except _FAULTS as error:
            self._own.slide = None  # after one fault a handle refuses all that is asked of it
            raise LoadError(DAMAGED) from error
        return Patch(pixels, (row / scale, column / scale))

    def _handle(self) -> openslide.OpenSlide:
        """Return this thread's own handle: a fault of one thread does not stop the others."""
        slide = getattr(self._own, "slide", None)
        if slide is None:
            slide = self._own.slide = _open(self._path)
        return slide

    def close(self) -> None:
        """Release the file: handles are closed when nothing holds them."""
        self._own = threading.local()


def _open(path: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise LoadError(
            "it is no slide that OpenSlide knows, or its beginning is damaged. Get the file again, "
            "or make a pyramid of it: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg"
        ) from error
    except _FAULTS as error:
        raise LoadError(
            "it is a slide whose headers are damaged, or parts of it are missing. Get all of its "
            "files again."
        ) from error


def _on_white(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return (H, W, 3) of a picture with transparency, laid on white."""
    pixels = np.asarray(image)
    alpha = pixels[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    share = alpha.astype(np.float32) / 255
    return np.round(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
