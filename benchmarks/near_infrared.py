"""Tune a model of colours, and the same model with near infrared, on a class that only that shows.

    python benchmarks/near_infrared.py --model embedded_aid

Drawn tiles of two classes: the colours are the same noise, near infrared is bright or dark. Both
models are tuned by the same settings; the first can only guess. Needs fieldguide[remote-sensing].
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

from fieldguide.guides import Guide
from fieldguide.samples import RGB

SIDE_PX = 64
BRIGHT, DARK = 190, 60  # bytes of near infrared; noise of 50 on both sides
SETTINGS = {
    "method": "lora", "batch_size": 8, "epochs": 8, "projection_epochs": 4, "learning_rate": 2e-3,
    "new_rate": 1e-2, "checks": 2, "symmetries": "none", "measure": False,
}  # fmt: skip
SENSOR = """
base: {model}
bands:
  - {{name: red, range: [0, 0.3]}}
  - {{name: green, range: [0, 0.3]}}
  - {{name: blue, range: [0, 0.3]}}
  - {{name: nir, range: [0, 0.55], mean: 118, std: 69}}
"""


def draw_tiles(folder: Path, train: int, test: int) -> Path:
    """Write GeoTIFF tiles of both classes; return the manifest.

    Args:
        folder: is made.
        train: tiles a class.
        test: tiles a class, and as many to choose by.
    """
    folder.mkdir()
    generator = np.random.default_rng(0)
    splits = ["train"] * train + ["val"] * test + ["test"] * test
    rows = []
    for label, level in (("healthy crop", BRIGHT), ("dry crop", DARK)):
        for number, split in enumerate(splits):
            pixels = generator.integers(20, 120, (4, SIDE_PX, SIDE_PX)).astype(np.uint8)
            pixels[3] = level + generator.integers(-50, 51, (SIDE_PX, SIDE_PX))
            name = f"{label.replace(' ', '_')}_{number}.tif"
            with rasterio.open(
                folder / name, "w", driver="GTiff", width=SIDE_PX, height=SIDE_PX, count=4,
                dtype="uint8", crs="EPSG:32632",
                transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000),
            ) as dataset:  # fmt: skip
                dataset.write(pixels)
                dataset.descriptions = (*RGB, "nir")
            rows.append({"image": name, "label": label, "split": split})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def measure(guide: Guide, manifest: Path, output: Path) -> str:
    """Tune, and return accuracy on the test rows with its interval, and the time."""
    start = time.process_time()
    guide.tune(manifest, output, **SETTINGS)  # type: ignore[arg-type] # settings of many types
    seconds = time.process_time() - start
    found = guide.with_adapter(output).evaluate(manifest, where='split == "test"')
    return f"{found.accuracy} of {found.classified} test tiles, {seconds:.0f} s of processor"


def main() -> None:
    """Measure both models and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="embedded_aid")
    parser.add_argument("--train", type=int, default=12, help="tiles a class")
    parser.add_argument("--test", type=int, default=40, help="tiles a class")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = draw_tiles(folder / "tiles", asked.train, asked.test)
        sensor = folder / "sensor.yaml"
        sensor.write_text(SENSOR.format(model=asked.model))
        for modality, model in (("rgb_scene", asked.model), ("multispectral_scene", str(sensor))):
            guide = Guide("remote_sensing", modality=modality, model=model)
            print(f"{modality:20} {measure(guide, manifest, folder / modality)}", flush=True)


if __name__ == "__main__":
    main()
