"""Opens whole slides, with the scale and the tissue that the user's options ask for."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide_medical.slides.openslide_file import OpenSlidePyramid
from fieldguide_medical.slides.overview import make_overview
from fieldguide_medical.slides.resolution import MAX_MPP, MIN_MPP, UM_AT_ONE
from fieldguide_medical.slides.tiff_file import TiffPyramid
from fieldguide_medical.slides.windowed import WindowedSlide
from fieldguide_medical.tissue import TissueMap, find_tissue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fieldguide.samples import Sample
    from fieldguide_medical.slides.overview import Overview
    from fieldguide_medical.slides.pyramid import Pyramid

MASK_SIDE_PX = 2048
"""Of the picture in which tissue is looked for."""
USUAL_MIN_TISSUE = 0.25
KEPT_MASKS = 8
MAX_COARSEST_PIXELS = 2**32
"""Of the coarsest level, all of which is decoded to see where tissue is."""
_OME = (".ome.tif", ".ome.tiff")
_TIFF = (".tif", ".tiff")


class SlideLoader:
    """Opens slides; the tissue of the last few is kept, for rows that name many windows of one.

    Args:
        mpp: micrometres a pixel of the finest level, in place of what a file says.
        at_mpp: micrometres a pixel at which a model is to see slides.
        at_magnification: the same as a power: 10 / power micrometres a pixel.
        min_tissue: share of tissue below which a window counts as empty; 0 for all windows.

    Raises:
        UsageError: a number that makes no sense, or a scale given twice.
    """

    def __init__(
        self,
        mpp: float | None = None,
        at_mpp: float | None = None,
        at_magnification: float | None = None,
        min_tissue: float = USUAL_MIN_TISSUE,
    ) -> None:
        if at_mpp is not None and at_magnification is not None:
            raise UsageError("--at-mpp and --at-magnification say the same. Give one of them.")
        if at_magnification is not None:
            if not (math.isfinite(at_magnification) and at_magnification > 0):
                raise UsageError("A magnification is a number above 0: --at-magnification 20")
            _check_mpp("--at-magnification", UM_AT_ONE / at_magnification, "20")
            at_mpp = UM_AT_ONE / at_magnification
        if mpp is not None:
            _check_mpp("--mpp", mpp, "0.5")
        if at_mpp is not None:
            _check_mpp("--at-mpp", at_mpp, "0.5")
        if not 0 <= min_tissue <= 1:
            raise UsageError("A share of tissue lies between 0 and 1: --min-tissue 0.25")
        self.mpp_um, self.target_mpp_um, self.min_tissue = mpp, at_mpp, min_tissue
        self._masks: OrderedDict[tuple[Path, int, int], TissueMap] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, path: Path) -> Sample:
        """Refuse a slide as one picture: no model takes one.

        Raises:
            ContractError: always.
        """
        raise ContractError(
            "it is a whole slide, which is read window by window. Run: fieldguide locate SLIDE "
            "TEXT, or fieldguide index SLIDES --window usual, with --domain medical"
        )

    @contextmanager
    def open(self, path: Path) -> Iterator[WindowedSlide]:
        """Open a slide.

        Raises:
            LoadError: it cannot be read.
            ContractError: it is no bright-field slide, or its scale is needed and not known.
        """
        pyramid = _open(path)
        try:
            _check_coarsest(pyramid)
            mpp_um = self.mpp_um or pyramid.resolution.mpp_um
            if self.target_mpp_um is not None and mpp_um is None:
                pyramid.resolution.required()
            tissue, seen = None, None
            if self.min_tissue > 0:
                tissue, seen = self._tissue(path, pyramid)
            yield WindowedSlide(pyramid, mpp_um, tissue, self.min_tissue, self.target_mpp_um, seen)
        finally:
            pyramid.close()

    def _tissue(self, path: Path, pyramid: Pyramid) -> tuple[TissueMap, Overview | None]:
        """Return where tissue may be, and the picture in which it was looked for just now.

        What is damaged counts as tissue, so that it is told of.
        """
        stat = path.stat()
        key = (path.absolute(), stat.st_size, stat.st_mtime_ns)
        with self._lock:  # one at a time: several threads may ask for the same
            if key in self._masks:
                self._masks.move_to_end(key)
                return self._masks[key], None
            seen = make_overview(pyramid, MASK_SIDE_PX)
            if seen.unread.all():
                raise LoadError("no part of it can be decoded. Get the file again.")
            found = TissueMap(find_tissue(seen.pixels) | seen.unread, seen.scale)
            self._masks[key] = found
            while len(self._masks) > KEPT_MASKS:
                self._masks.popitem(last=False)
            return found, seen


@contextmanager
def open_slide_windows(
    loader: SlideLoader, path: Path, bands: Sequence[str] | None = None
) -> Iterator[WindowedSlide]:
    """Open a slide whose windows are read one by one; it has red, green and blue.

    Raises:
        LoadError: it cannot be read.
        ContractError: it is no bright-field slide, or its scale is needed and not known.
    """
    with loader.open(path) as source:
        yield source


def _open(path: Path) -> Pyramid:
    name = path.name.lower()
    if name.endswith(_OME):
        return TiffPyramid(path)
    try:
        return OpenSlidePyramid(path)
    except LoadError:
        if not name.endswith(_TIFF):
            raise
    return TiffPyramid(path)  # sub-directories instead of pages, or a packing of its own


def _check_coarsest(pyramid: Pyramid) -> None:
    height, width = min(level.size_px for level in pyramid.levels)
    if height * width > MAX_COARSEST_PIXELS:
        raise LoadError(
            f"it has {height * width / 1e9:.1f} gigapixels and no smaller form of them. Make a "
            "pyramid of it: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg"
        )


def _check_mpp(option: str, value: float, example: str) -> None:
    if not MIN_MPP <= value <= MAX_MPP:
        raise UsageError(
            f"{option} means {value:g} micrometres a pixel, which is not between {MIN_MPP} and "
            f"{MAX_MPP:g}. Write, for example: {option} {example}"
        )
