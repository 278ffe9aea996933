"""Damaged slides end in a reason of our own words, whatever their headers hold."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from fieldguide.errors import ContractError, LoadError
from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows
from fieldguide_medical.slides.pyramid import MAX_SIDE_PX, make_levels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteSlide

Pixels = np.ndarray[Any, Any]
SECRET = "Erika Mustermann"
ABOUT = (
    "Aperio Image Library v11.2.1\r\n637x821 (64x64) JPEG/RGB Q=30|AppMag = 20|MPP = 0.5|"
    f"User = {SECRET}|Filename = {SECRET}|Date = 12/29/09|Title = {SECRET}"
)
READ = """
import json, sys
from pathlib import Path
from fieldguide.errors import InputError
from fieldguide.samples import Window
from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows
for path in map(Path, sys.argv[1:]):
    found = []
    try:
        with open_slide_windows(SlideLoader(), path) as slide:
            found += [dict(slide.metadata), list(slide.size_px)]
            height, width = slide.size_px
            for row in range(0, max(1, height - 99), max(1, height // 4)):
                window = Window((row, 0), (min(100, height), min(100, width)))
                try:
                    found += [slide.read(window, 100).valid_fraction, dict(slide.place(window))]
                except InputError as error:
                    found.append(str(error))
    except InputError as error:
        found.append(str(error))
    print(json.dumps(found), flush=True)
"""
"""Run in a process of its own: a crash of the library would end it."""


def mutated(content: bytes, seed: int) -> bytes:
    """Cut the end off, or change some bytes: anywhere, at the start or in the directories."""
    chance = random.Random(seed)
    changed = bytearray(content)
    if seed % 3 == 0:
        return bytes(changed[: chance.randrange(len(changed))])
    for _ in range(chance.randint(1, 12)):
        near_end = len(changed) - 1 - chance.randrange(min(4000, len(changed)))
        anywhere = chance.randrange(len(changed))
        place = anywhere if seed % 3 == 1 else chance.choice([chance.randrange(600), near_end])
        changed[place] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("suffix", [".svs", ".ome.tif"])
def test_mutated_slides_neither_crash_nor_hang_nor_tell_names(
    tmp_path: Path, write_slide: WriteSlide, stained: tuple[Pixels, Pixels], suffix: str
) -> None:
    source = write_slide(tmp_path / f"source{suffix}", stained[0], packing="jpeg", about=ABOUT)
    paths = []
    for seed in range(15):
        paths.append(tmp_path / f"{SECRET.partition(' ')[0]}_{seed}{suffix}")
        paths[-1].write_bytes(mutated(source.read_bytes(), seed))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, str(source), *map(str, paths)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    whole, *found = map(json.loads, done.stdout.splitlines())
    assert len(found) == 15
    assert whole[0]["microns_per_pixel"] == 0.5
    assert not any(word in done.stdout for word in (*SECRET.split(), "12/29/09", "Aperio", "/tmp"))


def test_nothing_of_a_slide_but_numbers_of_scale_is_told(
    tmp_path: Path, write_slide: WriteSlide, waves: Pixels
) -> None:
    path = write_slide(tmp_path / "case.svs", waves, mpp=None, packing="jpeg", about=ABOUT)
    with open_slide_windows(SlideLoader(min_tissue=0), path) as slide:
        assert dict(slide.metadata) == {
            "microns_per_pixel": 0.5,
            "magnification": 20.0,
            "level_count": 3,
        }


def test_a_label_picture_is_in_no_level_and_no_overview(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    white = np.full((256, 256, 3), 240, np.uint8)
    label = np.full((100, 90, 3), (255, 0, 0), np.uint8)
    path = write_slide(tmp_path / "case.svs", white, mpp=None, packing="jpeg", about=ABOUT)
    about = f"{ABOUT}\r\nlabel"
    tifffile.imwrite(path, label, append=True, photometric="rgb", description=about, subfiletype=1,
                     metadata=None, compression="jpeg", rowsperstrip=100)  # fmt: skip
    with open_slide_windows(SlideLoader(min_tissue=0), path) as slide:
        assert len(slide.pyramid.levels) == 3
        assert np.abs(slide.overview(128).astype(int) - 240).max() < 5


def test_a_size_that_no_slide_has_is_refused() -> None:
    with pytest.raises(LoadError, match="no slide has"):
        make_levels([(MAX_SIDE_PX + 1, 10)])
    with pytest.raises(LoadError, match="no slide has"):
        make_levels([])


def test_a_huge_slide_without_smaller_levels_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "huge.ome.tif"
    pixels = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(80_000)  # type: ignore[union-attr] # a page has tags
    opened = open_slide_windows(SlideLoader(), path)
    with pytest.raises(LoadError, match="gigapixels and no smaller form"), opened:
        pass


def test_levels_of_another_shape_are_not_used() -> None:
    assert [level.number for level in make_levels([(1000, 800), (500, 90), (250, 200)])] == [0, 2]


def test_tiles_that_claim_to_be_huge_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ome.tif"
    pixels = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(
        path, pixels, tile=(64, 64), photometric="rgb", compression="zlib", metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr] # a page has tags
        for name in ("ImageWidth", "ImageLength", "TileWidth", "TileLength"):
            tags[name].overwrite(60_000)
    opened = open_slide_windows(SlideLoader(), path)
    with pytest.raises(ContractError, match="larger than 4096 px"), opened:
        pass
