"""The recipes of the shipped adapters run on any model, without one line changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.guides import Guide

RECIPES = Path(__file__).parents[3] / "tools" / "adapters.yaml"

pytestmark = pytest.mark.skipif(not RECIPES.is_file(), reason="needs the source tree")

OF_THE_DATA = ("classes", "group_column", "source")


def recipes() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(RECIPES.read_text("utf-8")) if RECIPES.is_file() else {}


def general_set(folder: Path) -> Path:
    """Write a few pictures that are no colours, to be replayed."""
    lines = ["path,label,split"]
    for number in range(12):
        image = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(image).save(folder / f"noise_{number}.png")
        lines.append(f"noise_{number}.png,noise {number % 2},train")
    (folder / "general.csv").write_text("\n".join(lines), "utf-8")
    return folder / "general.csv"


@pytest.mark.parametrize("name", recipes())
def test_the_recipe_of_a_shipped_adapter_tunes_a_tiny_open_clip_model(
    make_guide: Callable[..., Guide], colours: Path, tmp_path: Path, name: str
) -> None:
    settings = dict(recipes()[name]["settings"])
    if "replay" in recipes()[name]:
        settings["replay"] = str(general_set(tmp_path))
    for column in OF_THE_DATA:
        settings.pop(column, None)
    guide = make_guide()
    outcome = guide.tune(colours, tmp_path / "made", symmetries="all", batch_size=12, **settings)
    assert outcome.adapter is not None
    assert outcome.assessment is not None
    (domain,) = outcome.assessment.of_role("domain")
    assert domain.figures[-1]["top1"].value >= 0.9
