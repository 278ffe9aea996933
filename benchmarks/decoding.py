"""Where the time from a JPEG file to the pixels of a model goes, step by step, on one core.

Each step beside its alternatives, with the share of values that differ from Pillow's; then files of
several kinds, by which decoder each is read, and whether its pixels are Pillow's. Times are of the
processor, the best of several runs for each file, so that other jobs disturb them little. ::

    OMP_NUM_THREADS=1 python benchmarks/decoding.py
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from photos import draw_photo, size_of, write_photos
from PIL import Image

from fieldguide.contract import InputContract
from fieldguide.data import jpeg
from fieldguide.data.images import ImageLoader
from fieldguide.models.prepare import resize
from fieldguide.models.resample import agrees_with_pillow

if TYPE_CHECKING:
    from collections.abc import Callable

Pixels = NDArray[np.uint8]
SIDE_PX = 224
CONTRACT = InputContract(
    size_px=(SIDE_PX, SIDE_PX), resize="center_crop", mean=(0.0,) * 3, std=(255.0,) * 3
)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "4:2:0": ("RGB", {"subsampling": 2}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:4:4, quality 98": ("RGB", {"subsampling": 0, "quality": 98}),
    "quality 30": ("RGB", {"quality": 30}),
    "restart markers": ("RGB", {"restart_marker_rows": 1}),
    "stored as RGB": ("RGB", {"keep_rgb": True}),
    "gray": ("L", {}),
    "progressive": ("RGB", {"progressive": True}),
    "CMYK": ("CMYK", {}),
}


def scaled_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of which the middle is cut, as torchvision's Resize."""
    shorter = min(width, height)
    return SIDE_PX * width // shorter, SIDE_PX * height // shorter


def middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    left, top = round((width - SIDE_PX) / 2), round((height - SIDE_PX) / 2)
    return pixels[top : top + SIDE_PX, left : left + SIDE_PX]


def decoded_by_pillow(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


def loaded(path: Path) -> Pixels:
    return np.asarray(ImageLoader()(path).array)


def resized_by_pillow(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    return middle(np.asarray(image.resize(scaled_size(*image.size), Image.Resampling.BICUBIC)))


def resized_by_torch(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    size = scaled_size(width, height)[::-1]
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # in memory it stays (H, W, C)
    done = F.interpolate(image, size, mode="bicubic", antialias=True)
    return middle(done[0].permute(1, 2, 0).numpy())


def resized_by_us(pixels: Pixels) -> Pixels:
    return resize(pixels, CONTRACT)


STEPS: dict[str, dict[str, Callable[[Any], Pixels]]] = {
    "decode": {"Pillow": decoded_by_pillow, "fieldguide": loaded},
    "resize": {
        "Pillow": resized_by_pillow,
        "torch, uint8": resized_by_torch,
        "fieldguide": resized_by_us,
    },
    "both": {
        "Pillow": lambda path: resized_by_pillow(decoded_by_pillow(path)),
        "fieldguide": lambda path: resized_by_us(loaded(path)),
    },
}


def milliseconds(step: Callable[[Any], Pixels], given: Any, repeat: int) -> float:
    """Return the processor time of the best run."""
    times = []
    for _ in range(repeat):
        began = time.thread_time()
        step(given)
        times.append(time.thread_time() - began)
    return min(times) * 1000


def print_steps(paths: list[Path], repeat: int) -> None:
    print("step    by             ms/image  values that differ")
    for name, ways in STEPS.items():
        given = [loaded(path) if name == "resize" else path for path in paths]
        expected = [ways["Pillow"](one) for one in given]
        for way, step in ways.items():
            cost = statistics.mean(milliseconds(step, one, repeat) for one in given)
            pairs = zip(given, expected, strict=True)
            differ = statistics.mean(float((step(one) != right).mean()) for one, right in pairs)
            print(f"{name:8}{way:14}{cost:9.2f}  {differ:.3%}", flush=True)


def print_kinds(folder: Path, repeat: int) -> None:
    print("\nkind                read by     ms/image  as Pillow")
    for number, (kind, (mode, options)) in enumerate(KINDS.items()):
        path = folder / "kind.jpg"
        draw_photo(number, *size_of(number, 2.0)).convert(mode).save(path, **options)
        with Image.open(path) as image:
            reader = "Pillow" if jpeg.decode(image) is None else "operator"
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            theirs = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        equal = np.array_equal(loaded(path), theirs.reshape(*theirs.shape[:2], -1))
        cost = milliseconds(loaded, path, repeat)
        print(f"{kind:20}{reader:10}{cost:10.2f}  {'yes' if equal else 'NO'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=24, help="JPEGs of 1 to 4 megapixels")
    parser.add_argument("--repeat", type=int, default=7, help="runs of each step on each file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    decoder = "agrees" if jpeg.agrees_with_pillow() else "IS NOT USED"
    resizer = "agree" if agrees_with_pillow() else "ARE NOT USED"
    print(f"trials in this process: the decoder {decoder}, the products of the resize {resizer}")
    with tempfile.TemporaryDirectory() as temporary:
        print_steps(write_photos(Path(temporary), options.count), options.repeat)
        print_kinds(Path(temporary), options.repeat)


if __name__ == "__main__":
    main()
