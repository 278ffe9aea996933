"""Does guided cropping help small objects? Reef fish pasted on photographs, by their size.

    python benchmarks/guided_crop.py FISH_MANIFEST PHOTO_FOLDER [--per-bin 40]

Each image is a photograph with one crop of a fish of the test split on it, which covers 2 to 30 %
of the area. The labels are the fishes; a photograph is clutter. Compared are the plain classifier,
guided crops of sliding windows with the same model, and guided crops of the true box.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.vectors import encode_all
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.zeroshot.box_proposers import SlidingWindows
from fieldguide.zeroshot.guided_crop import GuidedCrop, GuidedCropClassifier, Look, Pixels
from fieldguide.zeroshot.look_again import WindowEyes, upright_size_px

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.models.embeddings import Embeddings
    from fieldguide.samples import Window
    from fieldguide.zeroshot.guided_crop import LookAgain

AREAS = (0.02, 0.05, 0.10, 0.30)


class TrueBox:
    """Proposes where the fish was pasted."""

    def __init__(self) -> None:
        self.boxes: dict[str, Pixels] = {}

    def propose(self, look: Look) -> Pixels | None:
        """Return the box of an image by its id."""
        return self.boxes.get(look.item.id)


def pasted(fish: Image.Image, photo: Image.Image, area: float, chance: random.Random) -> Any:
    """Return the image and the box of the fish."""
    if area >= 1:
        return fish, (0, 0, fish.width - 1, fish.height - 1)
    scale = (area * photo.width * photo.height / (fish.width * fish.height)) ** 0.5
    scale = min(scale, photo.width / fish.width, photo.height / fish.height)
    width, height = max(1, int(fish.width * scale)), max(1, int(fish.height * scale))
    left = chance.randint(0, photo.width - width)
    top = chance.randint(0, photo.height - height)
    image = photo.copy()
    image.paste(fish.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    return image, (left, top, left + width - 1, top + height - 1)


def make_images(
    manifest: Path, photos: Path, area: float, count: int, truth: TrueBox
) -> tuple[list[Item], list[str]]:
    """Return images with one fish each, and which fish that is."""
    chance = random.Random(f"{area}")
    lines = map(json.loads, manifest.read_text().splitlines())
    rows = [row for row in lines if row["split"] == "test"]
    places = sorted(photos.iterdir())
    items, labels = [], []
    for number in range(count):
        row = chance.choice(rows)
        fish = Image.open(manifest.parent / row["image"]).convert("RGB")
        photo = Image.open(chance.choice(places)).convert("RGB")
        image, box = pasted(fish, photo, area, chance)
        items.append(Item(f"{area}:{number}", f"{area}:{number}", image=image))
        labels.append(row["label"])
        truth.boxes[items[-1].id] = box
    return items, labels


def kept(eyes: WindowEyes) -> LookAgain:
    """Return eyes that look at the same window once: the ways share most of them."""
    seen: dict[Any, Any] = {}

    def look(item: Item, windows: Sequence[Window]) -> Embeddings | None:
        key = (item.id, tuple(windows))
        if key not in seen:
            seen[key] = eyes(item, windows)
        return seen[key]

    return look


def main() -> None:
    """Print the accuracy of each way, by the share of the image that the fish covers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--per-bin", type=int, default=40)
    parser.add_argument("--area", type=float, action="append")
    parser.add_argument("--side", type=float, action="append")
    arguments = parser.parse_args()
    truth = TrueBox()
    windows = SlidingWindows(tuple(arguments.side or SlidingWindows().sides))
    ways = {
        "windows": GuidedCrop(windows),
        "windows, crops alone": GuidedCrop(windows, weight=1.0),
        "windows, all labels, crops alone": GuidedCrop(windows, weight=1.0, top=None),
        "true box": GuidedCrop(truth),
        "true box, crops alone": GuidedCrop(truth, weight=1.0),
        "true box, all labels, margin 0, crops alone": GuidedCrop(truth, (0.0,), None, 1.0),
    }
    guide = fg.guide("biodiversity", modality="underwater_fish", device="cpu")
    for area in arguments.area or AREAS:
        items, labels = make_images(
            arguments.manifest, arguments.photos, area, arguments.per_bin, truth
        )
        plan = guide.planner.plan(items, thumbnails=False)
        plain = guide.classifier(plan, None, classes="fish4knowledge")
        look = kept(WindowEyes(plan.reader.readers["underwater_fish"], plan.encoder, 32, 2))
        vectors = encode_all(guide, items).embeddings
        names, rows = np.array(plain.labels), [Row(item) for item in items]
        right = names[plain.logits(vectors).argmax(axis=1)] == labels
        print(f"area {area:.0%}, {len(items)} images: plain {right.mean():.1%}", flush=True)
        for name, guided in ways.items():
            made = GuidedCropClassifier(plain, guided, upright_size_px, look)
            right = names[made.logits_of_rows(vectors, rows).argmax(axis=1)] == labels
            print(f"    {name}: {right.mean():.1%}", flush=True)


if __name__ == "__main__":
    main()
