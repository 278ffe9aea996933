"""Microns per pixel: read, given, or refused; never guessed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from fieldguide.contract import InputContract
from fieldguide.errors import ContractError, UsageError
from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows
from fieldguide_medical.slides.resolution import resolution_of_properties

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]
CONTRACT = InputContract(size_px=(224, 224), resize="squash", mean=(0, 0, 0), std=(1, 1, 1))
INCHES = {"tiff.ResolutionUnit": "inch"}


@pytest.mark.parametrize(
    ("properties", "mpp_um"),
    [
        ({"openslide.mpp-x": "0.499", "openslide.mpp-y": "0.499"}, 0.499),
        ({"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26"}, (0.25 * 0.26) ** 0.5),
        ({"tiff.XResolution": "20000", "tiff.YResolution": "20000",
          "tiff.ResolutionUnit": "centimeter"}, 0.5),
        (INCHES | {"tiff.XResolution": "50800", "tiff.YResolution": "50800"}, 0.5),
        ({"openslide.mpp-x": "0.5"}, None),
        ({"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.5"}, None),
        ({"openslide.mpp-x": "nan", "openslide.mpp-y": "nan"}, None),
        ({"openslide.mpp-x": "1e400", "openslide.mpp-y": "-1"}, None),
        ({"openslide.mpp-x": "352.8", "openslide.mpp-y": "352.8"}, None),
        (INCHES | {"tiff.XResolution": "72", "tiff.YResolution": "72"}, None),
        (INCHES, None),
    ],
)  # fmt: skip
def test_microns_are_what_the_file_says_if_a_scanner_can_have_made_them(
    properties: dict[str, str], mpp_um: float | None
) -> None:
    found = resolution_of_properties(properties).mpp_um
    assert found == (None if mpp_um is None else pytest.approx(mpp_um))


def test_an_objective_alone_is_no_resolution_but_the_line_to_type_names_what_it_often_means() -> (
    None
):
    resolution = resolution_of_properties({"openslide.objective-power": "40"})
    assert resolution.mpp_um is None
    with pytest.raises(ContractError, match=r"40x, which often means 0.25: .* --mpp 0.25"):
        resolution.required()


@pytest.mark.parametrize(
    ("attributes", "mpp_um"),
    [
        ('X="0.25" Y="0.25"', 0.25),
        ('X="250" XUnit="nm" Y="250" YUnit="nm"', 0.25),
        ('X="5e-4" XUnit="mm" Y="0.5"', 0.5),
        ('X="1" XUnit="pixel" Y="1" YUnit="pixel"', None),
        ('X="0.5"', None),
        ("", None),
    ],
)  # fmt: skip
def test_the_sizes_of_ome_are_read_with_their_units(
    tmp_path: Path, attributes: str, mpp_um: float | None
) -> None:
    path = tmp_path / "slide.ome.tif"
    written = re.sub(r"\b(?=[XY])", "PhysicalSize", attributes)
    record = f'<OME xmlns="x"><Image><Pixels {written}/></Image></OME>'
    pixels = np.full((128, 128, 3), 200, np.uint8)
    tifffile.imwrite(
        path, pixels, tile=(64, 64), photometric="rgb", description=record, metadata=None
    )
    with open_slide_windows(SlideLoader(min_tissue=0), path) as slide:
        assert slide.mpp_um == mpp_um


def test_an_ome_record_with_a_bomb_of_entities_is_not_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE OME [<!ENTITY a "aaaaaaaaaa">]><OME><Pixels PhysicalSizeX="&a;"/></OME>'
    path = tmp_path / "slide.ome.tif"
    pixels = np.full((128, 128, 3), 200, np.uint8)
    tifffile.imwrite(
        path, pixels, tile=(64, 64), photometric="rgb", description=bomb, metadata=None
    )
    with open_slide_windows(SlideLoader(min_tissue=0), path) as slide:
        assert slide.mpp_um is None


@pytest.mark.parametrize(
    ("options", "side_px"),
    [
        ({}, 224),
        ({"at_mpp": 0.5}, 448),
        ({"at_magnification": 20.0}, 448),
        ({"at_magnification": 10.0}, 896),
        ({"at_mpp": 1.0, "mpp": 0.5}, 448),
    ],
)
def test_a_window_shows_the_model_the_scale_that_is_asked_for(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels, options: dict[str, float], side_px: int
) -> None:
    path = write_slide(tmp_path / "slide.tif", waves, mpp=0.25)
    with open_slide_windows(SlideLoader(min_tissue=0, **options), path) as slide:
        assert slide.usual_window_px(CONTRACT) == (side_px, side_px)


def test_a_scale_is_refused_at_once_where_the_file_does_not_say_its_own(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels
) -> None:
    path = write_slide(tmp_path / "slide.tif", waves, mpp=None)
    loader = SlideLoader(at_magnification=20)
    opened = open_slide_windows(loader, path)
    with pytest.raises(ContractError, match=r"does not say .* --mpp 0.5"), opened:
        pass
    with open_slide_windows(SlideLoader(at_magnification=20, mpp=0.25), path) as slide:
        assert slide.usual_window_px(CONTRACT) == (448, 448)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"at_mpp": 0.5, "at_magnification": 20.0}, "say the same"),
        ({"mpp": 0.001}, r"--mpp means 0.001 .* --mpp 0.5"),
        ({"mpp": float("nan")}, "--mpp means nan"),
        ({"at_mpp": 1e9}, "--at-mpp means"),
        ({"at_magnification": 0.0}, "a number above 0"),
        ({"at_magnification": float("inf")}, "a number above 0"),
        ({"at_magnification": 1e6}, "--at-magnification means"),
        ({"min_tissue": 1.5}, "between 0 and 1"),
        ({"min_tissue": float("nan")}, "between 0 and 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options: dict[str, float], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        SlideLoader(**options)


@pytest.mark.shared_data
def test_a_scanned_slide_says_its_scale_and_one_without_says_nothing(shared_data: Path) -> None:
    folder = shared_data / "medical/wsi"
    with open_slide_windows(SlideLoader(min_tissue=0), folder / "cmu_small_region.svs") as slide:
        assert dict(slide.metadata) == {
            "microns_per_pixel": 0.499,
            "magnification": 20.0,
            "level_count": 1,
        }
    with open_slide_windows(
        SlideLoader(min_tissue=0), folder / "tcga-cr-7395-01a-01-ts1.svs"
    ) as slide:
        assert dict(slide.metadata) == {"level_count": 2}
        assert slide.pixel_size_m is None
