"""Plain pictures among scenes: JPEG, PNG ... have no place, and a date only in EXIF.

They are read without the packages that rasters need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError
from fieldguide_remote_sensing.period import Period

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.samples import Sample


class PlainPictureLoader:
    """Reads one plain picture; what asks for its place refuses it.

    Args:
        aoi: as for rasters; every picture is refused.
        after: as for rasters.
        before: as for rasters.
        gsd: as for rasters; every picture is refused.

    Raises:
        UsageError: a date cannot be read.
    """

    def __init__(
        self,
        aoi: str | None = None,
        after: str | None = None,
        before: str | None = None,
        gsd: float | None = None,
    ) -> None:
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
        return sample
