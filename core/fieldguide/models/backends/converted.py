"""Converted models on disk: made once, checked whenever they are read, made again when damaged."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fieldguide.data.files import unwritten
from fieldguide.models.weights import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

logger = logging.getLogger(__name__)

DIGESTS = "digests.json"
"""The SHA-256 of every other file: a changed weight would give wrong vectors and no error."""


@contextlib.contextmanager
def converted(folder: Path | None, convert: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a folder with the files that ``convert`` writes.

    Args:
        folder: where they are kept; made by the first call. None, or a disk on which nothing can
            be written, keeps nothing: the files are gone when the context ends.
        convert: writes into the empty folder that it is given.

    Raises:
        StoreError: not even the system's temporary folder can be written.
    """
    if folder is not None and _is_whole(folder):
        yield folder
        return
    if folder is not None and _keep(folder, convert):
        yield folder
        return
    # on Windows a file that is still mapped into memory cannot be removed
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        try:
            convert(Path(temporary))
        except OSError as error:
            raise unwritten(Path(temporary), error) from error
        yield Path(temporary)


def _keep(folder: Path, convert: Callable[[Path], None]) -> bool:
    """Convert beside the folder and move the result into its place; return whether it is there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
        ) as workplace:
            new = Path(workplace) / "new"
            new.mkdir()
            convert(new)
            digests = {path.name: file_digest(path) for path in sorted(new.iterdir())}
            (new / DIGESTS).write_text(json.dumps(digests, indent=2), "utf-8")
            if not _is_whole(folder):  # another process may have been faster
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(new, folder)  # noqa: PTH105 - Path.replace says the same of a folder
    except OSError as error:
        logger.debug("the converted model is not kept in %s: %s", folder, error)
    return _is_whole(folder)


def _is_whole(folder: Path) -> bool:
    """Return whether every file of a converted model is there and as it was written."""
    try:
        digests = json.loads((folder / DIGESTS).read_text("utf-8"))
        return bool(digests) and all(
            file_digest(folder / Path(name).name) == digest for name, digest in digests.items()
        )
    except Exception as error:  # noqa: BLE001 - however it is damaged, it is made again
        logger.debug("no converted model in %s: %s", folder, error)
        return False


def exported(module: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """Return the module as a graph that takes any number of images.

    Args:
        module: in eval mode, on the CPU.
        example: (N, C, H, W) uint8, N of at least 2: 0 and 1 would be taken as constants.
    """
    with torch.no_grad():
        return torch.export.export(
            module, (example,), dynamic_shapes=({0: torch.export.Dim("images")},)
        )
