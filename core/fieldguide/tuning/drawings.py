"""Pictures of everyday things, drawn by code: no licence to keep, the same on every machine.

They are signs of things rather than things, which is enough to see whether a model still knows
what it knew, and not enough to say how good it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

SIZE_PX = 224
_SCALE = 2  # drawn at twice the size and shrunk, so that edges are smooth
_SIDE = SIZE_PX * _SCALE

Color = tuple[int, int, int]


def draw(label: str, seed: int) -> Image.Image:
    """Return one picture of what a label of ``DRAWINGS`` says, (224, 224) RGB.

    The seed decides colours, place, size and turn.
    """
    generator = np.random.default_rng([seed, *label.encode()])
    background = _color(generator, 180, 256)
    canvas = Image.new("RGB", (_SIDE, _SIDE), background)
    DRAWINGS[label](ImageDraw.Draw(canvas), generator)
    angle = float(generator.uniform(-12, 12))
    turned = canvas.rotate(angle, Image.Resampling.BICUBIC, fillcolor=background)
    small = turned.resize((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)
    noise = generator.normal(0, 4, (SIZE_PX, SIZE_PX, 1))
    pixels = np.clip(np.asarray(small, dtype=np.float64) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def _color(generator: Generator, low: int, high: int) -> Color:
    red, green, blue = (int(value) for value in generator.integers(low, high, 3))
    return red, green, blue


def _frame(generator: Generator, smallest: float = 0.6) -> tuple[float, float, float]:
    """Return left, top and side of a square inside the picture, in drawn pixels."""
    side = _SIDE * float(generator.uniform(smallest, 0.9))
    left, top = generator.uniform(0, _SIDE - side, 2)
    return float(left), float(top), side


def _clock(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator)
    middle = (left + side / 2, top + side / 2)
    rim = _color(generator, 0, 120)
    canvas.ellipse(
        (left, top, left + side, top + side),
        fill=(250, 250, 245),
        outline=rim,
        width=round(side / 20),
    )
    for hour in range(12):
        canvas.line(
            (*_polar(middle, 0.36 * side, hour / 12), *_polar(middle, 0.42 * side, hour / 12)),
            fill=(20, 20, 20),
            width=round(side / 40),
        )
    for length, width in ((0.24, 30), (0.34, 45)):
        tip = _polar(middle, length * side, float(generator.uniform()))
        canvas.line((*middle, *tip), fill=(10, 10, 10), width=round(side / width))


def _polar(middle: tuple[float, float], radius: float, turn: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return middle[0] + radius * math.sin(angle), middle[1] - radius * math.cos(angle)


def _traffic_light(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.75)
    width = 0.4 * side
    canvas.rectangle((left + 0.17 * side, top + side, left + 0.23 * side, _SIDE), fill=(90, 90, 90))
    canvas.rounded_rectangle((left, top, left + width, top + side), 0.06 * side, fill=(35, 35, 30))
    lit = int(generator.integers(3))
    colors = ((235, 40, 30), (250, 190, 30), (40, 210, 80))
    for place, color in enumerate(colors):
        shown = color if place == lit else (color[0] // 3, color[1] // 3, color[2] // 3)
        x, y = left + 0.08 * side, top + (0.06 + 0.31 * place) * side
        canvas.ellipse((x, y, x + 0.24 * side, y + 0.24 * side), fill=shown)


def _crossword(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.8)
    cells = int(generator.integers(8, 13))
    cell = side / cells
    black = generator.uniform(size=(cells, cells)) < 0.25
    for row in range(cells):
        for column in range(cells):
            x, y = left + column * cell, top + row * cell
            fill = (15, 15, 15) if black[row, column] else (255, 255, 255)
            canvas.rectangle((x, y, x + cell, y + cell), fill=fill, outline=(0, 0, 0), width=2)
            if not black[row, column] and generator.uniform() < 0.3:
                canvas.text((x + 3, y + 1), str(generator.integers(1, 60)), fill=(0, 0, 0))


def _spider_web(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    canvas.rectangle((0, 0, _SIDE, _SIDE), fill=_color(generator, 10, 70))
    middle = (
        float(generator.uniform(0.35, 0.65)) * _SIDE,
        float(generator.uniform(0.35, 0.65)) * _SIDE,
    )
    spokes = int(generator.integers(10, 17))
    for spoke in range(spokes):
        canvas.line(
            (*middle, *_polar(middle, _SIDE, spoke / spokes)), fill=(225, 225, 230), width=2
        )
    for ring in range(1, int(generator.integers(9, 14))):
        corners = [_polar(middle, ring * _SIDE / 22, n / spokes) for n in range(spokes + 1)]
        canvas.line(corners, fill=(215, 215, 225), width=2)


def _honeycomb(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    canvas.rectangle((0, 0, _SIDE, _SIDE), fill=(150, 90, 10))
    radius = float(generator.uniform(0.05, 0.09)) * _SIDE
    height = radius * math.sqrt(3)
    for column in range(-1, int(_SIDE / (1.5 * radius)) + 2):
        for row in range(-1, int(_SIDE / height) + 2):
            middle = (1.5 * radius * column, height * (row + column % 2 / 2))
            corners = [_polar(middle, 0.88 * radius, n / 6 + 1 / 12) for n in range(6)]
            shade = int(generator.integers(-25, 25))
            canvas.polygon(corners, fill=(235 + shade // 2, 165 + shade, 30))


def _balloon(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    canvas.rectangle((0, 0, _SIDE, _SIDE), fill=(120, 180, 235))
    left, top, side = _frame(generator, 0.65)
    width = 0.7 * side
    colors = [_color(generator, 60, 256) for _ in range(3)]
    canvas.polygon(
        [
            (left + 0.12 * width, top + 0.5 * side),
            (left + 0.88 * width, top + 0.5 * side),
            (left + 0.58 * width, top + 0.8 * side),
            (left + 0.42 * width, top + 0.8 * side),
        ],
        fill=colors[0],
    )
    for stripe in range(6):
        inset = stripe * width / 12
        canvas.ellipse(
            (left + inset, top, left + width - inset, top + 0.7 * side), fill=colors[stripe % 3]
        )
    canvas.rectangle(
        (left + 0.42 * width, top + 0.88 * side, left + 0.58 * width, top + side),
        fill=(120, 75, 35),
    )
    for x in (0.43, 0.57):
        canvas.line(
            (left + x * width, top + 0.8 * side, left + x * width, top + 0.88 * side),
            fill=(60, 40, 20),
            width=3,
        )


def _sign(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.7)
    middle = (left + side / 2, top + 0.42 * side)
    canvas.rectangle(
        (middle[0] - 0.03 * side, middle[1], middle[0] + 0.03 * side, _SIDE), fill=(120, 120, 120)
    )
    for radius, fill in ((0.42, (250, 250, 250)), (0.39, (190, 20, 30))):
        canvas.polygon([_polar(middle, radius * side, (n + 0.5) / 8) for n in range(8)], fill=fill)
    canvas.text(middle, "STOP", fill=(255, 255, 255), anchor="mm", font_size=round(0.24 * side))


def _zebra(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    canvas.rectangle((0, 0, _SIDE, _SIDE), fill=(240, 238, 230))
    waves = float(generator.uniform(0.02, 0.05)) * _SIDE
    pitch = float(generator.uniform(0.1, 0.16)) * _SIDE
    phase = float(generator.uniform(0, math.tau))
    for stripe in range(-1, int(_SIDE / pitch) + 2):
        points = [
            (stripe * pitch + waves * math.sin(phase + y / _SIDE * 7 + stripe / 2), y)
            for y in range(0, _SIDE + 8, 8)
        ]
        canvas.line(points, fill=(20, 18, 18), width=round(0.5 * pitch), joint="curve")


def _envelope(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.7)
    paper, bottom = _color(generator, 215, 250), top + 0.65 * side
    edge = {"outline": (110, 100, 90), "width": 4}
    canvas.rectangle((left, top, left + side, bottom), fill=paper, outline=(110, 100, 90), width=4)
    middle = (left + side / 2, top + 0.36 * side)
    for corner in ((left, bottom), (left + side, bottom)):
        canvas.line((*corner, *middle), fill=(150, 140, 130), width=4)
    canvas.polygon([(left, top), (left + side, top), middle], fill=paper, **edge)  # type: ignore[arg-type]


def _candle(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    canvas.rectangle((0, 0, _SIDE, _SIDE), fill=_color(generator, 5, 40))
    x, width = (
        float(generator.uniform(0.3, 0.6)) * _SIDE,
        float(generator.uniform(0.12, 0.2)) * _SIDE,
    )
    top = float(generator.uniform(0.4, 0.5)) * _SIDE
    middle = x + width / 2
    for radius in range(round(0.3 * _SIDE), 0, -6):
        glow = round(90 * (1 - radius / (0.3 * _SIDE)))
        canvas.ellipse(
            (
                middle - radius,
                top - 0.16 * _SIDE - radius,
                middle + radius,
                top - 0.16 * _SIDE + radius,
            ),
            fill=(30 + 2 * glow, 20 + glow, 10),
        )
    canvas.rectangle((x, top, x + width, _SIDE), fill=_color(generator, 190, 245))
    canvas.line((middle, top, middle, top - 0.06 * _SIDE), fill=(30, 20, 20), width=5)
    for size, fill in ((1.0, (250, 150, 40)), (0.6, (255, 225, 130))):
        canvas.ellipse(
            (
                middle - 0.04 * size * _SIDE,
                top - 0.22 * size * _SIDE,
                middle + 0.04 * size * _SIDE,
                top - 0.04 * _SIDE,
            ),
            fill=fill,
        )


def _maze(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.85)
    cells = int(generator.integers(10, 15))
    cell = side / cells
    canvas.rectangle(
        (left, top, left + side, top + side), fill=(255, 255, 255), outline=(0, 0, 0), width=6
    )
    for row in range(cells):
        for column in range(cells):
            x, y = left + column * cell, top + row * cell
            end = (x + cell, y) if generator.uniform() < 0.5 else (x, y + cell)  # binary tree maze
            canvas.line((x, y, *end), fill=(0, 0, 0), width=6)


def _keyboard(canvas: ImageDraw.ImageDraw, generator: Generator) -> None:
    left, top, side = _frame(generator, 0.85)
    canvas.rounded_rectangle(
        (left, top + 0.3 * side, left + side, top + 0.72 * side), 12, fill=_color(generator, 20, 60)
    )
    key = side / 13
    shade = _color(generator, 70, 250)
    for row in range(5):
        for column in range(12):
            x, y = left + (column + 0.4 + row % 2 * 0.2) * key, top + 0.32 * side + row * key
            canvas.rounded_rectangle((x, y, x + 0.85 * key, y + 0.85 * key), 4, fill=shade)
            letter = chr(ord("A") + int(generator.integers(26)))
            canvas.text(
                (x + 6, y + 2),
                letter,
                fill=(20, 20, 20) if sum(shade) > 380 else (240, 240, 240),
                font_size=14,
            )


DRAWINGS: dict[str, Callable[[ImageDraw.ImageDraw, Generator], None]] = {
    "analog clock": _clock,
    "traffic light": _traffic_light,
    "crossword puzzle": _crossword,
    "spider web": _spider_web,
    "honeycomb": _honeycomb,
    "hot-air balloon": _balloon,
    "stop sign": _sign,
    "zebra stripes": _zebra,
    "envelope": _envelope,
    "candle": _candle,
    "maze": _maze,
    "computer keyboard": _keyboard,
}
"""How each thing is drawn, by its label."""
