"""What a user names becomes records: annotation files, folders of them, manifests, images."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.boxes import USUAL_CONFIDENCE, Annotations
from fieldguide.captions.yolo import CLASS_FILES
from fieldguide.data.files import is_folder
from fieldguide.data.inputs import find_items, read_manifest
from fieldguide.data.loader_choice import loader_for
from fieldguide.data.manifests import MANIFEST_SUFFIXES
from fieldguide.errors import LoadError, UsageError
from fieldguide.specs import AnnotationReaderSpec, LoaderSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fieldguide.captions.class_lists import ClassList
    from fieldguide.data.inputs import Item
    from fieldguide.plugins import Catalog

LABEL = "label"
_NAMED = 3


@dataclass
class Records:
    """What captions are made of.

    Attributes:
        rows: one an image: what its manifest or annotation says, its ``path`` and its ``source``.
        skipped: image or annotation, and why it cannot be used.
        annotated: whether any row is from an annotation.
        has_files: whether any input is an annotation file, also one that cannot be used.
        annotations: what each annotation file holds.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    annotated: bool = False
    has_files: bool = False
    annotations: list[Annotations] = field(default_factory=list)

    def add(self, found: Annotations) -> None:
        """Take in the images of one annotation file, without boxes of little confidence."""
        self.annotated = True
        self.annotations.append(found)
        self.skipped += found.skipped
        for image in found.images:
            if lost := [fault for fault in image.faults if fault.counts(USUAL_CONFIDENCE)]:
                self.skipped.append((image.source, lost[0].reason))
                continue
            self.rows.append({
                **image.facts,
                "path": image.path,
                "source": image.source,
                "width": image.width_px,
                "height": image.height_px,
                "boxes": tuple(box for box in image.boxes if box.counts(USUAL_CONFIDENCE)),
                "labels": found.labels,
                "plurals": found.plurals,
            })  # fmt: skip

    def leave_out_doubled(self) -> None:
        """Leave out images that several annotations are of: no one of them has all objects."""
        sources: dict[str, list[str]] = defaultdict(list)
        for row in self.rows:
            if "boxes" in row:
                sources[_place(row)].append(str(row["source"]))
        doubled = {path: names for path, names in sources.items() if len(names) > 1}
        for path, names in doubled.items():
            reason = f"several annotations are of it: {', '.join(names[:_NAMED])}. Make them one."
            self.skipped.append((path, reason))
        self.rows = [row for row in self.rows if _place(row) not in doubled]


def _place(row: Mapping[str, Any]) -> str:
    return os.path.abspath(str(row["path"]))  # noqa: PTH100 - resolve() would follow links


@dataclass(frozen=True)
class AnnotationSearch:
    """How annotations are looked for and read.

    Attributes:
        readers: the formats that come into question.
        loaders: of images, for folders without annotations.
        classes: of the user, or None.
        images: folder of the images, or None for the formats' usual places.
        roots: folders of which manifests may name files, beside their own and the current one.
        label_column: of manifests.
    """

    readers: tuple[AnnotationReaderSpec, ...]
    loaders: tuple[LoaderSpec, ...]
    classes: ClassList | None = None
    images: Path | None = None
    roots: tuple[Path, ...] = ()
    label_column: str = LABEL

    def find(self, inputs: Iterable[str | Path]) -> Records:
        """Return one record an image.

        Raises:
            UsageError: an input has no annotation, manifest or image; a manifest cannot be read;
                or a format needs names of classes.
        """
        records = Records()
        for path in dict.fromkeys(map(Path, inputs)):
            if path.suffix.lower() in MANIFEST_SUFFIXES and not is_folder(path):
                self._add_rows(read_manifest(path, self.roots), records, path.as_posix())
            else:
                self._add_files(path, records)
        records.leave_out_doubled()
        return records

    def _add_files(self, path: Path, records: Records) -> None:
        items = self._annotation_items(path)
        if not items:
            self._add_rows(find_items(path, self.loaders), records, None)
            return
        chosen: dict[str, AnnotationReaderSpec] = {}
        for item in items:
            self._add_file(item, [each for each in items if each.path], chosen, records)

    def _annotation_items(self, path: Path) -> list[Item]:
        """Return the annotation files that an input names, or none where it names images."""
        specs = [
            LoaderSpec(name=spec.name, summary=spec.summary, target=spec.target,
                       suffixes=spec.suffixes) for spec in self.readers
        ]  # fmt: skip
        is_single = not is_folder(path) and not any(mark in str(path) for mark in "*?[")
        if is_single and loader_for(path, specs) is None and loader_for(path, self.loaders):
            return []
        try:
            items = find_items(path, specs)
        except UsageError:
            if len(self.loaders) == 0:
                raise
            return []
        return [item for item in items if item.path is None or item.path.name not in CLASS_FILES]

    def _add_file(
        self,
        item: Item,
        items: Sequence[Item],
        chosen: dict[str, AnnotationReaderSpec],
        records: Records,
    ) -> None:
        """Read one file; the format of an ending is chosen once for all files of an input."""
        records.has_files = True
        try:
            if item.path is None or item.fault is not None:
                raise LoadError(item.fault or "no file. Name a file.")
            suffix = item.path.suffix.lower()
            if suffix not in chosen:
                alike = [i.path for i in items if i.path and i.path.suffix.lower() == suffix]
                chosen[suffix] = self._reader(suffix, alike)
            read = chosen[suffix].load()
            records.add(read(item.path, classes=self.classes, images=self.images))
        except LoadError as error:
            records.annotations.append(Annotations(skipped=[(item.name, str(error))]))
            records.skipped.append((item.name, str(error)))

    def _reader(self, suffix: str, paths: Sequence[Path]) -> AnnotationReaderSpec:
        """Return the format of files with the same ending.

        Raises:
            LoadError: no format, or none that recognizes them.
        """
        fitting = [spec for spec in self.readers if suffix in spec.suffixes]
        if len(self.readers) == 1 or len(fitting) == 1:
            return (fitting or self.readers)[0]
        for path in paths:
            for spec in fitting:
                if spec.recognizes and spec.import_target(spec.recognizes)(path):
                    return spec
        names = " or ".join(f"--format {spec.name}" for spec in fitting or self.readers)
        raise LoadError(f"its format cannot be told. Say it: {names}")

    def _add_rows(self, items: Iterable[Item], records: Records, source: str | None) -> None:
        for item in items:
            if item.fault is not None or item.path is None:
                records.skipped.append((item.name, item.fault or "no file. Name a file."))
                continue
            row = dict(item.metadata)
            if self.label_column != LABEL:  # a column "label" is then about something else
                row.pop(LABEL, None)
            if self.label_column in row:
                row[LABEL] = row[self.label_column]
            own = {"path": item.path.as_posix(), "source": source or item.name}
            records.rows.append(row | own)


def search_for(
    catalog: Catalog, format_name: str | None = None, **settings: Any
) -> AnnotationSearch:
    """Return a search with the installed formats.

    Args:
        catalog: of what is installed.
        format_name: of one format; by default those that are known by their ending.
        **settings: fields of :class:`AnnotationSearch`.

    Raises:
        UnknownNameError: there is no such format.
    """
    offered = [s for s in catalog.methods.usable() if isinstance(s, AnnotationReaderSpec)]
    if format_name is None:
        readers = tuple(spec for spec in offered if spec.fits_by_suffix)
        return AnnotationSearch(readers, tuple(catalog.loaders.usable()), **settings)
    spec = catalog.methods[format_name]
    if not isinstance(spec, AnnotationReaderSpec):
        names = ", ".join(sorted(each.name for each in offered))
        raise UsageError(f"{format_name!r} is a {spec.role}, no format. There are: {names}.")
    return AnnotationSearch((spec,), (), **settings)
