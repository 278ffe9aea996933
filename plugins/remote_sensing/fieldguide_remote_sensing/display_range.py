"""Which values of a raster become black and white, known from some of its windows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from fieldguide.errors import LoadError
from fieldguide.samples import DIGITAL_NUMBER
from fieldguide_remote_sensing.gdal import guarded
from fieldguide_remote_sensing.probes import probe_windows

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide_remote_sensing.raster import Raster

PROBES_PER_SIDE = 12
"""144 windows, at most 9.4 million pixels."""
PERCENTILES = (2, 98)
MAX_REMEMBERED = 64

_lock = threading.Lock()
_remembered: dict[Hashable, Mapping[str, tuple[float, float]] | None] = {}


def _probes(raster: Raster) -> Iterator[Window]:
    """Yield windows spread over what is read of a raster."""
    part = raster.chosen.window or Window(0, 0, raster.dataset.width, raster.dataset.height)
    for probe in probe_windows(int(part.height), int(part.width), PROBES_PER_SIDE):
        yield Window(
            part.col_off + probe.col_off, part.row_off + probe.row_off, probe.width, probe.height
        )


def known_display_range(path: Path, raster: Raster) -> Mapping[str, tuple[float, float]] | None:
    """Return what :func:`find_display_range` does; of the last rasters it is remembered.

    A manifest may name a thousand windows of one raster, which is then opened as often.
    """
    changed = path.stat()
    key = (path, changed.st_mtime_ns, changed.st_size, raster.names, raster.claim, raster.chosen)
    with _lock:
        if key not in _remembered:
            _remembered[key] = find_display_range(path, raster)
            while len(_remembered) > MAX_REMEMBERED:
                del _remembered[next(iter(_remembered))]
        return _remembered[key]


def find_display_range(path: Path, raster: Raster) -> Mapping[str, tuple[float, float]] | None:
    """Return the 2nd and 98th percentile of each band; None where the numbers have a unit.

    Every window of a raster is shown by the same range: stretched on its own, a window of bare
    meadow would look as rich as one of a town, and neighbours would not fit.
    """
    values: list[NDArray[Any]] = []
    for window in _probes(raster):
        try:
            with guarded(path):
                sample = raster.read(window)
        except LoadError:  # a damaged part: the search will say so
            continue
        if sample.units != DIGITAL_NUMBER:
            return None
        valid = sample.array if sample.valid is None else sample.array[sample.valid]
        values.append(valid.reshape(-1, sample.array.shape[-1]))
    if not sum(map(len, values)):
        return None
    found = {}
    for place, name in enumerate(raster.names):  # one band at a time takes little memory
        low, high = np.percentile(np.concatenate([part[:, place] for part in values]), PERCENTILES)
        found[name] = (float(low), float(high))
    return found
