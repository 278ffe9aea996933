"""The features that projectors are trained on are those that the shipped model sees."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from fieldguide.guides import Guide
from fieldguide.models.embedded import ProjectorJoin
from fieldguide.models.embeddings import unit_length
from fieldguide.plugins import get_catalog

if TYPE_CHECKING:
    from types import ModuleType

TOOL = Path(__file__).parents[2] / "tools" / "projector_data.py"
LABELS = ("Amphiprion clarkii", "Scaridae", "Amphiprion clarkii")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("projector_data", TOOL)
    if spec is None or spec.loader is None or not TOOL.is_file():
        pytest.skip("needs the repository's tools")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    for number, label in enumerate(LABELS):
        pixels = np.random.default_rng(number).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        split = "test" if number == 2 else "train"
        rows.append({"image": f"{number}.png", "label": label, "split": split, "group": number})
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_projected_training_features_are_the_vectors_of_the_guide(
    tool: ModuleType, manifest: Path, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(tool.read_recipes()["fish4knowledge"], manifest=manifest.name)
    data = tool.FrozenSet(recipe, manifest.parent, tmp_path / "cache", get_catalog())
    guide = Guide("biodiversity", modality="underwater_fish", model=recipe.model)
    _, record = guide.planner.text_model()
    join = guide.planner.encoder(record).network.join  # type: ignore[attr-defined]
    assert isinstance(join, ProjectorJoin)
    projected = data.features @ join.image_weight.T + join.image_bias
    expected = [guide.encode_image(item.path).vectors[0] for item in data.items]
    assert np.allclose(unit_length(projected.numpy()), expected, atol=1e-5)


def test_training_views_are_the_image_and_its_mirror_image(
    tool: ModuleType, manifest: Path, tmp_path: Path
) -> None:
    for path in manifest.parent.glob("*.png"):  # the mirror image of itself
        half = np.asarray(Image.open(path))[:, :60]
        Image.fromarray(np.hstack([half, half[:, ::-1]])).save(path)
    recipe = dataclasses.replace(tool.read_recipes()["fish4knowledge"], manifest=manifest.name)
    data = tool.FrozenSet(recipe, manifest.parent, tmp_path / "cache", get_catalog())
    assert data.train_views.shape == (2, 2, 1904)
    assert torch.allclose(data.train_views[0], data.train_views[1], atol=1e-4)


def test_the_eight_symmetries_are_all_different_and_all_of_the_square(tool: ModuleType) -> None:
    square = torch.arange(9.0).reshape(1, 1, 3, 3)
    views = [tool.symmetry(square, view) for view in range(8)]
    assert len({tuple(view.flatten().tolist()) for view in views}) == 8
    assert torch.equal(views[0], square)
    assert all(view[0, 0, 1, 1] == square[0, 0, 1, 1] for view in views)
    assert all(set(view.flatten().tolist()) == set(range(9)) for view in views)
