"""Which loader reads a file or folder: by its name, else by its first bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from fieldguide.specs import LoaderSpec


def loader_for(path: Path, loaders: Iterable[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader with the longest fitting suffix, or whose magic number fits."""
    name = path.name.lower()
    best: LoaderSpec | None = None
    length = 0
    for spec in loaders:
        fitting = max((len(s) for s in spec.suffixes if name.endswith(s)), default=0)
        if fitting > length:
            best, length = spec, fitting
    if best is not None or (path.suffix and not path.suffix[1:].isdigit()):  # a DICOM UID
        return best
    return next((spec for spec in loaders if _has_magic(path, spec)), None)


def loader_in_folder(path: Path, loaders: Sequence[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader of a file that was come across in a folder, and was not named itself."""
    name = path.name.lower()
    for spec in loaders:
        if spec.parts is not None and re.fullmatch(spec.parts, name):
            return spec
    return loader_for(path, [spec for spec in loaders if not spec.only_named])


def folder_loader(path: Path, loaders: Iterable[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader of an item that is a folder: by the folder's name, else the first."""
    folders = [spec for spec in loaders if spec.unit == "folder"]
    named = (spec for spec in folders if is_whole(path, [spec]))
    return next(named, folders[0] if folders else None)


def is_whole(path: Path, loaders: Iterable[LoaderSpec]) -> bool:
    """Return whether a folder's name says that it is one item, whatever it holds."""
    name = path.absolute().name.lower()  # "." has none
    return any(name.endswith(spec.folder_suffixes) for spec in loaders)


def _has_magic(path: Path, spec: LoaderSpec) -> bool:
    if spec.magic is None:
        return False
    expected = bytes.fromhex(spec.magic.hex)
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as stream:
            stream.seek(spec.magic.offset)
            return stream.read(len(expected)) == expected
    except OSError:
        return False
