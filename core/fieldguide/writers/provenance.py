"""The record of how a result was made: versions, model, space, contract, options, counts."""

from __future__ import annotations

import datetime
import functools
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path
from fieldguide.privacy.logs import without_names

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = ("fieldguide", "torch", "numpy", "pillow", "lancedb", "pyarrow", "rasterio", "monai",
            "pydicom")  # fmt: skip


def make_provenance(**facts: Any) -> dict[str, Any]:
    """Return the facts with the versions, the time (UTC) and the command of this process."""
    return {
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": without_names(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        **facts,
    }


def provenance_path(output: Path) -> Path:
    """Return where the record of an output stands: beside it."""
    output = Path(os.path.abspath(output))  # noqa: PTH100 - '.' has no name, and a link keeps its own
    return output.parent / f"{output.name}.provenance.json"


def write_provenance(facts: Mapping[str, Any], output: Path) -> Path:
    """Write the record beside an output and return its path."""
    path = provenance_path(output)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, default=str), "utf-8")
    return path


@functools.cache  # it parses a file: 0.4 ms
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
