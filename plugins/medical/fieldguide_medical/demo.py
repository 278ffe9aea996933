"""Pictures for ``fieldguide demo``: drawn tiles to classify, and things that must be refused."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file

from fieldguide.demo_set import DemoImage, DemoSet
from fieldguide.errors import LoadError
from fieldguide_medical.tiles import RECIPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TILES_PER_LABEL = 3
DRAWN = "drawn by fieldguide; not tissue"
CT_FILE = "CT_small.dcm"


def demo_sets(folder: Path) -> Sequence[DemoSet]:
    """Write the demo's pictures below a folder.

    Returns:
        Nine drawn tiles in three classes, and two files that the tile model must refuse.

    Raises:
        LoadError: pydicom was installed without its example file.
    """
    return (_drawn_tiles(folder / "drawn_tiles"), _refused(folder / "refused"))


def _drawn_tiles(folder: Path) -> DemoSet:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for label, draw in RECIPES.items():
        for number in range(1, TILES_PER_LABEL + 1):
            path = folder / f"{label.replace(' ', '_')}_{number}.png"
            draw(number).save(path)
            images.append(DemoImage(path, label, DRAWN))
    return DemoSet(
        title="Drawn imitations of stained lung tiles",
        modality="histology_tile",
        images=tuple(images),
        labels=tuple(RECIPES),
        query="glands with crowded nuclei around an opening",
        note=(
            "The pictures are drawn from a recipe, and their truth is the recipe. They show that "
            "the program runs and prove nothing about tissue. Not for diagnosis."
        ),
    )


def _refused(folder: Path) -> DemoSet:
    folder.mkdir(parents=True, exist_ok=True)
    source = get_testdata_file(CT_FILE, download=False)
    if not isinstance(source, str):
        raise LoadError(
            f"pydicom's example {CT_FILE} is not installed. Run: "
            "pip install --force-reinstall pydicom"
        )
    ct_path = folder / CT_FILE
    shutil.copyfile(source, ct_path)
    phantom_path = folder / "gray_phantom.png"
    Image.fromarray(draw_phantom(256)).save(phantom_path)
    return DemoSet(
        title="What a model for stained tiles must refuse",
        modality=None,
        images=(
            DemoImage(ct_path, None, "example CT slice of pydicom, MIT"),
            DemoImage(phantom_path, None, "drawn by fieldguide; a phantom, not a patient"),
        ),
        labels=tuple(RECIPES),
        query="glands with crowded nuclei around an opening",
        note=(
            "A CT slice and a gray phantom are medical pictures, but not stained tissue. Both are "
            "refused with a reason and get no label. Not for diagnosis."
        ),
    )


def draw_phantom(side_px: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Draw a gray head of ellipses in the manner of Shepp and Logan (1974).

    Returns:
        (side, side) uint8.
    """
    rows, columns = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j]
    gray = np.zeros((side_px, side_px))
    for level, x, y, half_width, half_height in (
        (230, 0.0, 0.0, 0.69, 0.92),
        (-130, 0.0, 0.02, 0.62, 0.85),
        (-50, 0.22, 0.0, 0.12, 0.31),
        (-50, -0.22, 0.0, 0.16, 0.41),
        (40, 0.0, -0.35, 0.21, 0.25),
        (60, 0.0, 0.6, 0.05, 0.05),
    ):
        inside = ((columns - x) / half_width) ** 2 + ((rows - y) / half_height) ** 2 <= 1
        gray += level * inside
    return np.clip(gray, 0, 255).astype(np.uint8)
