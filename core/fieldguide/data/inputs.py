"""What a user names becomes a list of items: files, folders, globs, manifests, arrays."""

from __future__ import annotations

import hashlib
import itertools
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fieldguide.data.files import exists, files_of, is_folder, is_link, reached
from fieldguide.data.in_memory import KINDS, fingerprint_in_memory
from fieldguide.data.loader_choice import folder_loader, is_whole, loader_for, loader_in_folder
from fieldguide.data.manifest_windows import window_id, window_of
from fieldguide.data.manifests import FAULT, MANIFEST_SUFFIXES, path_column, read_rows
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fieldguide.samples import Window
    from fieldguide.specs import LoaderSpec


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to load.

    Attributes:
        id: stable name in stores: the manifest's own ``id``, or the absolute path.
        name: what is shown, as the user wrote it.
        path: the file or folder; None for an image in memory.
        image: a Pillow image, an (H, W) or (H, W, 3) array, or a Sample; None for a file.
        metadata: the other columns of its manifest row.
        fault: why it cannot even be looked for, or None.
        window: the part of the file that is meant; None for all of it.
        nothing: why there is nothing in it to look at, which is no failure; or None.
    """

    id: str
    name: str
    path: Path | None = None
    image: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    window: Window | None = None
    nothing: str | None = None

    def fingerprint(self) -> str:
        """Return what changes when the content does: sizes and times, or a hash in memory.

        Raises:
            LoadError: the file is gone, or the image cannot be read.
        """
        if self.path is None:
            return fingerprint_in_memory(self.image)
        stats = [reached(path) for path in files_of(self.path)]
        text = ";".join(f"{stat.st_size}-{stat.st_mtime_ns}" for stat in stats)
        return text if len(stats) == 1 else hashlib.sha256(text.encode()).hexdigest()


@runtime_checkable
class KnowsItems(Protocol):
    """An input that is more than a file: what a box file finds in images, for one."""

    def as_items(self, loaders: Sequence[LoaderSpec], roots: Sequence[Path]) -> Iterable[Item]:
        """Return its items; arguments as of :func:`find_items`.

        Raises:
            UsageError: there are none, or they cannot be found.
        """
        ...


def find_items(
    inputs: Any, loaders: Sequence[LoaderSpec], roots: Sequence[Path] = ()
) -> list[Item]:
    """Expand what the user named, in a stable order, each item once.

    Args:
        inputs: a path, glob, Pillow image, array, Sample, something that knows its own items, or
            an iterable of these.
        loaders: the readers whose suffixes are looked for in folders.
        roots: folders that manifests may name files of, beside their own and the current one.

    Raises:
        UsageError: a glob or folder without any file, or a manifest that cannot be read.
    """
    items: dict[str, Item] = {}
    spare = itertools.count(1)
    for entry in _as_iterable(inputs):
        for item in _expand(entry, _Search(loaders, tuple(roots)), len(items)):
            if _subject(items.get(item.id, item)) != _subject(item):
                fault = f"the id {item.id!r} was used before. Give each row an id of its own."
                free = next(n for n in spare if f"{item.id}#{n}" not in items)
                item = Item(f"{item.id}#{free}", item.name, fault=fault, metadata=item.metadata)
            items.setdefault(item.id, item)
    return list(items.values())


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for in folders, and where manifests may point to."""

    loaders: Sequence[LoaderSpec]
    roots: tuple[Path, ...]


def _subject(item: Item) -> object:
    """Return what two entries of the same id must share to be one: the file, or what is wrong."""
    return (item.name, item.fault) if item.path is None else item.path.absolute()


def filter_row(item: Item) -> dict[str, Any]:
    """Return what a ``where`` expression can ask of an item before it is read."""
    return {**item.metadata, "path": item.name, "id": item.id}


def loader_of(item: Item, loaders: Sequence[LoaderSpec]) -> LoaderSpec | None:
    """Return the loader that reads an item; None when none does, or when it is in memory."""
    if item.path is None or item.fault is not None:
        return None
    if is_folder(item.path):
        return folder_loader(item.path, loaders)
    return loader_for(item.path, loaders)


def _as_iterable(inputs: Any) -> Iterable[Any]:
    single = (str, bytes, os.PathLike, *KINDS)
    is_series = isinstance(inputs, Iterable) or hasattr(inputs, "__getitem__")
    return inputs if is_series and not isinstance(inputs, single) else [inputs]


def _expand(entry: Any, search: _Search, position: int) -> Iterator[Item]:
    if isinstance(entry, tuple) and entry:  # a data set of (image, label)
        entry = entry[0]
    if isinstance(entry, KnowsItems):
        yield from entry.as_items(search.loaders, search.roots)
        return
    if isinstance(entry, KINDS):
        yield Item(f"memory:{position}", f"image_{position}", image=entry)
        return
    if not isinstance(entry, str | os.PathLike):
        raise UsageError(
            f"{type(entry).__name__} is not an input. Give paths, Pillow images, arrays or Samples."
        )
    text = os.fspath(entry)
    if not text:
        raise UsageError("An input is an empty text. Name a file or folder; '.' is this folder.")
    if any(character in text for character in "*?[") and not exists(Path(text)):
        yield from _expand_glob(text, search)
    else:
        yield from _expand_path(Path(text), search)


def _expand_path(path: Path, search: _Search) -> Iterator[Item]:
    if is_folder(path):
        whole = is_whole(path, search.loaders)
        yield from [_file_item(path)] if whole else _expand_folder(path, search.loaders)
    elif path.suffix.lower() in MANIFEST_SUFFIXES:
        yield from read_manifest(path, search.roots)
    else:
        yield _file_item(path)


def _file_item(path: Path) -> Item:
    return Item(path.absolute().as_posix(), path.as_posix(), path)


def _expand_glob(pattern: str, search: _Search) -> Iterator[Item]:
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
            yield from _expand_path(path, search)
        except UsageError as error:  # one folder without images does not end the job
            yield Item(path.as_posix(), path.as_posix(), fault=str(error))


def _expand_folder(folder: Path, loaders: Sequence[LoaderSpec]) -> Iterator[Item]:
    found = False
    closed: list[OSError] = []
    for parent, names, file_names in os.walk(folder, onerror=closed.append):  # follows no links
        inside = [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        whole = [path for path in inside if is_whole(path, loaders) and not is_link(path)]
        names[:] = [path.name for path in inside if path not in whole]
        paths = [Path(parent, name) for name in sorted(file_names) if not name.startswith(".")]
        specs = [(path, loader_in_folder(path, loaders)) for path in paths]
        found |= bool(whole)
        yield from map(_file_item, whole)
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
        endings = " ".join(
            sorted({s for spec in loaders if not spec.only_named for s in spec.endings})
        )
        raise UsageError(
            f"No file under {folder} has one of the endings {endings}. "
            "Check the folder, or name another --domain."
        )


def read_manifest(path: Path, roots: Sequence[Path] = ()) -> Iterator[Item]:
    """Yield one item a row of a CSV or JSON Lines file; paths are relative to the file.

    A row needs a column ``image``, ``path``, ``file`` or ``filename``. Its other columns become
    metadata. With the columns of ``manifest_windows`` it means a part of a large file. A row that
    cannot be read becomes an item with a fault, and so does one that names a file outside the
    manifest's folder, the current folder and ``roots``: whoever wrote the manifest does not choose
    what is read of the rest of the disk. Paths are compared as they are written; a link inside
    these folders may lead out of them.

    Raises:
        UsageError: the file cannot be read at all or no row has a path.
    """
    yield from items_of_rows(path, read_rows(path), roots)


def items_of_rows(
    manifest: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], roots: Sequence[Path] = ()
) -> Iterator[Item]:
    """Yield one item a row, by the rules of :func:`read_manifest`.

    Args:
        manifest: the file that the rows are from.
        rows: with their numbers.
        roots: as of :func:`read_manifest`.
    """
    allowed = [_written_out(folder) for folder in (manifest.parent, Path(), *roots)]
    for number, row in rows:
        yield _manifest_item(manifest, number, row, allowed)


def _manifest_item(
    manifest: Path, number: int, row: Mapping[str, Any], allowed: Sequence[Path]
) -> Item:
    column = path_column(row)
    if column is None:
        fault = str(row.get(FAULT, "the row names no image. Fill its path column."))
        name = f"{manifest.as_posix()}:{number}"
        return Item(name, name, fault=fault)
    metadata = {k: v for k, v in row.items() if k not in (column, "id") and v not in (None, "")}
    found = manifest.parent / str(row[column])
    if ".." in found.parts:  # what is compared below is what is read, where a folder is a link
        found = Path(os.path.normpath(found))
    own_id = row.get("id")
    identity = found.absolute().as_posix() if own_id in (None, "") else str(own_id)
    try:
        window = window_of(row)
    except ValueError as error:
        return Item(f"{identity}:{number}", found.as_posix(), fault=str(error), metadata=metadata)
    if window is not None and own_id in (None, ""):
        identity = window_id(identity, window)
    target = _written_out(found)
    if not any(target.is_relative_to(folder) for folder in allowed):
        fault = (
            f"its manifest names {str(row[column])!r}, which lies outside the manifest's folder. "
            f"If you want it read: --root {shlex.quote(str(target.parent))}"
        )
        return Item(identity, found.as_posix(), fault=fault, metadata=metadata)
    return Item(identity, found.as_posix(), found, metadata=metadata, window=window)


def _written_out(path: Path) -> Path:
    """Return an absolute path without ``..``; links stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _hidden(path: Path, named: set[str]) -> bool:
    return any(part.startswith(".") and part not in named for part in path.parts)
