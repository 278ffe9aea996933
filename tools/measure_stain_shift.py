"""Does stain normalisation keep the accuracy of a model under another stain? Prints a table.

Run: ``python tools/measure_stain_shift.py DATA_FOLDER/lc25000_lung [--adapter NAME]``

Each test tile is given another stain by the augmentation "HED-strong" of Tellez et al. 2019,
"Quantifying the effects of data augmentation and stain color normalization in convolutional neural
networks for computational pathology" (arXiv:1902.06543): each of the three channels of the
space of haematoxylin, eosin and DAB is scaled by 1 +- 0.2 and shifted by +- 0.2, in the units of
scikit-image at that time, whose logarithms are of 2 to 3. Of each source tile one tile is taken.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fieldguide.guides import Guide
from fieldguide.runtime import Runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRONG = 0.2
TARGET_TILES = 36
TO_HED = np.linalg.inv([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Ruifrok and Johnston 2001."""


def shifted(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a tile with another stain."""
    hed = -np.log(pixels / 255.0 + 2.0) @ TO_HED
    hed = hed * random.uniform(1 - STRONG, 1 + STRONG, 3) + random.uniform(-STRONG, STRONG, 3)
    values = np.exp(-hed @ np.linalg.inv(TO_HED)) - 2.0
    return np.asarray((np.clip(values, 0, 1) * 255).round(), np.uint8)


def accuracy(tiles: list[Any], truths: list[str], **asked: Any) -> str:
    """Return top-1 in percent of the tiles that are answered, and how many those are."""
    guide = Guide("medical", modality="histology_tile", runtime=Runtime(device="cpu"), **asked)
    found = guide.classify([Image.fromarray(tile) for tile in tiles], classes="lung_histology")
    right = [row.label == truth for row, truth in zip(found, truths, strict=True) if row.guesses]
    return f"{100 * np.mean(right):.1f} % of {len(right)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--adapter")
    arguments = parser.parse_args()
    lines = (arguments.folder / "manifest.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]

    def read(split: str) -> list[NDArray[np.uint8]]:
        own = [row for row in chosen_rows if row["split"] == split]
        return [np.asarray(Image.open(arguments.folder / r["image"]).convert("RGB")) for r in own]

    chosen_rows = list({row["group"]: row for row in rows}.values())
    test, train = read("test"), read("train")
    truths = [row["label"] for row in chosen_rows if row["split"] == "test"]
    random = np.random.default_rng(0)
    other = [shifted(tile, random) for tile in test]
    chosen = train[:: len(train) // TARGET_TILES][:TARGET_TILES]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target.png"
        Image.fromarray(np.concatenate(chosen)).save(target)
        ways: dict[str, dict[str, Any]] = {"none": {}}
        for method in ("macenko", "reinhard"):
            ways[f"{method}, published"] = {"stain": method}
            ways[f"{method}, training tiles"] = {"stain": method, "stain_target": str(target)}
        print("| normalisation | as scanned | another stain |\n|---|---|---|")
        for name, options in ways.items():
            figures = [
                accuracy(tiles, truths, adapter=arguments.adapter, options=options)
                for tiles in (test, other)
            ]
            print(f"| {name} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
