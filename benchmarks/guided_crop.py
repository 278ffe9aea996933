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
from typing import Any

import numpy as np
from PIL import Image

import fieldguide as fg
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Row
from fieldguide.zeroshot.box_proposers import SlidingWindows
from fieldguide.zeroshot.guided_crop import GuidedCrop, GuidedCropClassifier, Look
from fieldguide.zeroshot.look_again import WindowEyes, upright_size_px

AREAS = (0.02, 0.05, 0.10, 0.30)


class TrueBox:
    """Proposes where the fish was pasted."""

    def __init__(self) -> None:
        self.boxes: dict[str, tuple[int, int, int, int]] = {}

    def propose(self, look: Look) -> tuple[int, int, int, int] | None:
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--per-bin", type=int, default=40)
    arguments = parser.parse_args()
    chance = random.Random(0)
    lines = map(json.loads, arguments.manifest.read_text().splitlines())
    rows = [row for row in lines if row["split"] == "test"]
    photos = sorted(arguments.photos.iterdir())
    guide = fg.guide("biodiversity", modality="underwater_fish", device="cpu")
    truth = TrueBox()
    made: dict[float, list[tuple[Item, str]]] = {}
    for area in AREAS:
        made[area] = []
        for number in range(arguments.per_bin):
            row = chance.choice(rows)
            fish = Image.open(arguments.manifest.parent / row["image"]).convert("RGB")
            photo = Image.open(chance.choice(photos)).convert("RGB")
            image, box = pasted(fish, photo, area, chance)
            item = Item(f"{area}:{number}", f"{area}:{number}", image=image)
            truth.boxes[item.id] = box
            made[area].append((item, row["label"]))
    items = [item for own in made.values() for item, _ in own]
    plan = guide.planner.plan(items, thumbnails=False)
    plain = guide.classifier(plan, None, classes="fish4knowledge")
    eyes = WindowEyes(plan.reader.readers["underwater_fish"], plan.encoder, 32, 2)
    ways = {
        "windows": GuidedCrop(SlidingWindows()),
        "windows, crops alone": GuidedCrop(SlidingWindows(), weight=1.0),
        "windows, top 23": GuidedCrop(SlidingWindows(), top=23, weight=1.0),
        "true box": GuidedCrop(truth),
        "true box, crops alone": GuidedCrop(truth, weight=1.0),
        "true box, top 23, margin 0": GuidedCrop(truth, (0.0,), weight=1.0, top=23),
    }
    cache: dict[Any, Any] = {}

    def look(item: Item, windows: Any) -> Any:
        key = (item.id, tuple(windows))
        if key not in cache:
            cache[key] = eyes(item, windows)
        return cache[key]

    for area, own in made.items():
        batches = list(guide.encode([item for item, _ in own], plan))
        vectors = batches[0].embeddings
        vectors = type(vectors)(
            np.concatenate([b.embeddings.vectors for b in batches]), vectors.space
        )
        labels = np.array([label for _, label in own])
        names = np.array(plain.labels)
        right = (names[plain.logits(vectors).argmax(axis=1)] == labels).mean()
        print(f"area {area:.0%}: plain {right:.1%}", flush=True)
        for name, guided in ways.items():
            made_of = GuidedCropClassifier(plain, guided, upright_size_px, look)
            found = made_of.logits_of_rows(vectors, [Row(item) for item, _ in own])
            right = (names[found.argmax(axis=1)] == labels).mean()
            print(f"    {name}: {right:.1%}", flush=True)


if __name__ == "__main__":
    main()
