"""Guided crops through the guide and the command line: of labels, of taxa, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.prune import prune
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.clades import labels_within
from fieldguide.zeroshot.guided_crop import GuidedCrop, Look, Pixels
from fieldguide.zeroshot.taxa import Taxa

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.results import Predictions

LABELS = ["a barn", "a tree", "a lake"]


@dataclass(frozen=True)
class Fixed:
    """Proposes one box, whatever the image."""

    pixels: Pixels | None

    def propose(self, look: Look) -> Pixels | None:
        del look
        return self.pixels


CROPS_ALONE = GuidedCrop(Fixed((8, 4, 27, 23)), margins=(0.0,), top=99, weight=1.0)
"""Then an image is its crop: columns 8 to 27, rows 4 to 23."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def guide(model: str) -> Guide:
    return fg.guide(model=model, device="cpu", batch_size=4)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(5).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos/a.png")
    return tmp_path / "photos/a.png"


def shares(found: Predictions) -> dict[str, float]:
    return {guess.label: guess.probability or 0 for guess in found[0].guesses}


def test_an_image_is_classified_by_its_crop(guide: Guide, photo: Path) -> None:
    found = guide.classify(photo, LABELS, guided=CROPS_ALONE)
    alone = guide.classify(Image.open(photo).crop((8, 4, 28, 24)), LABELS)
    assert shares(found) == pytest.approx(shares(alone), abs=1e-5)
    assert found.provenance["guided_crop"]["margins"] == [0.0]


def test_an_image_in_memory_is_looked_at_again_too(guide: Guide, photo: Path) -> None:
    found = guide.classify(Image.open(photo), LABELS, guided=CROPS_ALONE)
    alone = guide.classify(Image.open(photo).crop((8, 4, 28, 24)), LABELS)
    assert shares(found) == pytest.approx(shares(alone), abs=1e-5)


def test_without_a_box_nothing_changes(guide: Guide, photo: Path) -> None:
    found = guide.classify(photo, LABELS, guided=GuidedCrop(Fixed(None)))
    assert shares(found) == shares(guide.classify(photo, LABELS))


def test_an_input_that_is_a_crop_already_is_not_looked_at_again(guide: Guide, photo: Path) -> None:
    crops = fg.crops_of(Image.open(photo), [(1, 1, 30, 30)])
    found = guide.classify(crops, LABELS, guided=CROPS_ALONE)
    assert shares(found) == shares(guide.classify(crops, LABELS))


def taxa() -> Taxa:
    rows = [{"class": "Aves", "species": "owl"}, {"class": "Aves", "species": "crow"},
            {"class": "Insecta", "species": "beetle"}]  # fmt: skip
    tree = tree_from_lineages(rows, ("class", "species"), TreeInfo("garden"))
    return Taxa(prune(tree, labels_within(tree, ())))


def test_taxa_are_told_by_crops_and_of_crops(guide: Guide, photo: Path) -> None:
    crop = Image.open(photo).crop((8, 4, 28, 24))
    alone = shares(guide.classify(crop, taxa=taxa()))
    assert shares(guide.classify(photo, taxa=taxa(), guided=CROPS_ALONE)) == pytest.approx(
        alone, abs=1e-5
    )
    boxes = fg.crops_of(Image.open(photo), [(8, 4, 28, 24)], margin=0)
    found = guide.classify(boxes, taxa=taxa())
    assert shares(found) == pytest.approx(alone, abs=1e-5)
    row = found.records()[0]
    assert (row["class"] in ("Aves", "Insecta"), row["column_px"], row["taxon_rank"]) == (
        True, 8, "species"
    )  # fmt: skip


def test_vectors_and_windows_cannot_be_looked_at_again(
    guide: Guide, photo: Path, tmp_path: Path
) -> None:
    guide.embed(photo, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="Name images"):
        guide.classify(tmp_path / "a.parquet", LABELS, guided=CROPS_ALONE)
    with pytest.raises(UsageError, match="--window"):
        guide.classify(photo, LABELS, guided=CROPS_ALONE, window=20, vectors=tmp_path)


@pytest.mark.parametrize("with_boxes", [False, True])
def test_one_option_guides_by_windows_or_by_the_boxes_of_a_detector(
    model: str, photo: Path, tmp_path: Path, with_boxes: bool
) -> None:
    boxes = {"images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
             "annotations": [{"image_id": 1, "category_id": 1, "bbox": [8, 4, 20, 20]}],
             "categories": [{"id": 1, "name": "deer"}]}  # fmt: skip
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    given = ["--boxes", str(tmp_path / "boxes.json")] if with_boxes else []
    line = ["classify", str(photo.parent), "--guided-crop", "--model", model, "--label", "cat",
            "--label", "dog", "-o", str(tmp_path / "out.json")]  # fmt: skip
    done = CliRunner().invoke(cli, [*line, *given])
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert (row["path"], row["status"], "row_px" in row) == (photo.as_posix(), "ok", False)
