"""One virtual raster (VRT) of the files of one scene: each file a band, all on one grid.

Bands of another resolution are brought to the grid of the finest one by GDAL when they are read:
coarser ones bilinear, so that no blocks appear, finer ones by their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import Window
from fieldguide_remote_sensing.gdal import open_raster
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_FILES = 1000
VALID_WHERE = "VALID_WHERE"
"""Tag of a scene: a pixel is valid where every band holds data."""
THERMAL = "lwir"
"""Begins the common names of thermal bands: temperatures, with scales and holes of their own."""
GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, slots=True)
class BandFile:
    """One band of a scene.

    Attributes:
        name: a STAC common name, or the product's own.
        path: absolute.
        place: which band of the file, from 1.
        scale: value = scale * stored + offset, where the product states it.
        offset: as above.
        nodata: the stored value that means nothing, where the file does not say so itself.
        alone: whether it has to be the only band of its file.
    """

    name: str
    path: Path
    place: int = 1
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    alone: bool = True


@dataclass(frozen=True, slots=True)
class SceneParts:
    """The files of one scene and what its product says of it.

    Attributes:
        bands: in the sensor's order, no name twice.
        tags: for the VRT: SENSOR, PROCESSING_LEVEL, PROCESSING_BASELINE ... where known.
        imagery: GDAL's IMAGERY domain (RFC 43): ACQUISITIONDATETIME in UTC, CLOUDCOVER in percent.
    """

    bands: tuple[BandFile, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    imagery: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Source:
    """What the file of a band says of itself."""

    band: BandFile
    grid: Grid
    dtype: str
    scale: float
    offset: float
    nodata: float | None

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel, in the grid's own unit."""
        return abs(self.grid.transform.a), abs(self.grid.transform.e)


def scene_vrt(scene: SceneParts) -> str:
    """Return the text of a VRT in which every file is a band, on the finest grid among them.

    Thermal bands are left out, unless there are no others.

    Raises:
        LoadError: a file is missing or broken.
        ContractError: the files are not on grids of one CRS, over one area.
    """
    if len(scene.bands) > MAX_FILES:
        raise LoadError(f"it names {len(scene.bands)} bands, more than {MAX_FILES}. Split it.")
    light = [band for band in scene.bands if not band.name.startswith(THERMAL)]
    sources = [_read_header(band) for band in light or scene.bands]
    _check_together(sources)
    target = _common_grid(sources)
    kind = np.result_type(*[source.dtype for source in sources]).name
    if kind not in GDAL_TYPES:
        raise ContractError(
            f"its values are of the type {kind}. Write them as another type: gdal_translate -ot"
        )
    bands = "".join(
        _band_text(source, place, target, GDAL_TYPES[kind])
        for place, source in enumerate(sources, start=1)
    )
    grid = target.transform
    order = (grid.c, grid.a, grid.b, grid.f, grid.d, grid.e)
    return (
        f'<VRTDataset rasterXSize="{target.width_px}" rasterYSize="{target.height_px}">'
        f"<SRS>{escape(target.crs.to_wkt())}</SRS>"
        f"<GeoTransform>{', '.join(map(repr, order))}</GeoTransform>"
        f"{_metadata_text({**scene.tags, VALID_WHERE: 'ALL_BANDS'})}"
        f"{_metadata_text(scene.imagery, 'IMAGERY')}{bands}"
        "</VRTDataset>"
    )


def _read_header(band: BandFile) -> _Source:
    if not band.path.is_file():
        raise LoadError(f"its file {band.path.name} is missing. Copy the whole scene again.")
    with open_raster(band.path) as dataset:
        if band.place > dataset.count:
            raise LoadError(f"its file {band.path.name} has no band {band.place}. Correct it.")
        if band.alone and dataset.count > 1:
            raise ContractError(
                f"its file {band.path.name} has {dataset.count} bands and not just {band.name}. "
                "Name that file itself."
            )
        at = band.place - 1
        stored = (dataset.scales[at], dataset.offsets[at])
        scale, offset = (band.scale, band.offset) if stored == (1.0, 0.0) else stored
        own = dataset.nodatavals[at]
        return _Source(
            band,
            Grid.of(dataset),
            dataset.dtypes[at],
            1.0 if scale is None else scale,
            0.0 if offset is None else offset,
            band.nodata if own is None else own,
        )


def _check_together(sources: Sequence[_Source]) -> None:
    """Refuse files that cannot be bands of one scene."""
    first = sources[0]
    for source in sources:
        name, grid = source.band.path.name, source.grid.transform
        if source.grid.crs is None:
            raise ContractError(
                f"its file {name} names no coordinate system (CRS). Say which it is: "
                f"gdal_translate -a_srs EPSG:CODE {name} out.tif"
            )
        if grid.b != 0 or grid.d != 0 or grid.e >= 0 or grid.a <= 0:
            raise ContractError(
                f"the grid of its file {name} is not north up. Turn it: gdalwarp {name} out.tif"
            )
        if source.grid.crs != first.grid.crs:
            raise ContractError(
                f"its files {first.band.path.name} and {name} are in different coordinate "
                f"systems (CRS). Bring them to one: gdalwarp -t_srs EPSG:CODE {name} out.tif"
            )
    slack = max(max(source.pixel) for source in sources)
    for source in sources:
        edges = zip(_bounds(source), _bounds(first), strict=True)
        if any(abs(mine - other) > slack for mine, other in edges):
            raise ContractError(
                f"its files {first.band.path.name} and {source.band.path.name} cover different "
                "areas, so they are not bands of one scene. Keep each scene in a folder of its own."
            )


def _bounds(source: _Source) -> tuple[float, float, float, float]:
    return source.grid.bounds(source.grid.whole)


def _common_grid(sources: Sequence[_Source]) -> Grid:
    """Return the whole pixels of the finest grid that lie inside every file."""
    finest = min(sources, key=lambda source: source.pixel[0] * source.pixel[1]).grid
    edges = [_bounds(source) for source in sources]
    left, bottom = max(edge[0] for edge in edges), max(edge[1] for edge in edges)
    right, top = min(edge[2] for edge in edges), min(edge[3] for edge in edges)
    at = finest.transform
    first_column = math.ceil((left - at.c) / at.a - 1e-6)
    last_column = math.floor((right - at.c) / at.a + 1e-6)
    first_row = math.ceil((top - at.f) / at.e - 1e-6)
    last_row = math.floor((bottom - at.f) / at.e + 1e-6)
    if last_row <= first_row or last_column <= first_column:
        raise ContractError("its files have no pixel in common. Check that they are of one scene.")
    size_px = (last_row - first_row, last_column - first_column)
    return finest.cut(Window((first_row, first_column), size_px))


def _band_text(source: _Source, place: int, target: Grid, kind: str) -> str:
    """Return one band; GDAL wants the elements in this order."""
    nodata = "" if source.nodata is None else f"<NoDataValue>{source.nodata!r}</NoDataValue>"
    scale = ""
    if (source.scale, source.offset) != (1.0, 0.0):
        scale = f"<Offset>{source.offset!r}</Offset><Scale>{source.scale!r}</Scale>"
    ratio = source.grid.transform.a / target.transform.a
    method = ' resampling="bilinear"' if ratio > 1 + 1e-6 else ""
    column = (target.transform.c - source.grid.transform.c) / source.grid.transform.a
    row = (target.transform.f - source.grid.transform.f) / source.grid.transform.e
    height = target.height_px * target.transform.e / source.grid.transform.e
    width = target.width_px / ratio
    return (
        f'<VRTRasterBand dataType="{kind}" band="{place}">'
        f"<Description>{escape(source.band.name)}</Description>{nodata}{scale}"
        f"<SimpleSource{method}>"
        f'<SourceFilename relativeToVRT="0" shared="0">{escape(str(source.band.path))}'
        f"</SourceFilename><SourceBand>{source.band.place}</SourceBand>"
        f'<SrcRect xOff="{column!r}" yOff="{row!r}" xSize="{width!r}" ySize="{height!r}"/>'
        f'<DstRect xOff="0" yOff="0" xSize="{target.width_px}" ySize="{target.height_px}"/>'
        "</SimpleSource></VRTRasterBand>"
    )


def _metadata_text(tags: Mapping[str, Any], domain: str = "") -> str:
    if not tags:
        return ""
    where = f" domain={quoteattr(domain)}" if domain else ""
    items = "".join(
        f"<MDI key={quoteattr(key)}>{escape(str(value))}</MDI>" for key, value in tags.items()
    )
    return f"<Metadata{where}>{items}</Metadata>"
