"""The check that a picture looks like a tile stained with H&E."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError
from fieldguide.samples import RGB, SRGB8, SRGB16, Sample
from fieldguide_medical.histology import check_stained_tile

if TYPE_CHECKING:
    from pathlib import Path


def tile(colour: tuple[int, int, int], share: float = 0.5) -> Sample:
    """A light background of which a share has one colour."""
    pixels = np.full((64, 64, 3), 242, dtype=np.uint8)
    pixels[: round(64 * share)] = colour
    return Sample(pixels, RGB, SRGB8)


@pytest.mark.parametrize("colour", [(105, 70, 150), (220, 130, 180), (190, 40, 90)])
def test_purple_pink_and_red_pass(colour: tuple[int, int, int]) -> None:
    check_stained_tile(tile(colour))


@pytest.mark.parametrize(
    "colour",
    [(60, 120, 50), (90, 150, 220), (120, 120, 120), (10, 10, 10), (150, 110, 60)],
    ids=["leaf", "sky", "asphalt", "black", "soil"],
)
def test_colours_of_photographs_are_refused(colour: tuple[int, int, int]) -> None:
    with pytest.raises(ContractError, match=r"pink or purple.*--modality"):
        check_stained_tile(tile(colour))


def test_stained_tissue_passes_in_yellowish_light() -> None:
    sample = tile((105, 70, 150))
    lit = (sample.array * np.array([1.0, 0.96, 0.8])).astype(np.uint8)
    check_stained_tile(Sample(lit, RGB, SRGB8))


def test_a_purple_patch_in_a_green_picture_is_refused() -> None:
    pixels = tile((105, 70, 150)).array.copy()
    pixels[32:] = (60, 120, 50)
    with pytest.raises(ContractError, match="of what it shows"):
        check_stained_tile(Sample(pixels, RGB, SRGB8))


def test_an_empty_tile_is_refused() -> None:
    with pytest.raises(ContractError, match="background"):
        check_stained_tile(tile((220, 130, 180), share=0.0))


@pytest.mark.parametrize(
    ("bands", "units", "dtype"),
    [(("gray",), SRGB8, np.uint8), (("gray",), SRGB16, np.uint16), (RGB, SRGB16, np.uint16)],
)
def test_gray_and_sixteen_bit_pictures_are_refused(
    bands: tuple[str, ...], units: str, dtype: Any
) -> None:
    with pytest.raises(ContractError, match=r"gray|8-bit"):
        check_stained_tile(Sample(np.ones((8, 8, len(bands)), dtype), bands, units))


def test_a_picture_of_one_pixel_does_not_break_it() -> None:
    with pytest.raises(ContractError):
        check_stained_tile(Sample(np.full((1, 1, 3), 255, np.uint8), RGB, SRGB8))


def is_refused(path: Path) -> bool:
    try:
        check_stained_tile(ImageLoader()(path))
    except ContractError:
        return True
    return False


@pytest.mark.shared_data
def test_at_least_995_of_1000_real_tiles_pass(shared_data: Path) -> None:
    folder = shared_data / "medical/lc25000_lung"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    paths = [folder / row["image"] for row in rows if row["split"] != "train"]
    assert sum(map(is_refused, paths)) <= 0.005 * len(paths)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "least"),
    [("remote_sensing/aid_rsicd", 0.99), ("generic/coco_mini", 0.99)],
)
def test_pictures_of_other_kinds_are_refused(shared_data: Path, folder: str, least: float) -> None:
    paths = sorted((shared_data / folder).rglob("*.jpg"))[::5]
    assert len(paths) > 40
    assert sum(map(is_refused, paths)) >= least * len(paths)
