"""A tiny open_clip model and pictures of three colours, as a user would have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fieldguide.guides import Guide
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 210)}
SPLITS = ("train", "train", "train", "val", "test")

QUICK: dict[str, Any] = {
    "batch_size": 8, "epochs": 6, "projection_epochs": 4, "learning_rate": 3e-3,
    "projection_rate": 1e-2,
    "checks": 2, "measure": False,
}  # fmt: skip
"""A training of a second or two."""


def draw_colours(folder: Path, per_colour: int, seed: int = 1) -> Path:
    """Write noisy pictures of three colours, with labels, captions and splits; the manifest."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    rows = []
    for label, colour in COLOURS.items():
        for number in range(per_colour):
            noise = generator.integers(-60, 61, (40, 40, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            name = f"{label}_{number}.png"
            Image.fromarray(pixels).save(folder / name)
            captions = [f"a {label} field", f"{label} number {number}"]
            rows.append({"image": name, "label": label, "captions": captions,
                         "split": SPLITS[number % len(SPLITS)]})  # fmt: skip
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "base", architecture="vit")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_colours(tmp_path_factory.mktemp("pictures") / "colours", 20)


@pytest.fixture(scope="session")
def make_guide(model_folder: Path) -> Callable[..., Guide]:
    """Return a guide of photographs whose model is the tiny one."""

    def make(**settings: Any) -> Guide:
        return Guide("general", model=str(model_folder), **settings)

    return make


@pytest.fixture
def guide(make_guide: Callable[..., Guide]) -> Guide:
    return make_guide()


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    return draw_colours


@pytest.fixture
def quick() -> dict[str, Any]:
    return dict(QUICK)


@pytest.fixture
def write_manifest() -> Callable[[Path, list[dict[str, Any]]], Path]:
    """Write rows beside pictures that are there already."""

    def write(path: Path, rows: list[dict[str, Any]]) -> Path:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def rows_of(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text().splitlines()]


@pytest.fixture(scope="session")
def read_manifest() -> Callable[[Path], list[dict[str, Any]]]:
    return rows_of
