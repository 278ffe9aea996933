"""Captions from boxes teach: end to end, from drawn tiles to search by text and counting."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fieldguide as fg
from fieldguide.benchmarks.counting import counted_rows, evaluate_counting
from fieldguide.captions.coco import read_coco
from fieldguide.captions.numbers import WORDS
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from fieldguide.benchmarks.counting import Counted

SIDE, CELL = 32, 8
CLASSES = ("tank", "ship")
MOST = 3
SENTENCES = ("An image of {}.", "A scene with {}.", "The image contains {}.")


def draw_tiles(folder: Path, count: int, seed: int) -> Path:
    """Write tiles with one to three round tanks or square ships, and their COCO file."""
    folder.mkdir()
    chance = random.Random(seed)
    images, objects = [], []
    for number in range(count):
        ground = (chance.randint(40, 60), chance.randint(70, 90), 40)
        image = Image.new("RGB", (SIDE, SIDE), ground)
        pencil = ImageDraw.Draw(image)
        category, amount = number % 2, 1 + (number // 2) % MOST
        cells = [(x, y) for x in range(0, SIDE, CELL) for y in range(0, SIDE, CELL)]
        for x, y in chance.sample(cells, amount):
            place = (x + 1, y + 1, x + 6, y + 6)
            if category:
                pencil.rectangle(place, fill=(230, 230, 235))
            else:
                pencil.ellipse(place, fill=(200, 60, 40))
            bbox = [x + 1, y + 1, 6, 6]
            objects.append({"image_id": number, "category_id": category, "bbox": bbox})
        image.save(folder / f"{number}.png")
        size = {"width": SIDE, "height": SIDE}
        images.append({"id": number, "file_name": f"{number}.png", **size})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": objects, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def first_hits(guide: Guide, rows: list[Counted]) -> float:
    """Return the share of texts whose first image has that class and that number: R@1."""
    items = [row.item for row in rows]
    plan = guide.planner.plan(items, thumbnails=False)
    batches = [batch.embeddings for batch in guide.encode(items, plan)]
    vectors = np.concatenate([found.vectors for found in batches if found is not None])
    asked = [(k, n, s) for k in CLASSES for n in range(1, MOST + 1) for s in SENTENCES]
    hits = 0
    for label, count, sentence in asked:
        named = f"{WORDS[count - 1]} {label}{'s' if count > 1 else ''}"
        text = guide.encode_text(sentence.format(named)).vectors[0]
        best = rows[int((vectors @ text).argmax())]
        hits += (best.label, best.count) == (label, count)
    return hits / len(asked)


def test_lora_on_captions_from_boxes_lifts_search_by_text_and_counting(tmp_path: Path) -> None:
    train = draw_tiles(tmp_path / "train", 400, seed=1)
    rows = counted_rows(read_coco(draw_tiles(tmp_path / "test", 60, seed=2)))
    manifest = fg.make_captions(train).write(tmp_path / "train" / "captions.csv")
    model = write_tiny_checkpoint(tmp_path / "model", architecture="vit")
    base = Guide("general", model=str(model))
    base.tune(
        manifest, tmp_path / "tuned", method="lora", caption_column="caption",
        towers=("image", "text"), rank=16, epochs=30, learning_rate=4e-3, projection_epochs=3,
        projection_rate=1e-2, batch_size=64, checks=2, measure=False,
    )  # fmt: skip
    tuned = base.with_adapter(tmp_path / "tuned")
    before, after = first_hits(base, rows), first_hits(tuned, rows)
    assert before < 0.3 and after >= 0.8, (before, after)
    untaught, taught = (evaluate_counting(guide, rows).figures for guide in (base, tuned))
    assert untaught.accuracy.value < 0.2, untaught
    assert taught.accuracy.value >= 0.6, taught
    assert taught.mean_absolute_error.value < untaught.mean_absolute_error.value - 1
    assert taught.n == untaught.n == 60


def test_images_that_cannot_be_read_are_told_and_the_others_counted(tmp_path: Path) -> None:
    path = draw_tiles(tmp_path / "tiles", 4, seed=3)
    (path.parent / "0.png").write_bytes(b"no picture")
    model = write_tiny_checkpoint(tmp_path / "model", architecture="vit")
    guide = Guide("general", model=str(model))
    rows = counted_rows(read_coco(path))
    found = evaluate_counting(guide, rows)
    assert found.figures.n == 3
    assert [Path(row["path"]).name for row in found.failed] == ["0.png"]
    with pytest.raises(UsageError, match="None of the images could be used"):
        evaluate_counting(guide, rows[:1])
