"""Plain pictures among scenes: JPEG, PNG ... have no place, and a date only in EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError
from fieldguide_remote_sensing.selection import Selection

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.samples import Sample


class PlainPictureLoader:
    """Reads one plain picture; what asks for its place refuses it.

    Args:
        aoi: as for rasters.
        after: as for rasters.
        before: as for rasters.
        gsd: as for rasters.

    Raises:
        UsageError: an option cannot be read.
    """

    def __init__(
        self,
        aoi: str | None = None,
        after: str | None = None,
        before: str | None = None,
        gsd: float | None = None,
    ) -> None:
        self._selection = Selection.of(aoi, after, before, gsd)
        self._load = ImageLoader()

    def __call__(self, path: Path) -> Sample:
        """Read a file; raises as the core's loader of images does.

        Raises:
            ContractError: its place or scale would have to be known.
            LoadError: it was taken at another time, or it is not known when.
        """
        sample = self._load(path)
        if self._selection.area is not None or self._selection.gsd_m is not None:
            raise ContractError(
                "it is a plain picture and does not say where it lies or how large its pixels are, "
                "so --aoi and --gsd cannot be applied. Leave it out, or give its place: "
                "gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH"
            )
        if self._selection.period is not None:
            self._selection.period.check(sample.metadata.get("captured_at"))
        return sample
