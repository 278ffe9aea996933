"""Plain pictures among scenes: JPEG, PNG ... have no place, and a date only in EXIF.

They are read without the packages that rasters need.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError
from fieldguide_remote_sensing.period import Period

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.samples import Sample


PLAIN = "rgb"
"""The sensor of the catalogue that a plain picture is of."""


class PlainPictureLoader:
    """Reads one plain picture; what asks for its place refuses it.

    Its bands and numbers are known, so what says them for rasters is not used, and the sample notes
    that: among rasters, and as a query of an index of rasters, a picture is read as it is.

    Args:
        bands: as for rasters; not used.
        sensor: as for rasters; not used, and "rgb" says what is so.
        offset: as for rasters; not used.
        aoi: as for rasters; every picture is refused.
        after: as for rasters.
        before: as for rasters.
        gsd: as for rasters; every picture is refused.

    Raises:
        UsageError: a date cannot be read.
    """

    def __init__(  # noqa: PLR0913 - the options of the domain
        self,
        bands: str | None = None,
        sensor: str | None = None,
        offset: float | None = None,
        aoi: str | None = None,
        after: str | None = None,
        before: str | None = None,
        gsd: float | None = None,
    ) -> None:
        given = {
            "--bands": bands,
            "--sensor": None if sensor == PLAIN else sensor,
            "--offset": offset,
        }
        self._unused = [name for name, value in given.items() if value is not None]
        self._needs_place = aoi is not None or gsd is not None
        self._period = Period.between(after, before)
        self._load = ImageLoader()

    def __call__(self, path: Path) -> Sample:
        """Read a file; raises as the core's loader of images does.

        Raises:
            ContractError: its place or scale would have to be known.
            LoadError: it was taken at another time, or it is not known when.
        """
        sample = self._load(path)
        if self._needs_place:
            raise ContractError(
                "it is a plain picture and does not say where it lies or how large its pixels are, "
                "so --aoi and --gsd cannot be applied. Leave it out, or give its place: "
                "gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH"
            )
        if self._period is not None:
            self._period.check(sample.metadata.get("captured_at"))
        if self._unused:
            note = (
                f"{' and '.join(self._unused)} not used: a plain picture shows red, green and "
                "blue. Name the raster that it was made from"
            )
            sample = replace(sample, notes=(*sample.notes, note))
        return sample
