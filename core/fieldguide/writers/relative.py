"""Paths in a file that names others: relative to its folder, so that both may be moved."""

from __future__ import annotations

import os
from pathlib import Path


def path_from(target: Path, path: str) -> str:
    """Return a path as a manifest at ``target`` names it.

    >>> path_from(Path("out/found.csv"), "scenes/a.tif")
    '../scenes/a.tif'
    """
    return Path(os.path.relpath(_whole(Path(path)), _whole(target).parent)).as_posix()


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
