"""The files of INQUIRE's full ranking, as its authors give them away.

::

    inquire/inquire_queries_test.csv   query_id, query_text, supercategory, category, iconic_group
    inquire/inquire_annotations.csv    query_id, image_id, image_path
    inat24/train/00001_.../UUID.jpg    the photographs, or
    inat24.fg                          an index of them: fieldguide index inat24/train -o inat24.fg
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.archive_search import Archive, Passing
from fieldguide.benchmarks.measured import failures
from fieldguide.benchmarks.published_files import absent, incomplete
from fieldguide.benchmarks.query_figures import SearchQuery
from fieldguide.data.files import exists, is_folder
from fieldguide.data.inputs import Item
from fieldguide.data.manifests import FAULT, read_table
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import require_same_space
from fieldguide.retrieval.corpus_file import matrix_of
from fieldguide.retrieval.lance_index import open_lance_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import SpaceId, Vectors

TITLE = "INQUIRE-Fullrank"
IMAGES = 5_000_000
"""Of iNat24, as the authors count them."""

GROUPINGS = ("supercategory", "category", "iconic_group")
SPLIT = "test"
FOLDERS = ("inat24/train", "train", "inat24")
INDEXES = ("inat24.fg", "inat24/inat24.fg")
ENDINGS = (".jpg", ".jpeg")
ITEMS_AT_ONCE = 4096


@dataclass(frozen=True)
class InquireArchive:
    """See ``archive_search.ArchiveSet``.

    Attributes:
        name: of its record in the registry.
        split: whose queries are asked, "test" or "val".
        images: how many the whole archive has.
    """

    name: str
    split: str = SPLIT
    images: int = IMAGES

    def find(self, root: Path, *, whole: bool) -> Archive:
        """See ``ArchiveSet``."""
        queries = read_queries(self._file(root, f"inquire_queries_{self.split}.csv"))
        relevant = read_annotations(self._file(root, "inquire_annotations.csv"))
        index = next((root / n for n in INDEXES if exists(root / n / "index.json")), None)
        folder = next((root / n for n in FOLDERS if is_folder(root / n)), None)
        if index is not None:
            found, source = len(open_lance_index(index)), f"the index {index.name}"
        elif folder is not None:
            found, source = sum(1 for _ in photographs(folder)), "embedded as they are read"
        else:
            raise UsageError(self._absent(root))
        if found > self.images or not found or (whole and found < self.images):
            text = f"{found} of {self.images} images"
            raise UsageError(incomplete(root, TITLE, text, more=found > self.images))
        asked = tuple(query for query in queries if relevant.get(query.key))

        def embed(guide: Guide, space: SpaceId) -> Passing:
            if index is not None:
                return from_index(index, space)
            if folder is None:
                raise UsageError(self._absent(root))
            return from_files(guide, folder)

        return Archive(asked, relevant, self.images, found, source, embed, image_key)

    def _file(self, root: Path, name: str) -> Path:
        for path in (root / "inquire" / name, root / name):
            if exists(path):
                return path
        raise UsageError(self._absent(root))

    def _absent(self, root: Path) -> str:
        expected = (
            f"inquire/inquire_queries_{self.split}.csv and inquire/inquire_annotations.csv beside "
            "the folder inat24/train/ or an index inat24.fg of it"
        )
        return absent(root, TITLE, expected, self.name)


def image_key(path: str) -> str:
    """Return what a photograph is called wherever the archive lies: its folder and its file.

    >>> image_key("/data/inat24/train/04686_Mungos_mungo/903be103.jpg")
    '04686_Mungos_mungo/903be103.jpg'
    """
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])


def read_queries(file: Path) -> list[SearchQuery]:
    """Return the queries of a published file.

    Raises:
        UsageError: it cannot be read or is not of the published form.
    """
    found: dict[str, SearchQuery] = {}
    for number, row in read_table(file):
        key, text = (_cell(file, number, row, name) for name in ("query_id", "query_text"))
        if key in found:
            raise _misshapen(file, number, f"the query {key} is there twice")
        groups = {name: str(row[name]) for name in GROUPINGS if row.get(name) not in (None, "")}
        found[key] = SearchQuery(key, text, groups)
    return list(found.values())


def read_annotations(file: Path) -> dict[str, frozenset[str]]:
    """Return the keys of the right images of each query.

    Raises:
        UsageError: the file cannot be read or is not of the published form.
    """
    found: dict[str, set[str]] = {}
    for number, row in read_table(file):
        key, path = (_cell(file, number, row, name) for name in ("query_id", "image_path"))
        found.setdefault(key, set()).add(image_key(path))
    return {key: frozenset(images) for key, images in found.items()}


def photographs(folder: Path) -> Iterator[Item]:
    """Yield the photographs below a folder in a stable order, without holding all their names."""
    for parent, names, files in os.walk(folder):  # follows no links
        names.sort()
        for name in sorted(files):
            if name.lower().endswith(ENDINGS):
                path = folder.__class__(parent, name)
                yield Item(path.absolute().as_posix(), path.as_posix(), path)


def from_index(index: Path, space: SpaceId) -> Passing:
    """Return the images of an index as they pass by.

    Raises:
        SpaceMismatchError: it holds vectors of another model.
    """
    store = open_lance_index(index)
    require_same_space(store.space, space, f"The index {index}")

    def blocks() -> Iterator[tuple[Sequence[str], Vectors]]:
        for batch in store.snapshot().scan(["path", "vector"]):
            yield batch.column("path").to_pylist(), matrix_of(batch, space.dim)

    return Passing(blocks())


def from_files(guide: Guide, folder: Path) -> Passing:
    """Return the photographs of a folder as they pass by; nothing of them is kept."""
    failed: list[Mapping[str, str]] = []

    def blocks() -> Iterator[tuple[Sequence[str], Vectors]]:
        for items in _chunks(photographs(folder)):
            plan = guide.planner.plan(items, thumbnails=False)
            for batch in guide.encode(items, plan):
                failed.extend(failures(batch.failed))
                if batch.embeddings is not None:
                    names = [row.item.name for row in batch.encoded]
                    yield names, batch.embeddings.vectors

    return Passing(blocks(), failed)


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    some: list[Item] = []
    for item in items:
        some.append(item)
        if len(some) == ITEMS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _cell(file: Path, number: int, row: Mapping[str, Any], name: str) -> str:
    if fault := row.get(FAULT):
        raise _misshapen(file, number, str(fault))
    text = str(row.get(name, "")).strip()
    if not text:
        raise _misshapen(file, number, f"it has no {name}")
    return text


def _misshapen(file: Path, number: int, fault: str) -> UsageError:
    return UsageError(
        f"{file}, line {number}, is no row of INQUIRE: {fault}. Get the published file again: "
        "fieldguide benchmark inquire_fullrank --how-to-get"
    )
