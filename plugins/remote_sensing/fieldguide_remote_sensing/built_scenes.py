"""Built scenes as from an aircraft, drawn by rule: houses, cars, tanks, aeroplanes ..."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldguide_remote_sensing.drawing import Colour, Ground, Mask, Point
from fieldguide_remote_sensing.scenes import GRASS, SIDE_PX, WOOD, scatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

ASPHALT = (0.13, 0.13, 0.135)
CONCRETE = (0.40, 0.39, 0.37)
WHITE = (0.82, 0.82, 0.80)
YELLOW = (0.62, 0.50, 0.12)
ROOFS: tuple[Colour, ...] = (
    (0.34, 0.15, 0.09), (0.29, 0.13, 0.08), (0.38, 0.20, 0.13), (0.24, 0.17, 0.13),
    (0.30, 0.28, 0.26), (0.21, 0.20, 0.20), (0.42, 0.38, 0.33),
)  # fmt: skip
CARS: tuple[Colour, ...] = (
    WHITE, (0.72, 0.72, 0.72), (0.42, 0.43, 0.45), (0.05, 0.05, 0.055), (0.07, 0.07, 0.08),
    (0.40, 0.04, 0.04), (0.05, 0.10, 0.28), (0.20, 0.19, 0.17), (0.55, 0.52, 0.45),
)  # fmt: skip


def dense_residential() -> NDArray[np.uint8]:
    """Draw streets of houses close together, with small gardens, trees and parked cars."""
    ground = Ground(SIDE_PX, 0.75, (0.19, 0.19, 0.12), seed=14)
    ground.mottle(ground.noise(12, 4), 0.25)
    side, block_m, row_m = ground.side_m, 96.0, 39.0
    avenues = [[(x, -5), (x + 14, side + 5)] for x in np.arange(18, side + block_m, block_m)]
    lanes = [[(-5, y), (side + 5, y - 8)] for y in np.arange(8, side + row_m, row_m)]
    streets = ground.lines(avenues, 8) | ground.lines(lanes, 7)
    turn = math.degrees(-8 / side)
    for lane_m in np.arange(8, side + row_m, row_m):
        for offset in (12.2, 26.8):
            houses(ground, float(lane_m) + offset, turn, streets)
    ground.paint(streets, (0.20, 0.20, 0.20), 0.05)
    free = (ground.height == 0) & ~streets
    ground.trees(scatter(ground, 9.5, free), (1.3, 3.4), WOOD)
    for start, _ in lanes:
        for x in ground.rng.choice(np.arange(6, side, 7.5), 13, replace=False):
            car(ground, (float(x), start[1] + 2.2 - 8 * x / side), turn)
    return ground.render()


def houses(ground: Ground, row_m: float, turn_deg: float, streets: Mask) -> None:
    """Build a row of houses with hipped roofs and annexes, beginning at the left edge."""
    rng = ground.rng
    for x in np.arange(4, ground.side_m, 11.6):
        y = row_m + math.tan(math.radians(turn_deg)) * x
        centre = (float(x + rng.uniform(-0.8, 0.8)), float(y + rng.uniform(-1, 1)))
        if streets[ground.box(centre, 14, 14)].any():
            continue
        size = (rng.uniform(11, 13.5), rng.uniform(8.6, 10.4), rng.uniform(4.5, 6.5))
        ground.roof(centre, size, turn_deg + 90, ROOFS[rng.integers(len(ROOFS))], pitch=0.55)
        if rng.random() < 0.4:
            annex = (centre[0] + 4.5, centre[1] + rng.uniform(-3, 3))
            ground.roof(annex, (5, 5, 3), turn_deg + 90, ROOFS[rng.integers(len(ROOFS))], 0.2)


def car(ground: Ground, centre: Point, turn_deg: float) -> None:
    """Park a car of a common colour: body, and a darker glass cabin on it."""
    colour = CARS[ground.rng.integers(len(CARS))]
    ground.roof(centre, (4.5, 1.9, 0.9), turn_deg, colour)
    glass = (0.6 * colour[0] + 0.01, 0.6 * colour[1] + 0.015, 0.6 * colour[2] + 0.02)
    ground.roof(centre, (2.4, 1.6, 1.45), turn_deg, glass)


def parking() -> NDArray[np.uint8]:
    """Draw a large parking lot: rows of cars between lanes, marked bays, islands with trees."""
    ground = Ground(SIDE_PX, 0.42, ASPHALT, seed=9)
    ground.mottle(ground.noise(25, 5), 0.09)
    side, rng, turn = ground.side_m, ground.rng, 8.0
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))

    def placed(along: float, across: float) -> Point:
        return 0.5 * side + along * cos - across * sin, 0.5 * side + along * sin + across * cos

    reach = 0.75 * side
    for number, across in enumerate(np.arange(-reach, reach, 16.6)):
        bays = np.arange(-reach, reach, 2.75)
        marks = [[placed(along, across - 5), placed(along, across + 5)] for along in bays]
        ground.paint(ground.lines(marks, 0.2), (0.55, 0.55, 0.53))
        ground.paint(ground.line([placed(-reach, across), placed(reach, across)], 0.2), WHITE)
        busy = 0.55 + 0.35 * math.sin(1.7 * number)
        for along in bays:
            for bay in (-2.7, 2.7):
                if rng.random() < busy + 0.1 and abs(along % 44) > 4:
                    x, y = placed(along + 1.37, across + bay + rng.uniform(-0.3, 0.3))
                    car(ground, (x, y), turn + 90 + rng.uniform(-2, 2))
        for along in np.arange(-reach - reach % 44, reach, 44):
            island = ground.box(placed(along + 1.2, across), 3.6, 10.4, turn)
            ground.paint(island, GRASS, 0.15)
            ground.trees([placed(along + 1.2, across + o) for o in (-2.6, 2.6)], (1.6, 2.6), WOOD)
    return ground.render()


def storage_tanks() -> NDArray[np.uint8]:
    """Draw a tank farm: white round tanks with rims and stairs behind earth walls, and pipes."""
    ground = Ground(SIDE_PX, 0.9, (0.31, 0.28, 0.22), seed=4)
    ground.mottle(ground.noise(60, 5), 0.10)
    ground.tint(np.clip(ground.noise(70, 4), 0, 1), GRASS, 0.8)
    pitch = 82.0
    for row, y in enumerate(np.arange(44, ground.side_m, pitch)):
        for x in np.arange(44, ground.side_m, pitch):
            ground.paint(ground.box((x, y), 73, 73), (0.36, 0.33, 0.28), 0.05)
            ground.paint(ground.box((x, y), 68, 68), (0.27, 0.25, 0.21), 0.06)
            radius = 26.0 if row % 2 == 0 else 20.0
            tank(ground, (x, y), radius, 14 if row % 2 == 0 else 11)
        ground.paint(ground.line([(0, y + pitch / 2), (ground.side_m, y + pitch / 2)], 5), CONCRETE)
        for offset in (-5, -6.5, -8):
            pipe = ground.line([(0, y + pitch / 2 + offset), (400, y + pitch / 2 + offset)], 0.8)
            ground.paint(pipe, (0.62, 0.62, 0.6))
            ground.height[pipe] = 1
    ground.paint(ground.line([(85, 0), (85, ground.side_m)], 5), CONCRETE)
    return ground.render()


def tank(ground: Ground, centre: Point, radius_m: float, height_m: float) -> None:
    """Put up a tank with a slightly coned roof, a dark rim, seams and a hatch."""
    x, y = centre
    away = np.hypot(ground.x_m - x, ground.y_m - y)
    top = away < radius_m
    ground.height[top] = height_m + 0.09 * (radius_m - away[top])
    ground.paint(top, (0.80, 0.80, 0.78), 0.02)
    ground.paint(top & (away > radius_m - 0.9), (0.50, 0.50, 0.50), 0.02)
    turns = np.arctan2(ground.y_m - y, ground.x_m - x) * (12 / math.pi)
    seams = top & (np.abs(turns - np.round(turns)) * away < 1.2) & (away > 4)
    ground.colour[seams] *= 0.93
    ground.paint(ground.disc((x + radius_m * 0.55, y), 1.4), (0.35, 0.35, 0.36))
    ground.paint(ground.disc(centre, 1.8), (0.45, 0.45, 0.46))


def baseball_field() -> NDArray[np.uint8]:
    """Draw one diamond: a skinned infield with grass inside, mown outfield, fence, trees."""
    ground = Ground(SIDE_PX, 0.6, (0.13, 0.165, 0.07), seed=6)
    ground.mottle(ground.noise(40, 5), 0.10)
    home, clay = (112.0, 172.0), (0.42, 0.24, 0.13)
    side_x, side_y = ground.x_m - home[0], home[1] - ground.y_m
    away, bearing = np.hypot(side_x, side_y), np.arctan2(side_y, side_x)
    fair = (bearing > math.pi / 4) & (bearing < 3 * math.pi / 4)
    ground.paint((away < 118) & (side_y > -14), clay, 0.05)  # its rim is the warning track
    ground.paint((away < 112) & (side_y > -14), (0.12, 0.20, 0.065), 0.05)
    stripes = np.sign(np.sin((side_x + side_y) * (math.pi / 6.5)))
    ground.mottle(np.where((away < 112) & fair, stripes, 0).astype(np.float32), 0.06)
    mound = (home[0], home[1] - 18.4)
    skinned = (np.hypot(ground.x_m - mound[0], ground.y_m - mound[1]) < 29) & fair
    ground.paint(skinned, clay, 0.05)
    diamond = [home, (home[0] + 19.4, home[1] - 19.4), (home[0], home[1] - 38.8),
               (home[0] - 19.4, home[1] - 19.4)]  # fmt: skip
    inner = [(x + (mound[0] - x) * 0.13, y + (home[1] - 19.4 - y) * 0.13) for x, y in diamond]
    ground.paint(ground.polygon(inner), (0.125, 0.205, 0.07), 0.05)
    ground.paint(ground.disc(home, 5.5), clay, 0.05)
    ground.paint(ground.disc(mound, 2.8), clay, 0.05)
    for corner in (diamond[1], diamond[3]):
        ends = [home, tuple(h + (c - h) * 4.1 for h, c in zip(home, corner, strict=True))]
        ground.paint(ground.line(ends, 0.45), WHITE)  # type: ignore[arg-type]
    for base in diamond[1:]:
        ground.paint(ground.box(base, 0.9, 0.9, 45), WHITE)
    for side in (-1, 1):
        ground.roof((home[0] + side * 23, home[1] + 4), (15, 3.4, 2.6), side * -45, CONCRETE)
    ground.height[(np.abs(away - 118.5) < 0.3) & (side_y > -14)] = 2.5
    ground.paint(ground.line([(-5, 213), (240, 213)], 17), ASPHALT)
    for x in np.arange(4, 228, 2.9):
        for y in (207.5, 218.5):
            if ground.rng.random() < 0.5:
                car(ground, (float(x), y), 90)
    outside = (away > 124) & (side_y > -14)
    ground.trees(scatter(ground, 5.6, outside), (2.3, 4.4), WOOD)
    return ground.render()


def airport() -> NDArray[np.uint8]:
    """Draw a runway, taxiways, and a terminal with aeroplanes at two piers, roads and cars."""
    ground = Ground(SIDE_PX, 1.5, (0.20, 0.21, 0.11), seed=17)
    ground.mottle(ground.noise(70, 5), 0.12)
    side = ground.side_m
    taxi: list[list[Point]] = [
        [(-10, 168), (side + 10, 168)],
        [(60, 62), (60, 168)],
        [(300, 62), (385, 168)],
    ]
    ground.paint(ground.lines(taxi, 26), (0.30, 0.30, 0.29), 0.03)
    runway(ground, 62)
    ground.paint(ground.box((side / 2, 312), side + 20, 236), (0.44, 0.43, 0.41), 0.03)
    ground.mottle(np.where(ground.y_m > 190, ground.noise(70, 6), 0), 0.10)
    joints = [[(x, 194), (x, 430)] for x in np.arange(0, side, 15)]
    ground.colour[ground.lines(joints, 0.7)] *= 0.92
    ground.paint(ground.lines([*taxi, [(-10, 206), (side + 10, 206)]], 1.3), YELLOW)
    ground.paint(ground.box((side / 2, 508), side + 20, 24), ASPHALT)
    ground.paint(ground.box((side / 2, 553), side + 20, 50), (0.16, 0.16, 0.16))
    ground.roof((side / 2, 452), (side * 0.86, 56, 16), 0, (0.58, 0.58, 0.57))
    for x in np.arange(60, side - 40, 22):
        ground.roof((x, 455), (8, 30, 18), 0, (0.36, 0.38, 0.41))
    for x in (0.27 * side, 0.73 * side):
        pier(ground, x)
    aeroplane(ground, (215, 168), 180, 40)
    aeroplane(ground, (470, 206), 0, 36)
    for x, y in ground.rng.uniform((20, 230), (side - 20, 420), (40, 2)):
        car(ground, (float(x), float(y)), float(ground.rng.uniform(0, 180)))
    for y in (504, 512):
        for x in ground.rng.uniform(0, side, 14):
            car(ground, (float(x), y), 0)
    for y in np.arange(533, 580, 8):
        for x in ground.rng.choice(np.arange(4, side, 2.9), 140, replace=False):
            car(ground, (float(x), float(y)), 90)
    return ground.render()


def pier(ground: Ground, x_m: float) -> None:
    """Build a pier of the terminal with bridges to aeroplanes on both sides."""
    ground.roof((x_m, 340), (24, 190, 12), 0, (0.62, 0.62, 0.60))
    ground.roof((x_m, 340), (5, 176, 14), 0, (0.30, 0.32, 0.35))
    for y in range(266, 430, 46):
        for flip in (-1, 1):
            stand = (x_m + flip * 47, float(y))
            ground.paint(ground.line([stand, (x_m + flip * 100, y)], 1.0), YELLOW)
            ground.roof((x_m + flip * 20, y - 8), (20, 4, 6), flip * 25, CONCRETE)
            if ground.rng.random() < 0.85:
                aeroplane(ground, stand, 180 if flip == 1 else 0, 40)


def runway(ground: Ground, y_m: float) -> None:
    """Lay a runway along x with shoulders, markings and the rubber of tyres."""
    side = ground.side_m
    ground.paint(ground.box((side / 2, y_m), side + 20, 60), (0.22, 0.22, 0.21), 0.03)
    ground.paint(ground.box((side / 2, y_m), side + 20, 46), (0.145, 0.145, 0.15), 0.04)
    rubber = np.exp(-(((ground.y_m - y_m) / 9) ** 2))
    ground.tint(rubber * 0.8, (0.085, 0.085, 0.09), 0.7)
    for x in np.arange(110, side, 50):
        ground.paint(ground.box((x, y_m), 30, 1.5), WHITE)
    for offset in (-21, -16.5, -12, -7.5, 7.5, 12, 16.5, 21):
        ground.paint(ground.box((42, y_m + offset), 34, 2.2), WHITE)
    for offset in (-22.4, 22.4):
        ground.paint(ground.box((side / 2, y_m + offset), side + 20, 1.3), (0.7, 0.7, 0.68))


def aeroplane(ground: Ground, nose_to: Point, heading_deg: float, length_m: float) -> None:
    """Park an aeroplane: fuselage, swept wings with engines, tail.

    Args:
        ground: to draw on.
        nose_to: middle of the fuselage.
        heading_deg: of the nose, below the x axis.
        length_m: of the fuselage; the wings span nearly as much.
    """
    x, y = nose_to
    turn, unit = math.radians(heading_deg), length_m / 2

    def placed(ahead: float, aside: float) -> Point:
        return (
            x + unit * (ahead * math.cos(turn) - aside * math.sin(turn)),
            y + unit * (ahead * math.sin(turn) + aside * math.cos(turn)),
        )

    parts: list[tuple[list[Point], float, Colour]] = []
    for flip in (-1, 1):
        wing = [(0.22, 0.08), (-0.30, 0.95), (-0.42, 0.95), (-0.18, 0.08)]
        tail = [(-0.78, 0.04), (-0.98, 0.36), (-1.05, 0.36), (-0.95, 0.04)]
        engine = [(0.12, 0.28), (0.12, 0.36), (-0.08, 0.36), (-0.08, 0.28)]
        for shape, height, colour in ((engine, 2.5, (0.5, 0.5, 0.52)), (wing, 4, (0.7, 0.71, 0.72)),
                                      (tail, 6, (0.7, 0.71, 0.72))):  # fmt: skip
            parts.append(([placed(a, flip * b) for a, b in shape], height, colour))
    body = [(1.0, 0.0), (0.92, 0.06), (0.75, 0.1), (-0.6, 0.1), (-1.0, 0.02)]
    outline = [*body, *((a, -b) for a, b in reversed(body))]
    parts.append(([placed(a, b) for a, b in outline], 5.5, (0.88, 0.88, 0.87)))
    fin = [(-0.72, 0.015), (-1.02, 0.025), (-1.02, -0.025), (-0.72, -0.015)]
    parts.append(([placed(a, b) for a, b in fin], 11, (0.12, 0.20, 0.42)))
    for corners, height_m, colour in parts:
        shape_mask = ground.polygon(corners)
        ground.height[shape_mask] = height_m
        ground.paint(shape_mask, colour, 0.02)
