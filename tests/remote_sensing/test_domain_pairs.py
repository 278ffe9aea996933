"""Pairs of remote sensing out of a mixture in which duplicates and other pictures were planted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

import fieldguide as fg
from fieldguide.data.inputs import Item
from fieldguide.pairs.domain_pairs import filter_pairs
from fieldguide.pairs.keywords import KeywordStage
from fieldguide.pairs.pair import Pair
from fieldguide.pairs.words import PairWords, domain_words
from fieldguide.plugins import get_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fieldguide.pairs.stages import PairReport

SATELLITE, OTHER = "satellite image", "other"
WORDS = PairWords(
    version="1", keywords=("satellite",), inside=(SATELLITE,), outside=(OTHER,)
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread; on a busy machine two wait for each other, twice as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ----------------------------------------------------------------------------- the words


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("Satellite image of the Aral Sea", True),
        ("Aerial view of Manhattan", True),
        ("a bird's eye view of the old town", True),
        ("Landsat 8, 2015", True),
        ("my cat on the sofa", False),
        ("the best pasta in town", False),
    ],
)
def test_the_plugins_keywords_find_what_speaks_of_the_domain(text: str, *, is_kept: bool) -> None:
    words = domain_words(get_catalog().domains["remote_sensing"])
    removed = KeywordStage(words.keywords)([Pair(Item("x", "x.jpg"), (text,))]).removed
    assert (not removed) == is_kept


def test_the_plugins_texts_are_on_one_side_each() -> None:
    words = domain_words(get_catalog().domains["remote_sensing"])
    assert not set(words.inside) & set(words.outside)
    assert len(set(words.keywords)) == len(words.keywords)


# ----------------------------------------------------------------------------- planted rows


@dataclass(frozen=True)
class Planted:
    """A manifest and which of its rows should go.

    Attributes:
        manifest: JSON Lines.
        rows: how many it has.
        copies: names of copies of a scene.
        others: names of pictures of other things whose text has a keyword.
    """

    manifest: Path
    rows: int
    copies: frozenset[str]
    others: frozenset[str]


def plant(folder: Path, scenes: Sequence[Image.Image], others: Sequence[Image.Image]) -> Planted:
    """Write scenes, half of them again as copies in four ways, other pictures, and useless rows."""
    folder.mkdir()
    rows: list[dict[str, str]] = []
    copies = set()

    def save(name: str, image: Image.Image, quality: int = 95) -> str:
        image.convert("RGB").save(folder / name, quality=quality)
        rows.append({"image": name, "caption": "satellite image of something"})
        return name

    for number, scene in enumerate(scenes):
        save(f"scene_{number}.jpg", scene)
    ways = (
        lambda image: image,
        lambda image: image.resize((image.width * 4 // 5, image.height * 4 // 5)),
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    )
    for number, scene in enumerate(scenes[::2]):
        copies.add(
            save(f"copy_{number}.jpg", ways[number % 4](scene), 95 if number % 4 == 0 else 70)
        )
    planted = {save(f"other_{number}.jpg", image) for number, image in enumerate(others)}
    save("tiny.jpg", scenes[0].resize((20, 20)))
    save("blank.jpg", Image.new("RGB", (100, 100), "white"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    rows.append({"image": "broken.jpg", "caption": "a satellite"})
    rows.append({"image": "scene_0.jpg", "caption": "no word of it", "id": "without keyword"})
    manifest = folder / "pairs.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return Planted(manifest, len(rows), frozenset(copies), frozenset(planted))


def check(report: PairReport, planted: Planted) -> None:
    """Counts sum to the input; what was planted goes, and hardly anything else."""
    assert len(report) == planted.rows
    assert len(report.kept) + sum(count.removed for count in report.counts) == planted.rows
    by_stage = {
        stage: {row.pair.item.name.rpartition("/")[2] for row in report if row.stage == stage}
        for stage in ("keywords", "invalid", "duplicates", "outliers")
    }
    assert by_stage["invalid"] == {"tiny.jpg", "blank.jpg", "broken.jpg"}
    assert len(by_stage["keywords"]) == 1
    bad = planted.copies | planted.others
    removed = by_stage["duplicates"] | by_stage["outliers"]
    assert len(removed & bad) >= 0.95 * len(bad)
    assert len(removed & bad) >= 0.9 * len(removed)
    assert len(by_stage["duplicates"] & planted.copies) >= 0.95 * len(planted.copies)


def detector(folder: Path, scenes: Sequence[Image.Image], others: Sequence[Image.Image]) -> Path:
    """Train a probe to tell scenes from other pictures; return its folder."""
    folder.mkdir()
    rows = ["path,label"]
    for label, images in ((SATELLITE, scenes), (OTHER, others)):
        for number, image in enumerate(images):
            name = f"{label.partition(' ')[0]}_{number}.png"
            image.convert("RGB").save(folder / name)
            rows.append(f"{name},{label}")
    (folder / "train.csv").write_text("\n".join(rows), "utf-8")
    guide = fg.guide("remote_sensing", modality="rgb_scene")
    guide.tune(
        folder / "train.csv", folder / "probe", method="probe", measure=False, symmetries="none"
    )
    return folder / "probe"


def run(planted: Planted, probe: Path) -> PairReport:
    guide = fg.guide("remote_sensing", modality="rgb_scene", adapter=probe)
    return filter_pairs(guide, planted.manifest, WORDS)


# ----------------------------------------------------------------------------- drawn scenes


def crops(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], side: int) -> list[Image.Image]:
    """Return the whole squares of a picture, in reading order."""
    whole = [
        pixels[y : y + side, x : x + side]
        for y in range(0, pixels.shape[0] - side + 1, side)
        for x in range(0, pixels.shape[1] - side + 1, side)
    ]
    return [Image.fromarray(each) for each in whole if each.std() > 12]


@pytest.mark.slow
def test_planted_rows_among_drawn_scenes_are_removed(tmp_path: Path) -> None:
    """Tiles of the demo's scenes; the others are tiles of photographs of scikit-image."""
    from skimage import data

    from fieldguide_remote_sensing import built_scenes, scenes

    drawn = [scenes.forest, scenes.farmland, scenes.river, scenes.beach, built_scenes.airport,
             built_scenes.dense_residential, built_scenes.parking,
             built_scenes.storage_tanks]  # fmt: skip
    tiles = [tile for draw in drawn for tile in crops(draw(), 192)]
    photographs = (data.astronaut(), data.coffee(), data.cat(), data.rocket(),
                   data.stereo_motorcycle()[0])  # fmt: skip
    others = [tile for photo in photographs for tile in crops(photo, 192)]
    probe = detector(tmp_path / "detector", tiles[1::2], others[1::2])
    planted = plant(tmp_path / "mixture", tiles[0::2], others[0::2])
    check(run(planted, probe), planted)


# ----------------------------------------------------------------------------- real scenes


def pictures(manifest: Path, start: int, stop: int) -> list[Image.Image]:
    lines = manifest.read_text("utf-8").splitlines()
    order = np.random.default_rng(0).permutation(len(lines))[start:stop]
    names = [json.loads(lines[place])["image"] for place in order]
    return [Image.open(manifest.parent / name) for name in names]


@pytest.mark.shared_data
@pytest.mark.slow
def test_planted_rows_among_real_scenes_are_removed(shared_data: Path, tmp_path: Path) -> None:
    aid = shared_data / "remote_sensing/aid_rsicd/manifest.jsonl"
    coco = shared_data / "generic/coco_mini/manifest.jsonl"
    probe = detector(tmp_path / "detector", pictures(aid, 0, 60), pictures(coco, 0, 60))
    planted = plant(tmp_path / "mixture", pictures(aid, 60, 120), pictures(coco, 60, 110))
    check(run(planted, probe), planted)
