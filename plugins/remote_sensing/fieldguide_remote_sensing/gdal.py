"""Opens rasters through GDAL with a small cache, without network and without leaking settings."""

from __future__ import annotations

import shlex
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.session import DummySession

from fieldguide.data.quiet import quiet_library
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CACHE_BYTES = 256_000_000  # GDAL's own default is 5% of the memory, which is much on a server
DRIVERS = {".vrt": "VRT", ".jp2": "JP2OpenJPEG"}  # by suffix; anything else is a TIFF

OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # ask for .ovr and .tfw by name, do not list folders
    "GDAL_VRT_ENABLE_PYTHON": "NO",  # a VRT may hold code
    # A raster may point to addresses, in VRT sources and in .aux.xml overviews. GDAL has no switch
    # for "offline": only this one file may be read by /vsicurl/ and its kin, and all other
    # requests go to a proxy that is not there (port 9 discards).
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
}
ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError, MemoryError, OverflowError)
"""What a broken or hostile raster makes rasterio raise."""


class _CacheLimit:
    """GDAL's cache is one for the process: the first user sets it, the last restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = get_gdal_config("GDAL_CACHEMAX")
                set_gdal_config("GDAL_CACHEMAX", min(CACHE_BYTES, self._before))
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                set_gdal_config("GDAL_CACHEMAX", self._before)


_cache_limit = _CacheLimit()


@contextmanager
def open_raster(path: Path) -> Iterator[Any]:
    """Open a raster as a rasterio dataset, from any thread.

    Args:
        path: absolute; its suffix says which driver may read it.

    Raises:
        LoadError: GDAL cannot open it, or cannot read it inside the ``with`` block.
    """
    driver = DRIVERS.get(path.suffix.lower(), "GTiff")
    with guarded(path), _opened(path, driver) as dataset:
        yield dataset


@contextmanager
def open_vrt_text(text: str, scene: Path) -> Iterator[Any]:
    """Open a VRT that this package wrote, whose sources were checked, from any thread.

    Args:
        text: of the VRT.
        scene: the file or folder that it is of, for messages.

    Raises:
        LoadError: GDAL cannot read a source, inside the ``with`` block.
    """
    with guarded(scene), _opened(text, "VRT") as dataset:
        yield dataset


@contextmanager
def _opened(source: Path | str, driver: str) -> Iterator[Any]:
    with _cache_limit:
        with quiet_library(category=NotGeoreferencedWarning):  # the metadata say so
            dataset = rasterio.open(source, driver=driver, sharing=False)
        with dataset:
            yield dataset


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Keep GDAL to local files in this thread; every thread that reads needs this.

    Raises:
        LoadError: GDAL cannot open or read the file inside the ``with`` block.
    """
    try:
        with rasterio.Env(session=DummySession(), **OPTIONS):
            yield
    except ERRORS as error:
        raise LoadError(
            f"GDAL cannot read it: {_cause(error).replace(str(path), path.name)}. "
            f"Copy it again, or test it: gdalinfo -checksum {shlex.quote(path.name)}"
        ) from error


def _cause(error: BaseException) -> str:
    """Return the message that says what is wrong; rasterio's own often says only where."""
    while isinstance(error, RasterioIOError) and error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).rstrip(".")
    return text[:300] or type(error).__name__
