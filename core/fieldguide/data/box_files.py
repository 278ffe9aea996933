"""Which boxes a file or folder of annotations has, by the place of the image."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.find_records import search_for
from fieldguide.data.files import exists, is_folder
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog

if TYPE_CHECKING:
    from fieldguide.captions.boxes import AnnotatedImage


@dataclass(frozen=True)
class BoxFile:
    """What was read.

    Attributes:
        images: by absolute path.
        faults: why an image, or an entry without one, cannot be used.
    """

    images: dict[str, tuple[AnnotatedImage, ...]]
    faults: dict[str, str]


def read_boxes(path: Path, images: Path | None, format_name: str | None = None) -> BoxFile:
    """Read boxes from what any installed format can read.

    Args:
        path: a file or folder.
        images: the folder that names are relative to; None for the format's usual places.
        format_name: of the format; None to tell it by the file.

    Raises:
        UsageError: it is not there, or no format reads it.
        UnknownNameError: there is no such format.
    """
    if not exists(path):
        raise UsageError(f"There is no box file {path}. Check the path.")
    records = search_for(get_catalog(), format_name, images=images).find([path])
    if not records.has_files:
        raise UsageError(
            f"{path} is no file of boxes. Name one of a detector or annotator: MegaDetector's "
            "JSON, COCO, Pascal VOC, YOLO or DOTA. A manifest of parts is an input itself."
        )
    if records.skipped and records.skipped[0][0] == path.as_posix():  # nothing of it can be read
        raise UsageError(f"{path}: {records.skipped[0][1]}")
    known: defaultdict[str, list[AnnotatedImage]] = defaultdict(list)
    faults: dict[str, str] = {}
    for found in records.annotations:
        faults.update((absolute(name) if exists(Path(name)) else name, why)
                      for name, why in found.skipped)  # fmt: skip
        for image in found.images:
            known[absolute(image.path)].append(image)
    return BoxFile({place: tuple(own) for place, own in known.items()}, faults)


def root_of(inputs: Any) -> Path | None:
    """Return the one folder that inputs lie in, to which the names in a box file are relative.

    A folder is its own root, a file lies in its folder, a glob in the folder before its first
    wildcard. None where there is not exactly one, and then boxes say themselves where images are.
    """
    single = isinstance(inputs, str | os.PathLike)
    entries = [inputs] if single else inputs if isinstance(inputs, list | tuple) else []
    roots = {_root(Path(entry)) for entry in entries if isinstance(entry, str | os.PathLike)}
    return roots.pop() if len(roots) == 1 else None


def _root(path: Path) -> Path:
    plain = path
    while any(mark in str(plain) for mark in "*?[") and not exists(plain):
        plain = plain.parent
    return plain if is_folder(plain) else plain.parent


def absolute(path: str | Path | None) -> str:
    """Return an absolute path without ``..``, links as they are; empty for none."""
    return "" if path is None else os.path.abspath(path)  # noqa: PTH100 - resolve() follows links
