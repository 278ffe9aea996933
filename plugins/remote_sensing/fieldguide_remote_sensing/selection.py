"""Which scenes are read, which part of them and how finely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from rasterio.windows import Window, intersect

from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide_remote_sensing.aoi import Area
from fieldguide_remote_sensing.cost import read_size_px
from fieldguide_remote_sensing.georeference import captured_at
from fieldguide_remote_sensing.period import Period
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from fieldguide.samples import Sample
    from fieldguide_remote_sensing.aoi import GridArea


FINEST_M, COARSEST_M = 1e-3, 1e6


@dataclass(frozen=True)
class Chosen:
    """What is read of one raster.

    Attributes:
        area: the part that counts; None for all.
        gsd_m: metres a pixel; None for the raster's own.
    """

    area: GridArea | None = None
    gsd_m: float | None = None

    @property
    def window(self) -> Window | None:
        """The window, of rasterio, that covers the area; None for the whole raster."""
        if self.area is None:
            return None
        (row, column), (height, width) = self.area.window.start_px, self.area.window.size_px
        return Window(column, row, width, height)

    def grid(self, dataset: Any) -> Grid:
        """Return the grid of what is read of an open raster."""
        grid = Grid.of(dataset)
        return grid if self.area is None else grid.cut(self.area.window)

    def touches(self, window: Window) -> bool:
        """Return whether a window, of rasterio, and that of the area have pixels in common."""
        return self.window is None or intersect(self.window, window)

    def masked(self, sample: Sample, grid: Grid) -> Sample:
        """Return a sample that is not valid outside the area.

        Args:
            sample: of (H, W, C).
            grid: of what it was read from, in the raster's own pixels.
        """
        if self.area is None:
            return sample
        height, width = sample.size_px
        inside = self.area.inside(grid.read_as((height, width)))
        valid = inside if sample.valid is None else sample.valid & inside
        return replace(sample, valid=None if valid.all() else valid)

    def size_px(self, grid: Grid, bands: int, own_m: float | None) -> tuple[int, int] | None:
        """Return (H, W) at the wanted ground sample distance; None where none is wanted.

        Args:
            grid: of the part that is read.
            bands: how many are read.
            own_m: the raster's own ground sample distance, where it is known.

        Raises:
            ContractError: the raster's own distance is not known.
            LoadError: it would become too large.
        """
        if self.gsd_m is None:
            return None
        if own_m is None:
            raise ContractError(
                "its pixels have no size in metres, so --gsd cannot be applied. Bring it to a "
                "projected grid: gdalwarp -t_srs EPSG:CODE"
            )
        scale = own_m / self.gsd_m
        size_px = (max(1, round(grid.height_px * scale)), max(1, round(grid.width_px * scale)))
        if read_size_px(*size_px, bands) != size_px:
            raise LoadError(
                f"at --gsd {self.gsd_m:g} it has {size_px[0]} x {size_px[1]} px of {bands} bands, "
                "more than are read at once. Give a larger --gsd, or a part of it: --aoi"
            )
        return size_px


@dataclass(frozen=True)
class Selection:
    """What is read of the scenes that a user names.

    Attributes:
        area: only the part of a scene inside of it; None for all.
        period: only scenes that were taken in it; None for all.
        gsd_m: ground sample distance at which scenes are read; None for their own.
    """

    area: Area | None = None
    period: Period | None = None
    gsd_m: float | None = None

    @classmethod
    def of(
        cls,
        aoi: str | None = None,
        after: str | None = None,
        before: str | None = None,
        gsd: float | None = None,
    ) -> Self:
        """Return what the options of the domain ask for.

        Raises:
            UsageError: the area or a date cannot be read, or the distance is none.
        """
        if gsd is not None and not FINEST_M <= gsd <= COARSEST_M:
            raise UsageError(
                f"--gsd {gsd} is no distance that scenes are read at. Give metres a pixel: --gsd 10"
            )
        area = None if aoi is None else Area.read(aoi)
        return cls(area, Period.between(after, before), gsd)

    def on(self, dataset: Any) -> Chosen:
        """Return what is read of an open raster.

        Raises:
            LoadError: it was taken at another time, or lies elsewhere.
            ContractError: its place is not known.
        """
        if self.period is not None:
            self.period.check(captured_at(dataset))
        return Chosen(None if self.area is None else self.area.on(Grid.of(dataset)), self.gsd_m)
