"""What the plugin offers. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.hookspecs import hookimpl
from fieldguide.specs import DomainSpec, LoaderSpec, ModalitySpec, OptionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

api = 1


@hookimpl
def register_loaders() -> Iterable[LoaderSpec]:
    """Offer frames stored as NumPy arrays."""
    yield LoaderSpec(
        name="thermal_frame",
        summary="Temperatures in degrees Celsius from a .npy file",
        target="fieldguide_thermal.frames:ThermalLoader",
        suffixes=(".npy",),
        options=("hottest_c",),
    )


@hookimpl
def register_domains() -> Iterable[DomainSpec]:
    """Offer thermal frames; models made for photographs are used on their gray pictures."""
    frame = ModalitySpec(
        name="thermal_frame",
        summary="a frame of a thermal camera",
        loader=("thermal_frame",),
        broader="photo",
        repairs=("grayscale_to_rgb", "fill_nodata_with_mean"),
        templates=("a thermal image of {}.",),
    )
    yield DomainSpec(
        name="thermal",
        summary="Frames of thermal cameras",
        modalities=(frame,),
        options=(
            OptionSpec(name="hottest_c", help="Temperature that is drawn white.", type="number"),
        ),
        class_sets=("fieldguide_thermal:classes/wildlife.yaml",),
    )
