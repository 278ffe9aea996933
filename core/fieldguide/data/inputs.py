"""What a user names becomes a list of items: files, folders, globs, manifests, arrays."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fieldguide.specs import LoaderSpec

MANIFEST_SUFFIXES = (".csv", ".jsonl")
PATH_COLUMNS = ("image", "path", "file", "filename")

MAX_DIGITS = 18
"""Longer whole numbers are identifiers and stay text: no column of 64 bit holds them."""

_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


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
            LoadError: the file is gone, or the image cannot be read.
        """
        if self.path is None:
            return _memory_fingerprint(self.image)
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
            known = items.get(item.id, item)
            if len({each.path and each.path.absolute() for each in (known, item)}) > 1:
                fault = f"the id {item.id!r} was used before. Give each row an id of its own."
                item = Item(f"{item.id}#{len(items)}", item.name, fault=fault)
            items.setdefault(item.id, item)
    return list(items.values())


def filter_row(item: Item) -> dict[str, Any]:
    """Return what a ``where`` expression can ask of an item before it is read."""
    return {**item.metadata, "path": item.name, "id": item.id}


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


def loader_of(item: Item, loaders: Sequence[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader that reads an item; None when none does, or when it is in memory."""
    if item.path is None or item.fault is not None:
        return None
    spec = loader_for(item.path, loaders)
    if spec is None and item.path.is_dir():
        return next((spec for spec in loaders if spec.unit == "folder"), None)
    return spec


def _as_iterable(inputs: Any) -> Iterable[Any]:
    single = (str, bytes, os.PathLike, Image.Image, np.ndarray)
    is_series = isinstance(inputs, Iterable) or hasattr(inputs, "__getitem__")
    return inputs if is_series and not isinstance(inputs, single) else [inputs]


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
    if not text:
        raise UsageError("An input is an empty text. Name a file or folder; '.' is this folder.")
    if any(character in text for character in "*?[") and not _exists(Path(text)):
        yield from _expand_glob(text, loaders)
    else:
        yield from _expand_path(Path(text), loaders)


def _expand_path(path: Path, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    if _exists(path) and path.is_dir():
        yield from _expand_folder(path, loaders)
    elif path.suffix.lower() in MANIFEST_SUFFIXES:
        yield from read_manifest(path)
    else:
        yield _file_item(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long a name, or a folder on the way that may not be entered
        return False


def _file_item(path: Path) -> Item:
    return Item(path.absolute().as_posix(), path.as_posix(), path)


def _memory_fingerprint(image: Any) -> str:
    is_pillow = isinstance(image, Image.Image)
    palette = image.getpalette() if is_pillow and image.mode == "P" else None
    try:
        pixels = np.ascontiguousarray(image)  # a Pillow image is read from its file only now
    except (OSError, SyntaxError, ValueError) as error:
        raise LoadError(f"broken image: {error}. Copy or export it again.") from error
    kind = f"{image.mode if is_pillow else ''} {pixels.dtype} {pixels.shape} {palette}"
    return hashlib.sha256(kind.encode() + pixels.tobytes()).hexdigest()


def _expand_glob(pattern: str, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    anchor = Path(Path(pattern).anchor or ".")
    relative = pattern.removeprefix(Path(pattern).anchor)
    named = set(Path(pattern).parts)  # a hidden folder that the user wrote is wanted
    try:
        found = sorted(path for path in anchor.glob(relative) if not _hidden(path, named))
    except ValueError as error:
        raise UsageError(f"{pattern!r} is not a pattern: {error}. Correct it.") from error
    if not found:
        raise UsageError(f"No file fits {pattern!r}. Quote the pattern or check the folder.")
    for path in found:
        try:
            yield from _expand_path(path, loaders)
        except UsageError as error:  # one folder without images does not end the job
            yield Item(path.as_posix(), path.as_posix(), fault=str(error))


def _expand_folder(folder: Path, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    found = False
    closed: list[OSError] = []
    for parent, names, file_names in os.walk(folder, onerror=closed.append):  # follows no links
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
    for error in closed:
        fault = f"its files cannot be listed: {error.strerror}. Run: chmod u+rx on it."
        yield Item(f"{error.filename}", f"{error.filename}", fault=fault)
    if not found and not closed:
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
    if not rows:
        raise UsageError(f"{path} has no rows. Name a file that has some.")
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
    own_id = row.get("id")
    identity = found.absolute().as_posix() if own_id in (None, "") else str(own_id)
    return Item(identity, found.as_posix(), found, metadata=metadata)


def _path_column(row: Mapping[str, Any]) -> str | None:
    return next((name for name in PATH_COLUMNS if row.get(name) not in (None, "")), None)


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader: csv.DictReader[Any] = csv.DictReader(stream, strict=True)
        texts = (*PATH_COLUMNS, "id")  # a file may be named 1.50
        for row in reader:
            if any(row.pop(None, None) or ()):
                row = {"fault": "it has more cells than the header. Quote cells with a comma."}
            yield reader.line_num, {k: v if k in texts else _number(v) for k, v in row.items()}


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                row = {"fault": f"the line is not JSON: {error}. Correct it."}
            if not isinstance(row, dict):
                row = {"fault": "the line is not a JSON object. Correct it."}
            yield number, row


def _number(text: Any) -> Any:
    """Return an int or float for text that is written as one, else the text.

    >>> [_number(t) for t in ("7", "0.5", "007", "nan", "5e3", "a")]
    [7, 0.5, '007', 'nan', 5000.0, 'a']
    """
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("+-").isdigit():
        return int(text) if len(text) <= MAX_DIGITS else text
    number = float(text)
    return number if math.isfinite(number) else text


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


def _hidden(path: Path, named: set[str]) -> bool:
    return any(part.startswith(".") and part not in named for part in path.parts)
