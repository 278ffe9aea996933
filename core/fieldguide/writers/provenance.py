"""The record of how a result was made: versions, model, space, contract, options, counts."""

from __future__ import annotations

import datetime
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGES = ("fieldguide", "torch", "numpy", "pillow", "lancedb", "pyarrow", "rasterio", "monai",
            "pydicom")  # fmt: skip


def make_provenance(**facts: Any) -> dict[str, Any]:
    """Return the facts with the versions, the time (UTC) and the command of this process."""
    return {
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        **facts,
    }


def write_provenance(facts: Mapping[str, Any], output: Path) -> Path:
    """Write the record beside an output and return its path."""
    path = output.with_name(f"{output.name}.provenance.json")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, default=str), "utf-8")
    return path


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
