"""What a user names becomes a list of items: files, folders, globs, manifests, arrays."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fieldguide.specs import LoaderSpec

MANIFEST_SUFFIXES = (".csv", ".jsonl")
PATH_COLUMNS = ("image", "path", "file", "filename")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to load.

    Attributes:
        id: stable name in stores: the manifest's own ``id``, or the absolute path.
        name: what is shown, as the user wrote it.
        path: the file or folder; None for an image in memory.
        image: a Pillow image or an (H, W), (H, W, 3) array; None for a file.
        metadata: the other columns of its manifest row.
        fault: why it cannot even be looked for, or None.
    """

    id: str
    name: str
    path: Path | None = None
    image: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    def fingerprint(self) -> str:
        """Return what changes when the content does: sizes and times, or a hash in memory.

        Raises:
            LoadError: the file is gone.
        """
        if self.path is None:
            return hashlib.sha256(np.ascontiguousarray(self.image).tobytes()).hexdigest()
        try:
            files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
            stats = [path.stat() for path in files]
        except OSError as error:
            raise LoadError(f"{error.strerror or error}. Check the path.") from error
        text = ";".join(f"{stat.st_size}-{stat.st_mtime_ns}" for stat in stats)
        return text if len(stats) == 1 else hashlib.sha256(text.encode()).hexdigest()


def find_items(inputs: Any, loaders: Sequence[LoaderSpec]) -> list[Item]:
    """Expand what the user named, in a stable order, each item once.

    Args:
        inputs: a path, glob, Pillow image, array, or an iterable of these.
        loaders: the readers whose suffixes are looked for in folders.

    Raises:
        UsageError: a glob or folder without any file, or a manifest that cannot be read.
    """
    items: dict[str, Item] = {}
    for entry in _as_iterable(inputs):
        for item in _expand(entry, loaders, len(items)):
            if item.id in items and item.path != items[item.id].path:
                fault = f"the id {item.id!r} was used before. Give each row an id of its own."
                item = Item(f"{item.id}#{len(items)}", item.name, fault=fault)
            items.setdefault(item.id, item)
    return list(items.values())


def loader_for(path: Path, loaders: Iterable[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader with the longest fitting suffix, or whose magic number fits."""
    name = path.name.lower()
    best: LoaderSpec | None = None
    length = 0
    for spec in loaders:
        fitting = max((len(s) for s in spec.suffixes if name.endswith(s)), default=0)
        if fitting > length:
            best, length = spec, fitting
    if best is not None or path.suffix:
        return best
    return next((spec for spec in loaders if _has_magic(path, spec)), None)


def _as_iterable(inputs: Any) -> Iterable[Any]:
    single = (str, os.PathLike, Image.Image, np.ndarray)
    return [inputs] if isinstance(inputs, single) else inputs


def _expand(entry: Any, loaders: Sequence[LoaderSpec], position: int) -> Iterator[Item]:
    if isinstance(entry, tuple) and entry:  # a data set of (image, label)
        entry = entry[0]
    if isinstance(entry, Image.Image | np.ndarray):
        yield Item(f"memory:{position}", f"image_{position}", image=entry)
        return
    if not isinstance(entry, str | os.PathLike):
        raise UsageError(
            f"{type(entry).__name__} is not an input. Give paths, Pillow images or arrays."
        )
    text = os.fspath(entry)
    path = Path(text)
    if path.is_dir():
        yield from _expand_folder(path, loaders)
    elif path.suffix.lower() in MANIFEST_SUFFIXES:
        yield from read_manifest(path)
    elif not path.exists() and any(character in text for character in "*?["):
        yield from _expand_glob(text, loaders)
    else:
        yield _file_item(path)


def _file_item(path: Path) -> Item:
    return Item(path.absolute().as_posix(), path.as_posix(), path)


def _expand_glob(pattern: str, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    anchor = Path(Path(pattern).anchor or ".")
    relative = pattern.removeprefix(Path(pattern).anchor)
    found = sorted(path for path in anchor.glob(relative) if not _hidden(path))
    if not found:
        raise UsageError(f"No file fits {pattern!r}. Quote the pattern or check the folder.")
    for path in found:
        if path.is_dir():
            yield from _expand_folder(path, loaders)
        else:
            yield _file_item(path)


def _expand_folder(folder: Path, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    found = False
    for parent, names, file_names in os.walk(folder):  # does not follow links: no loops
        names[:] = sorted(name for name in names if not name.startswith("."))
        paths = [Path(parent, name) for name in sorted(file_names) if not name.startswith(".")]
        specs = [(path, loader_for(path, loaders)) for path in paths]
        if any(spec is not None and spec.unit == "folder" for _, spec in specs):
            found = True
            yield _file_item(Path(parent))
        for path, spec in specs:
            if spec is not None and spec.unit == "file":
                found = True
                yield _file_item(path)
    if not found:
        suffixes = " ".join(sorted({s for spec in loaders for s in spec.suffixes}))
        raise UsageError(
            f"No file under {folder} has one of the endings {suffixes}. "
            "Check the folder, or name another --domain."
        )


def read_manifest(path: Path) -> Iterator[Item]:
    """Yield one item a row of a CSV or JSON Lines file; paths are relative to the file.

    A row needs a column ``image``, ``path``, ``file`` or ``filename``. Its other columns become
    metadata. A row that cannot be read becomes an item with a fault.

    Raises:
        UsageError: the file cannot be read at all or no row has a path.
    """
    try:
        rows = list(_csv_rows(path) if path.suffix.lower() == ".csv" else _jsonl_rows(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not CSV: {error}. Save it again as CSV.") from error
    if not any(_path_column(row) for _, row in rows):
        raise UsageError(f"{path} has no column {', '.join(PATH_COLUMNS)}. Name one of them so.")
    for number, row in rows:
        yield _manifest_item(path, number, row)


def _manifest_item(manifest: Path, number: int, row: Mapping[str, Any]) -> Item:
    column = _path_column(row)
    if column is None:
        fault = str(row.get("fault", "the row names no image. Fill its path column."))
        name = f"{manifest.as_posix()}:{number}"
        return Item(name, name, fault=fault)
    metadata = {k: v for k, v in row.items() if k not in (column, "id") and v not in (None, "")}
    found = manifest.parent / str(row[column])
    identity = str(row.get("id") or found.absolute().as_posix())
    return Item(identity, found.as_posix(), found, metadata=metadata)


def _path_column(row: Mapping[str, Any]) -> str | None:
    return next((name for name in PATH_COLUMNS if row.get(name)), None)


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, restkey="extra", strict=True)
        for row in reader:
            row.pop("extra", None)
            yield reader.line_num, {k: _number(v) for k, v in row.items() if k is not None}


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                row = {"fault": f"the line is not JSON: {error}. Correct it."}
            if not isinstance(row, dict):
                row = {"fault": "the line is not a JSON object. Correct it."}
            yield number, row


def _number(text: Any) -> Any:
    """Return an int or float for text that is written as one, else the text.

    >>> [_number(t) for t in ("7", "0.5", "007", "nan", "5e3", "a")]
    [7, 0.5, '007', 'nan', 5000.0, 'a']
    """
    if not isinstance(text, str) or text[:1] not in "-+.0123456789" or not text:
        return text
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1] != ".":
        return text  # a code such as 007, not a number
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _has_magic(path: Path, spec: LoaderSpec) -> bool:
    if spec.magic is None:
        return False
    expected = bytes.fromhex(spec.magic.hex)
    try:
        with path.open("rb") as stream:
            stream.seek(spec.magic.offset)
            return stream.read(len(expected)) == expected
    except OSError:
        return False


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")
