"""Text search in one huge raster: recall, memory, resuming, and time against reading the file.

Builds a mosaic of 4 bands in 16 bits: meadow everywhere (AID's, turned and mirrored at random) with
test scenes of five other classes planted at random places, kills the search once in its middle,
lets it go on, and compares what it finds with what was planted.

    python benchmarks/locate.py FOLDER/remote_sensing/aid_rsicd WORK_FOLDER [--side-px 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import transform
from rasterio.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("airport", "port", "stadium", "parking", "storage tanks")
SCENES_PER_CLASS = 4
TILE_PX = 150  # of the scenes
GSD_M = 4.0  # AID's scenes are of 0.5 to 8 m, here at a quarter of their size
STEP = 37  # of 16 bits for each of 8: what remains is no scale that anything knows
GRID = Affine(GSD_M, 0, 500_000, 0, -GSD_M, 5_500_000)
CRS = "EPSG:32632"


def scenes(folder: Path, label: str, split: str) -> list[NDArray[np.uint8]]:
    """Return the scenes of a class, (150, 150, 3)."""
    rows = map(json.loads, (folder / "manifest.jsonl").read_text("utf-8").splitlines())
    names = [row for row in rows if row["split"] == split and row["label"] == label]
    return [np.asarray(Image.open(folder / row["image"]).convert("RGB")) for row in names]


def sixteen_bits(scene: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return (4, H, W): red, green, blue and a near infrared that follows the green."""
    bands = np.moveaxis(scene, -1, 0).astype(np.uint16) * STEP + 200
    return np.concatenate([bands, bands[1:2] * 2])


def build(folder: Path, path: Path, side_px: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Write the mosaic and return what was planted where, in pixels."""
    meadow = scenes(folder, "meadow", "train")
    profile = {
        "driver": "GTiff", "height": side_px, "width": side_px, "count": 4, "dtype": "uint16",
        "crs": CRS, "transform": GRID, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "BIGTIFF": "YES",
    }  # fmt: skip
    planted = plan(folder, side_px, rng)
    with rasterio.open(path, "w", **profile) as target:
        target.descriptions = ("red", "green", "blue", "nir")
        rows = 512 * 2
        for top in range(0, side_px, rows):
            height = min(rows, side_px - top)
            target.write(
                background(meadow, height, side_px, rng), window=Window(0, top, side_px, height)
            )
        for one in planted:
            place = Window(one["column"], one["row"], TILE_PX, TILE_PX)
            target.write(sixteen_bits(one.pop("scene")), window=place)
    return planted


def background(
    meadow: list[NDArray[np.uint8]], height: int, width: int, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return (4, height, width) of meadow scenes side by side."""
    whole = np.empty((4, height, width), np.uint16)
    for top in range(0, height, TILE_PX):
        for left in range(0, width, TILE_PX):
            scene = np.rot90(meadow[rng.integers(len(meadow))], rng.integers(4))
            scene = scene[:, ::-1] if rng.random() < 0.5 else scene
            part = whole[:, top : top + TILE_PX, left : left + TILE_PX]
            part[:] = sixteen_bits(scene[: part.shape[1], : part.shape[2]])
    return whole


def plan(folder: Path, side_px: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return which scene goes where: random pixels, at least three sides apart."""
    planted: list[dict[str, Any]] = []
    for label in CLASSES:
        chosen = scenes(folder, label, "test")
        for number in rng.choice(len(chosen), SCENES_PER_CLASS, replace=False):
            while True:
                row, column = rng.integers(0, side_px - TILE_PX, 2).tolist()
                if all(
                    max(abs(row - p["row"]), abs(column - p["column"])) > 3 * TILE_PX
                    for p in planted
                ):
                    break
            planted.append({"label": label, "row": row, "column": column, "scene": chosen[number]})
    return planted


def search(
    path: Path, out: Path, options: list[str], kill_after_s: float | None
) -> tuple[float, float]:
    """Run ``fieldguide locate``; return seconds and the peak of its memory in GiB."""
    command = [sys.executable, "-m", "fieldguide", "locate", str(path), *CLASSES, "--domain",
               "remote_sensing", "-o", str(out), *options]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command)
    if kill_after_s is not None:
        try:
            process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    if kill_after_s is None and status != 0:
        raise SystemExit(f"fieldguide locate ended with {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 2**20


def read_once_s(path: Path) -> float:
    """Return the seconds to read every block of every band with rasterio."""
    started = time.perf_counter()
    with rasterio.open(path) as source:
        for _, window in source.block_windows(1):
            source.read(window=window)
    return time.perf_counter() - started


def judge(planted: list[dict[str, Any]], out: Path, window_px: int) -> None:
    """Print the recall by label, and how far the coordinates of what was found are off."""
    found = json.loads(out.read_text("utf-8"))["features"]
    offsets = []
    for label in CLASSES:
        own = [feature for feature in found if feature["properties"]["query"] == label]
        middles = [middle_px(feature["geometry"]) for feature in own]
        wanted = [one for one in planted if one["label"] == label]
        hits = 0
        for one in wanted:
            middle = (one["row"] + TILE_PX / 2, one["column"] + TILE_PX / 2)
            nearest = min(
                (max(abs(r - middle[0]), abs(c - middle[1])) for r, c in middles), default=1e9
            )
            if nearest <= window_px / 2:
                hits += 1
                offsets.append(nearest)
        print(f"{label:<14} {hits} of {len(wanted)} in the first {len(own)} regions")
    print(f"recall {len(offsets) / len(planted):.2f} in {len(found)} regions")
    print(f"middles {max(offsets, default=0):.0f} px off; half a window is {window_px / 2:.0f}")


def middle_px(geometry: dict[str, Any]) -> tuple[float, float]:
    """Return row and column of the middle of a polygon in degrees, by PROJ alone."""
    ring = np.array(geometry["coordinates"][0])
    xs, ys = transform("EPSG:4326", CRS, ring[:, 0], ring[:, 1])
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    column, row = ~GRID * (x, y)
    return row, column


def main() -> None:
    """Build, search twice, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("aid", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--side-px", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, default=TILE_PX)
    parser.add_argument("--kill-after-s", type=float, default=60)
    parser.add_argument("--options", default="--adapter aid_lora --against meadow")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    path, out = given.work / "mosaic.tif", given.work / "found.geojson"
    planted = build(given.aid, path, given.side_px, np.random.default_rng(given.seed))
    print(f"{path.stat().st_size / 2**30:.2f} GiB; read once in {read_once_s(path):.1f} s")
    options = [*given.options.split(), "--window", str(given.window), "--top", "12",
               "--vectors", str(given.work / "vectors")]  # fmt: skip
    seconds, peak = search(path, out, options, given.kill_after_s)
    print(f"killed after {seconds:.0f} s, peak {peak:.2f} GiB")
    seconds, peak = search(path, out, options, None)
    print(f"went on and ended after {seconds:.0f} s more, peak {peak:.2f} GiB")
    seconds, peak = search(path, out, options, None)
    print(f"asked again: {seconds:.0f} s, peak {peak:.2f} GiB")
    judge(planted, out, given.window)


if __name__ == "__main__":
    main()
