"""Draws reef fish as a fixed underwater camera shows them: small, soft, seen from the side.

The drawings are for demonstrations and tests only. They share outline, colours and bars with
their species and prove nothing about real fish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]  # (H, W) coordinates or (H, W, 3) colours of 0..255

WIDTH_PX, HEIGHT_PX = 120, 104
SUPERSAMPLING = 4

WHITE: Colour = (235, 240, 238)
GREEN_WATER: Colour = (70, 190, 165)
CYAN_WATER: Colour = (100, 225, 225)
HAZE: Colour = (200, 225, 235)
SHADE: Colour = (38, 42, 50)
PALE_CORAL: Colour = (176, 160, 156)


@dataclass(frozen=True)
class Bar:
    """A band of colour across body and fins.

    Attributes:
        start: where it begins at mid-height: 0 at the nose, 1 at the root of the tail.
        stop: where it ends.
        colour: 0..255.
        slope: how far it moves backwards from mid-height to the belly, in body lengths.
    """

    start: float
    stop: float
    colour: Colour
    slope: float = 0.0


@dataclass(frozen=True)
class FishRecipe:
    """How one species is drawn.

    Attributes:
        label: name in the class set ``fish4knowledge``.
        depth: largest height of the body over its length.
        back: colour at the top.
        belly: colour at the bottom.
        tail: colour of the tail.
        bars: later ones on top.
        fork: how deep the tail is cut, 0 to 1.
        fin: height of the fins over half the body's depth.
        water: colour of the open water.
        ground: colour of what lies below, or None.
        ground_top: where the ground begins, as a fraction of the picture's height.
        tilt_deg: angle of the body; positive is nose down.
    """

    label: str
    depth: float
    back: Colour
    belly: Colour
    tail: Colour
    bars: tuple[Bar, ...] = ()
    fork: float = 0.3
    fin: float = 0.25
    water: Colour = GREEN_WATER
    ground: Colour | None = None
    ground_top: float = 0.75
    tilt_deg: float = 0.0


RECIPES: tuple[FishRecipe, ...] = (
    FishRecipe(
        "Abudefduf vaigiensis", 0.58, (190, 200, 120), (205, 225, 215), (150, 190, 175),
        bars=tuple(Bar(x, x + 0.075, (45, 60, 65)) for x in (0.2, 0.37, 0.54, 0.71, 0.88)),
    ),
    FishRecipe(
        "Amphiprion clarkii", 0.52, (60, 38, 34), (225, 130, 40), (240, 215, 140),
        bars=(
            Bar(0.0, 0.2, (225, 125, 45)), Bar(0.24, 0.34, WHITE), Bar(0.56, 0.66, WHITE),
            Bar(0.94, 1.0, WHITE),
        ),
        water=SHADE, ground=PALE_CORAL, ground_top=0.68, tilt_deg=-15,
    ),
    FishRecipe(
        "Chromis chrysura", 0.56, (38, 34, 44), (44, 36, 46), WHITE,
        bars=(Bar(0.95, 1.0, WHITE),), fork=0.5,
    ),
    FishRecipe(
        "Dascyllus reticulatus", 0.62, (70, 80, 90), (80, 90, 100), (90, 100, 110), water=HAZE,
    ),
    FishRecipe(
        "Hemigymnus melapterus", 0.4, (40, 40, 50), (44, 44, 52), (215, 150, 50),
        bars=(Bar(-0.1, 0.5, (225, 230, 230), -0.08),),
        fork=0.0, fin=0.15, water=CYAN_WATER, tilt_deg=-20,
    ),
    FishRecipe(
        "Myripristis kuntee", 0.45, (205, 80, 55), (225, 130, 100), (215, 100, 80),
        bars=(Bar(0.28, 0.33, (120, 45, 40)),), fork=0.7,
    ),
    FishRecipe(
        "Pomacentrus moluccensis", 0.5, (235, 150, 30), (245, 170, 40), (245, 175, 40),
        water=CYAN_WATER, ground=PALE_CORAL, ground_top=0.55,
    ),
    FishRecipe(
        "Scaridae", 0.38, (75, 65, 55), (95, 75, 60), (75, 65, 55),
        fork=0.1, fin=0.1, tilt_deg=10,
    ),
)  # fmt: skip
"""Species whose look such a drawing can carry: bars, blocks of colour, a plain body."""


def draw_fish(recipe: FishRecipe, seed: int) -> Image.Image:
    """Return a picture of 120 x 104 px; the same recipe and seed give the same pixels.

    The seed moves the fish, turns it by a few degrees, mirrors it, and grows the ground.
    """
    random = np.random.default_rng(seed)
    scene = _background(recipe, random)
    height, width = scene.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    length = width * random.uniform(0.42, 0.5)
    turn = np.deg2rad(recipe.tilt_deg + random.uniform(-6, 6))
    dx, dy = x - width * random.uniform(0.45, 0.5), y - height * random.uniform(0.45, 0.5)
    along = (dx * np.cos(turn) - dy * np.sin(turn)) / length + 0.5
    across = (dx * np.sin(turn) + dy * np.cos(turn)) / length
    _paint_fish(scene, recipe, along, across)
    if random.random() < 0.5:
        scene = scene[:, ::-1]
    return _as_camera(scene, random)


def _paint_fish(scene: Floats, recipe: FishRecipe, along: Floats, across: Floats) -> None:
    """Paint in place.

    Args:
        scene: (H, W, 3).
        recipe: what to paint.
        along: (H, W), in body lengths: 0 at the nose, 1 at the root of the tail.
        across: (H, W), in body lengths from the axis, positive downwards.
    """
    inside = np.clip(along, 0.0, 1.0)
    profile = inside**0.6 * (1.02 - inside) ** 0.75  # blunt at the nose, slim at the tail
    half = recipe.depth / 2 * np.maximum(profile / profile.max(), 0.14 * (inside > 0.5))
    level = across / np.maximum(half, 1e-6)  # -1 back, 1 belly
    on_axis = (along >= 0) & (along <= 1)
    body = on_axis & (np.abs(level) <= 1)
    rise = recipe.fin * recipe.depth / 2 * np.sin(np.pi * np.clip((along - 0.25) / 0.7, 0, 1))
    fins = on_axis & ~body & (np.abs(across) <= half + rise)
    mix = np.clip((level + 1) / 2, 0, 1)[..., None]
    skin = np.asarray(recipe.back) * (1 - mix) + np.asarray(recipe.belly) * mix
    scene[_tail(recipe, along, across)] = recipe.tail
    scene[fins] = 0.8 * skin[fins] + 0.2 * scene[fins]
    scene[body] = skin[body]
    for bar in recipe.bars:
        place = along - bar.slope * level
        scene[(body | fins) & (place >= bar.start) & (place <= bar.stop)] = bar.colour
    to_eye = np.hypot(along - 0.13, across + 0.03)
    scene[to_eye < 0.03] = (200, 200, 190)
    scene[to_eye < 0.02] = (15, 15, 18)


def _tail(recipe: FishRecipe, along: Floats, across: Floats) -> NDArray[np.bool_]:
    behind = (along - 0.97) / 0.26  # 0 at the root, 1 at the tips
    spread = 0.04 + 0.14 * np.clip(behind, 0.0, 1.0)
    from_axis = np.abs(across) / spread
    return (behind > 0) & (from_axis <= 1) & (behind <= 1 - recipe.fork * (1 - from_axis))


def _background(recipe: FishRecipe, random: np.random.Generator) -> Floats:
    """Return (H, W, 3): water that darkens downwards and, where there is one, the ground."""
    width, height = WIDTH_PX * SUPERSAMPLING, HEIGHT_PX * SUPERSAMPLING
    fade = np.linspace(1.06, 0.88, height)[:, None, None]
    scene = np.tile(np.asarray(recipe.water, dtype=float) * fade, (1, width, 1))
    if recipe.ground is None:
        return scene
    coarse, fine = (_smooth_noise(width, height, cells, random) for cells in (9, 26))
    rows = np.linspace(0, 1, height)[:, None]
    ground = rows > recipe.ground_top + 0.16 * (coarse - 0.5) + 0.06 * (fine - 0.5)
    lit = np.asarray(recipe.ground, dtype=float) * (0.45 + 1.1 * fine)[..., None]
    scene[ground] = lit[ground]
    return scene


def _smooth_noise(width: int, height: int, cells: int, random: np.random.Generator) -> Floats:
    """Return (H, W) of 0..1."""
    grid = Image.fromarray(random.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), dtype=float) / 255


def _as_camera(scene: Floats, random: np.random.Generator) -> Image.Image:
    """Reduce, soften and add the noise of a video frame."""
    full = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    small = full.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BOX)
    soft = small.resize((WIDTH_PX // 2, HEIGHT_PX // 2), Image.Resampling.BILINEAR)
    soft = soft.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    pixels = 0.5 * np.asarray(small, dtype=float) + 0.5 * np.asarray(soft, dtype=float)
    pixels += random.normal(0, 3, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
