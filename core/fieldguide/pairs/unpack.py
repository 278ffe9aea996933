"""From tar files to a folder of pictures and a manifest, which all commands read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path, exists, is_folder, unwritten
from fieldguide.data.manifests import PATH_COLUMNS
from fieldguide.errors import StoreError
from fieldguide.pairs.webdataset import TarFault, TarPair, read_tar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = "pairs.jsonl"
IMAGES = "images"
PICTURES_A_FOLDER = 10_000
_ENDINGS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"RIFF", ".webp"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
)
_TAKEN = frozenset({*PATH_COLUMNS, "id", "caption", "tar"})


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out of tar files.

    Attributes:
        manifest: with a row a pair.
        pairs: how many.
        faults: the samples that could not be used, as ``tar: key``, with the reason.
    """

    manifest: Path
    pairs: int
    faults: tuple[tuple[str, str], ...]


def unpack_tars(tars: Sequence[Path], folder: Path) -> Unpacked:
    """Write the pictures of tar files under numbers, and a manifest with their texts.

    The manifest is written last, so a folder without it was not finished and is written again.

    Args:
        tars: in the order in which they are read.
        folder: a new one.

    Raises:
        LoadError: a tar is none.
        StoreError: the folder holds something else, or cannot be written.
    """
    _require_free(folder)
    faults: list[tuple[str, str]] = []
    count = 0
    with atomic_path(folder / MANIFEST) as temporary, temporary.open("w", encoding="utf-8") as rows:
        for tar in tars:
            for found in read_tar(tar):
                if isinstance(found, TarFault):
                    faults.append((f"{tar}: {found.key}", found.reason))
                    continue
                _write_pair(folder, rows, tar, count, found)
                count += 1
    return Unpacked(folder / MANIFEST, count, tuple(faults))


def _write_pair(folder: Path, rows: IO[str], tar: Path, number: int, pair: TarPair) -> None:
    place = f"{IMAGES}/{number // PICTURES_A_FOLDER:05}/{number:09}{_ending(pair.image)}"
    try:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(pair.image)
    except OSError as error:
        raise unwritten(folder / place, error) from error
    own: dict[str, Any] = {k: v for k, v in pair.metadata.items() if k not in _TAKEN}
    row = {"image": place, "id": f"{tar.stem}/{pair.key}", "caption": pair.text, "tar": tar.name}
    rows.write(json.dumps({**row, **own}) + "\n")


def _ending(image: bytes) -> str:
    return next((ending for start, ending in _ENDINGS if image.startswith(start)), ".jpg")


def _require_free(folder: Path) -> None:
    """Raise StoreError unless the folder is new, or what a killed job left."""
    if not exists(folder):
        return
    names = {path.name for path in folder.iterdir()} if is_folder(folder) else {folder.name}
    if any(name != IMAGES and not name.startswith(".") for name in names):
        raise StoreError(f"{folder} exists and holds other things. Name a new folder.")
