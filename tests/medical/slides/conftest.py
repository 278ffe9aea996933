"""Slides that the tests write themselves, and what is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest
import tifffile

if TYPE_CHECKING:
    from pathlib import Path

Pixels = np.ndarray[Any, Any]


class WriteSlide(Protocol):
    """Writes (H, W, 3) as a slide with levels of half and a quarter of its size."""

    def __call__(
        self,
        path: Path,
        pixels: Pixels,
        *,
        mpp: float | None = ...,
        packing: str | None = ...,
        about: str | None = ...,
    ) -> Path: ...


def halved(pixels: Pixels) -> Pixels:
    """The mean of each 2 x 2 px; what is left over at the end is cut, as scanners do."""
    height, width = (length // 2 * 2 for length in pixels.shape[:2])
    blocks = pixels[:height, :width].astype(float).reshape(height // 2, 2, width // 2, 2, 3)
    return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)


@pytest.fixture
def write_slide() -> WriteSlide:
    """A pyramid of pages, as OpenSlide reads it; as sub-directories when the name has ``.ome``."""

    def write(
        path: Path,
        pixels: Pixels,
        *,
        mpp: float | None = 0.5,
        packing: str | None = None,
        about: str | None = None,
    ) -> Path:
        is_ome = ".ome." in path.name
        levels = [pixels, halved(pixels), halved(halved(pixels))]
        shared: dict[str, Any] = {
            "tile": (64, 64), "photometric": "rgb", "compression": packing, "metadata": None,
        }  # fmt: skip
        if mpp is not None and not is_ome:
            shared |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
        first = shared | ({} if about is None else {"description": about})
        if is_ome:
            sizes = "" if mpp is None else f'PhysicalSizeX="{mpp}" PhysicalSizeY="{mpp}"'
            first["description"] = (
                '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>'
                f'<Pixels ID="Pixels:0" Type="uint8" {sizes}/></Image></OME>'
            )
            first["subifds"] = 2
        with tifffile.TiffWriter(path) as file:
            file.write(levels[0], **first)
            for level in levels[1:]:
                file.write(level, subfiletype=1, **shared)
        return path

    return write


@pytest.fixture
def waves() -> Pixels:
    """637 x 821 px of smooth waves: half a pixel of offset changes the picture by 5 of 255."""
    rows, columns = np.mgrid[:637, :821]
    bands = [np.sin(2 * np.pi * (a * rows + b * columns) / 64) for a, b in ((1, 0), (0, 1), (1, 1))]
    return np.round(128 + 100 * np.stack(bands, axis=-1)).astype(np.uint8)


def paint(height: int, width: int, light: int = 244) -> Pixels:
    """Glass with the noise of a scanner."""
    noise = np.random.default_rng(0).normal(0, 1.5, (height, width, 3))
    return np.clip(light + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def stained() -> tuple[Pixels, Pixels]:
    """A slide of 600 x 800 px with two pieces of tissue, and where they are."""
    picture = paint(600, 800)
    rows, columns = np.mgrid[:600, :800]
    truth = ((rows - 250) / 175) ** 2 + ((columns - 250) / 200) ** 2 < 1
    truth |= (abs(rows - 400) < 100) & (abs(columns - 625) < 90)
    texture = np.random.default_rng(1).uniform(0.6, 1.4, (600, 800, 1))
    density = texture * (0.35 * np.array([0.3, 0.8, 0.5]) + 0.15 * np.array([0.65, 0.7, 0.29]))
    tissue = picture * 10**-density
    return np.where(truth[..., None], tissue, picture).astype(np.uint8), truth
