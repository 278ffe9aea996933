"""The image tower of an encoder of volumes: the stages of its tower of pictures, on slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import nn

from fieldguide.models.volumes import EachVolume, InSteps

if TYPE_CHECKING:
    from fieldguide.models.volumes import VolumeTower
    from fieldguide.tuning.layouts.layout import Layer, Layout, Stage


@dataclass(frozen=True)
class VolumeLayout:
    """A layout whose first stage takes volumes and whose last one pools what slices give.

    Between stages go (N, Z, ...) tensors: N volumes of Z slices.

    Attributes:
        layout: of the tower of pictures.
        tower: of volumes, around it.
        pooling: paths of the parameters of the pooling.
    """

    layout: Layout
    tower: VolumeTower
    pooling: tuple[str, ...]

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers of the tower of pictures."""
        return self.layout.layers()

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the tower of pictures; the pooling belongs to the last one."""
        step = self.tower.pictures.step
        found = [replace(stage, run=InSteps(stage.run, step)) for stage in self.layout.stages()]
        found[0] = replace(found[0], run=nn.Sequential(self.tower.entry, found[0].run))
        pooled = nn.Sequential(found[-1].run, self.tower.pooling)
        found[-1] = replace(found[-1], owners=(*found[-1].owners, *self.pooling), run=pooled)
        return tuple(replace(stage, run=EachVolume(stage.run)) for stage in found)

    def projection(self) -> tuple[str, ...]:
        """Return the paths of what maps into the shared space; the pooling behind it is none."""
        return self.layout.projection()
