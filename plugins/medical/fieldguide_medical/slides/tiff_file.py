"""Pyramids in one TIFF whose levels are sub-directories, as OME-TIFF has them, by tifffile.

OME-TIFF may name further files; only the one that the user named is opened.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import defusedxml.ElementTree
import numpy as np
import tifffile
from defusedxml.common import DefusedXmlException

from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.slides.openslide_file import DAMAGED
from fieldguide_medical.slides.pyramid import Level, Patch, make_levels
from fieldguide_medical.slides.quiet_tiff import quiet_tiff
from fieldguide_medical.slides.resolution import Resolution, resolution_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_TILE_PX = 4096
"""Side of a tile; larger ones are no tiles of a slide."""
MAX_LEVELS = 32
MAX_XML_BYTES = 2**24
SPARE_BYTES = 2**16
"""By which a packed tile may be larger than its pixels."""
_UM = {"": 1.0, "\u00b5m": 1.0, "\u03bcm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4}
"""Units of OME's PhysicalSizeX; micrometres where it names none."""
_CONVERT = (
    "Convert it: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg, or export it from "
    "QuPath as OME-TIFF of RGB."
)


class TiffPyramid:
    """One open TIFF of tiled 8-bit RGB, with its levels.

    Args:
        path: of the file.

    Raises:
        LoadError: it is no TIFF, or damaged.
        ContractError: it is not tiled, or not 8-bit RGB.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()  # of the file's position
        with quiet_tiff():
            self._file = _open(path)
            try:
                pages = _pages_of_levels(self._file)
                sizes = [(int(page.imagelength), int(page.imagewidth)) for page in pages]
                self.levels = make_levels(sizes)
                self._pages = pages
                for level in self.levels:
                    _check(pages[level.number])
                self.resolution = _resolution(self._file)
            except (LoadError, ContractError):
                self._file.close()
                raise
            except Exception as error:  # tifffile raises anything on damaged directories
                self._file.close()
                raise LoadError("its directories are damaged. Get the file again.") from error

    def read(self, level: Level, start: tuple[int, int], size_px: tuple[int, int]) -> Patch:
        """Read rows and columns of a level, tile by tile.

        Raises:
            LoadError: this part of the file is damaged.
        """
        page = self._pages[level.number]
        high, wide = int(page.tilelength), int(page.tilewidth)
        out = np.full((*size_px, 3), 255, np.uint8)
        (row, column), (height, width) = start, size_px
        across = -(-level.size_px[1] // wide)
        for down in range(row // high, (row + height - 1) // high + 1):
            for along in range(column // wide, (column + width - 1) // wide + 1):
                tile = self._tile(page, down * across + along)
                if tile is None:
                    continue
                top, left = down * high - row, along * wide - column
                target = out[max(0, top) : top + high, max(0, left) : left + wide]
                first, second = max(0, -top), max(0, -left)
                part = tile[first : first + target.shape[0], second : second + target.shape[1]]
                target[: part.shape[0], : part.shape[1]] = part
        return Patch(out, (float(row), float(column)))

    def _tile(self, page: Any, place: int) -> NDArray[np.uint8] | None:
        """Return (h, w, 3) of one tile; None for one that is left out, which means white."""
        try:
            offset, count = int(page.dataoffsets[place]), int(page.databytecounts[place])
            if count == 0:
                return None
            if not 0 < count <= int(page.tilelength) * int(page.tilewidth) * 3 + SPARE_BYTES:
                raise LoadError(DAMAGED)
            with self._lock:
                self._file.filehandle.seek(offset)
                content = self._file.filehandle.read(count)
            if len(content) < count:
                raise LoadError(DAMAGED)
            with quiet_tiff():
                tile, _, _ = page.decode(content, place, jpegtables=page.jpegtables)
            pixels = np.asarray(tile, np.uint8)
            return pixels.reshape(pixels.shape[-3:])
        except LoadError:
            raise
        except Exception as error:  # each codec raises its own
            raise LoadError(DAMAGED) from error

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _open(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except Exception as error:  # tifffile raises anything on damaged files
        raise LoadError("it is no TIFF, or its beginning is damaged. Get it again.") from error


def _pages_of_levels(file: tifffile.TiffFile) -> list[Any]:
    """Return the first picture and its reduced forms: sub-directories, else further pages."""
    first: Any = file.pages[0]
    pages = [first]
    if first.subifds:
        pages += [first.pages[number] for number in range(min(MAX_LEVELS, len(first.subifds)))]
        return pages
    for number in range(1, MAX_LEVELS):
        try:
            page: Any = file.pages[number]
        except IndexError:
            break
        if page.is_reduced and page.is_tiled:
            pages.append(page)
    return pages


def _check(page: Any) -> None:
    if not page.is_tiled:
        raise ContractError(f"it is not stored in tiles. {_CONVERT}")
    rgb = page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
    interleaved = page.samplesperpixel == 3 and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if page.dtype != np.uint8 or not rgb or not interleaved:
        raise ContractError(
            f"it is not 8-bit RGB with the colours of a pixel together, as bright-field slides are "
            f"(fluorescence is not read). {_CONVERT}"
        )
    if max(int(page.tilelength), int(page.tilewidth)) > MAX_TILE_PX or page.imagedepth != 1:
        raise ContractError(f"its tiles are larger than {MAX_TILE_PX} px. {_CONVERT}")


def _resolution(file: tifffile.TiffFile) -> Resolution:
    """Return what the OME record says, else the tags of the resolution."""
    page: Any = file.pages[0]
    stated = _ome_sizes(str(page.description or ""))
    if stated is not None:
        return resolution_of(*stated)
    unit = {2: 25_400.0, 3: 10_000.0}.get(int(page.resolutionunit or 1))
    x, y = page.resolution
    if unit is None or not (x > 0 and y > 0):
        return resolution_of(None, None)
    return resolution_of(unit / x, unit / y)


def _ome_sizes(text: str) -> tuple[float, float] | None:
    """Return PhysicalSizeX and PhysicalSizeY of the first picture in micrometres, if stated."""
    if "OME" not in text[:4096] or len(text) > MAX_XML_BYTES:
        return None
    try:
        root = defusedxml.ElementTree.fromstring(text.encode(), forbid_dtd=True)
    except (defusedxml.ElementTree.ParseError, DefusedXmlException, ValueError):
        return None
    pixels = next((one for one in root.iter() if one.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    found = []
    for axis in "XY":
        factor = _UM.get(pixels.get(f"PhysicalSize{axis}Unit", ""))
        try:
            found.append(float(pixels.get(f"PhysicalSize{axis}", "")) * (factor or float("nan")))
        except ValueError:
            return None
    return found[0], found[1]
