"""Which values of a raster become black and white, known from some of its windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from fieldguide.errors import LoadError
from fieldguide.samples import DIGITAL_NUMBER
from fieldguide_remote_sensing.gdal import guarded
from fieldguide_remote_sensing.probes import probe_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide_remote_sensing.raster import Raster

PROBES_PER_SIDE = 12
"""144 windows, at most 9.4 million pixels."""
PERCENTILES = (2, 98)


def _probes(raster: Raster) -> Iterator[Window]:
    """Yield windows spread over what is read of a raster."""
    part = raster.chosen.window or Window(0, 0, raster.dataset.width, raster.dataset.height)
    for probe in probe_windows(int(part.height), int(part.width), PROBES_PER_SIDE):
        yield Window(
            part.col_off + probe.col_off, part.row_off + probe.row_off, probe.width, probe.height
        )


def find_display_range(path: Path, raster: Raster) -> Mapping[str, tuple[float, float]] | None:
    """Return the 2nd and 98th percentile of each band; None where the numbers have a unit.

    Every window of a raster is shown by the same range: stretched on its own, a window of bare
    meadow would look as rich as one of a town, and neighbours would not fit.
    """
    values: list[NDArray[np.float64]] = []
    for window in _probes(raster):
        try:
            with guarded(path):
                sample = raster.read(window)
        except LoadError:  # a damaged part: the search will say so
            continue
        if sample.units != DIGITAL_NUMBER:
            return None
        valid = sample.array if sample.valid is None else sample.array[sample.valid]
        values.append(valid.reshape(-1, sample.array.shape[-1]).astype(np.float64))
    together = np.concatenate(values) if values else np.empty((0, len(raster.names)))
    if not len(together):
        return None
    low, high = np.percentile(together, PERCENTILES, axis=0)
    return {
        name: (float(low[place]), float(high[place])) for place, name in enumerate(raster.names)
    }
