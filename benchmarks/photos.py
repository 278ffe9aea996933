"""Drawn JPEGs of the size, file size and statistics of photographs, for scripts about speed.

The spectrum falls with frequency as that of photographs does, with some sharp edges on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pathlib import Path

ASPECTS = ((3, 2), (4, 3), (16, 9), (1, 1), (3, 4), (2, 3))
SMALLEST_MP, LARGEST_MP = 1.0, 4.0
COARSEST_PX = 4
QUALITY = 90


def draw_photo(seed: int, width: int, height: int) -> Image.Image:
    """Return an RGB picture: noise of all scales, the coarser the stronger, and some shapes."""
    generator = np.random.default_rng(seed)
    colour = np.asarray(
        Image.fromarray(generator.integers(0, 256, (3, 4, 3), dtype=np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
    ).astype(np.float32)
    side = COARSEST_PX
    while side < min(width, height):
        noise = generator.standard_normal((side, side), dtype=np.float32)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        colour += (160.0 / side**0.6) * np.asarray(layer)[:, :, None]
        side *= 2
    image = Image.fromarray(colour.clip(0, 255).astype(np.uint8))
    pencil = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
        radius = int(generator.integers(10, min(width, height) // 4))
        fill = tuple(int(value) for value in generator.integers(0, 256, 3))
        pencil.ellipse((x - radius, y - radius // 2, x + radius, y + radius // 2), fill=fill)
    return image


def size_of(number: int, megapixels: float) -> tuple[int, int]:
    """Return width and height in px; the aspect changes with the number."""
    across, down = ASPECTS[number % len(ASPECTS)]
    unit = (megapixels * 1e6 / (across * down)) ** 0.5
    return round(across * unit), round(down * unit)


def write_photos(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of 1 to 4 megapixels; the same ones each time."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        share = number / max(1, count - 1)
        width, height = size_of(number, SMALLEST_MP + share * (LARGEST_MP - SMALLEST_MP))
        paths.append(folder / f"{number:05d}.jpg")
        draw_photo(number, width, height).save(paths[-1], quality=QUALITY)
    return paths
