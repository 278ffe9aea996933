"""AIR-SLT: captions of places in large scenes, with the polygons of the places.

Yuan et al. 2022, "Learning to Evaluate Performance of Multi-modal Semantic Localization",
arXiv:2209.06515, in the layout in which it is given away: ``annotations/anno.json``, a list of
``{"jpg_name": ..., "caption": ..., "points": [[[x, y], ...], ...]}``, beside ``imgs/``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.published_files import absent, incomplete, read_json
from fieldguide.data.files import exists, is_folder
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

DATASET = "air_slt"
TITLE = "AIR-SLT"
IMAGES = 22
CASES = 59
MAX_JSON_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Case:
    """A caption and where in its scene it is true.

    Attributes:
        image: the scene.
        caption: as it is written, without the line break that some end with.
        regions: polygons of (x, y) in pixels.
    """

    image: Path
    caption: str
    regions: tuple[tuple[tuple[float, float], ...], ...]


def find_air_slt(root: Path, *, subset: bool = False) -> tuple[Case, ...]:
    """Return the cases of a folder, those of one image together.

    Args:
        root: holds ``annotations/`` and ``imgs/``, or a folder ``AIR-SLT`` that does.
        subset: take the cases whose image is there.

    Raises:
        UsageError: it is not there, not whole, or the file is not of this form.
    """
    base = root / TITLE if is_folder(root / TITLE) else root
    file, folder = base / "annotations" / "anno.json", base / "imgs"
    if not exists(file) or not is_folder(folder):
        raise UsageError(absent(root, TITLE, "annotations/anno.json and imgs/", DATASET))
    cases = [_case(file, folder, number, entry) for number, entry in enumerate(_entries(file))]
    there = [case for case in cases if exists(case.image)]
    images = {case.image for case in there}
    missing = sorted({case.image.name for case in cases} - {image.name for image in images})
    wrong = missing or len(images) != IMAGES or len(cases) != CASES
    if not there or len(images) > IMAGES or (wrong and not subset):
        text = f"{len(images)} of {IMAGES} images, {len(cases)} of {CASES} captions"
        raise UsageError(incomplete(base, TITLE, text, missing, more=len(images) > IMAGES))
    return tuple(sorted(there, key=lambda case: case.image.as_posix()))


def _entries(file: Path) -> list[Any]:
    found = read_json(file, MAX_JSON_BYTES)
    if not isinstance(found, list) or not found:
        raise UsageError(f"{file} is no list of captions. Get the published file again.")
    return found


def _case(file: Path, folder: Path, number: int, entry: Any) -> Case:
    try:
        name, caption = entry["jpg_name"], entry["caption"].strip()
        regions = tuple(
            tuple((float(x), float(y)) for x, y in region) for region in entry["points"]
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise _misshapen(file, number, f"{type(error).__name__} {error}") from error
    if not isinstance(name, str) or "/" in name or "\\" in name or name.startswith("."):
        raise _misshapen(file, number, f"{name!r} is no name of a file in imgs/")
    sound = all(math.isfinite(value) for region in regions for point in region for value in point)
    if not caption or not regions or not sound or min(map(len, regions)) < 3:
        raise _misshapen(file, number, "it has no caption, or a region without three corners")
    return Case(folder / name, caption, regions)


def _misshapen(file: Path, number: int, fault: str) -> UsageError:
    return UsageError(
        f"{file}, entry {number}: {fault}. Entries have jpg_name, caption and points. Get the "
        "published file again."
    )
