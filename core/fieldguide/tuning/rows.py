"""The rows of a manifest or folder as a training sees them: an image, its label and its texts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import is_folder, utf8_text
from fieldguide.data.inputs import filter_row, read_manifest
from fieldguide.data.manifest_windows import window_id
from fieldguide.data.manifests import MANIFEST_SUFFIXES
from fieldguide.errors import FieldguideError, LoadError, UsageError
from fieldguide.tuning.splits import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.privacy.names import PrivateNames

LABEL = "label"
CAPTIONS = "captions"
SPLIT = "split"
MAX_TEXTS_AN_IMAGE = 256
NO_TEXT = frozenset({"", "nan", "none", "null", "n/a"})
"""What tables write where there is no text, in lower case."""

Converter = Callable[[Mapping[str, Any]], str | Sequence[str]]


@dataclass(frozen=True)
class Columns:
    """Which columns of a manifest say what.

    Attributes:
        label: the class.
        captions: a text or a list of texts.
        group: what was photographed together and must not be divided: a patient, a site; "path"
            for the parts of one file.
        split: train, val or test.
        attributes: numbers from -1 to 1, such as findings.
        same: rows that agree in all of these belong together.
    """

    label: str = LABEL
    captions: str = CAPTIONS
    group: str | None = None
    split: str = SPLIT
    attributes: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


@dataclass
class Row:
    """One image and what its manifest says of it.

    Attributes:
        label: its class, or "".
        captions: its texts, cleaned; none where there are none.
        group: the value of the group column, or "".
        split: "train", "val", "test", or "" where nothing says so.
        attributes: numbers of the attribute columns, 0 where one is empty.
        same: the values of the columns that make images the same, or None where all are empty.
    """

    item: Item
    label: str = ""
    captions: list[str] = field(default_factory=list)
    group: str = ""
    split: str = ""
    attributes: tuple[float, ...] = ()
    same: tuple[str, ...] | None = None


def find_rows(guide: Guide, inputs: Any) -> list[Item]:
    """Return one item a row of a manifest, also where several rows name one image.

    A folder without a manifest is read as well: its folders are the labels, within folders named
    train, val or test where there are such.

    Raises:
        UsageError: nothing can be read.
    """
    path = Path(inputs) if isinstance(inputs, str | Path) else None
    if path is not None and is_folder(path):
        return [_labelled_by_folder(item, path) for item in guide.find(path)]
    if path is not None and path.suffix.lower() in MANIFEST_SUFFIXES:
        return list(read_manifest(path, guide.roots))
    return guide.find(inputs)


def _labelled_by_folder(item: Item, root: Path) -> Item:
    if item.path is None or item.fault is not None:
        return item
    folders = list(item.path.absolute().relative_to(root.absolute()).parts[:-1])
    metadata = dict(item.metadata)
    if folders and folders[0].lower() in NAMES:
        metadata[SPLIT] = folders.pop(0)
    if folders:
        metadata[LABEL] = folders[0]
    return replace(item, metadata=metadata)


@dataclass
class Rows:
    """Rows by their files, and those that were left out.

    Attributes:
        kept: one an image, in order.
        faults: what was left out, and why.
        no_caption: images whose captions could not be made, and why.
        private: keeps names out of what is said of rows; None where files are named.
    """

    columns: Columns
    converter: Converter | None = None
    kept: dict[str, Row] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    no_caption: list[tuple[str, str]] = field(default_factory=list)
    private: PrivateNames | None = None
    _places: dict[str, str] = field(default_factory=dict)

    def add_all(self, items: Sequence[Item]) -> None:
        """Take rows in; those of a private domain go on under their ids."""
        columns = self.columns
        named = (columns.label, columns.captions, columns.split, *columns.attributes)
        hidden = items if self.private is None else self.private.hide(items, named)
        for item, shown in zip(items, hidden, strict=True):
            self.add(item, shown)

    def add(self, item: Item, shown: Item) -> None:
        """Take one row in; several rows of one image become one with all their captions.

        Args:
            item: as its manifest has it.
            shown: as it goes on.
        """
        try:
            if item.fault is not None:
                raise LoadError(item.fault)
            row = self._read(item, shown)
            place = _place(shown)
            if self._places.setdefault(shown.id, place) != place:
                raise LoadError(f"the id {shown.id!r} was used before. Give each file its own.")
            before = self.kept.setdefault(place, row)
            if before is not row:
                _merge(before, row, self.columns)
        except LoadError as error:
            self.faults.append((shown.name, self._said(error)))

    def _said(self, error: Exception) -> str:
        return str(error) if self.private is None else self.private.scrub(str(error))

    def _read(self, item: Item, shown: Item) -> Row:
        columns, about = self.columns, item.metadata
        row = Row(
            shown,
            label=one_text(about, columns.label),
            group="" if columns.group is None else one_text(filter_row(shown), columns.group),
            split=one_text(about, columns.split),
            attributes=tuple(attribute_number(about, column) for column in columns.attributes),
            same=_same(about, columns.same),
        )
        row.captions = self._captions(item, shown, row.label)
        return row

    def _captions(self, item: Item, shown: Item, label: str) -> list[str]:
        if self.converter is None:
            return texts_of(item.metadata.get(self.columns.captions), self.columns.captions)
        record = dict(item.metadata) | ({LABEL: label} if label else {})
        if shown.path is not None:
            record["path"] = shown.path.as_posix()
        try:
            return texts_of(self.converter(record), "caption")
        except FieldguideError as error:
            reason = self._said(error)
        except Exception as error:  # noqa: BLE001 - a converter may be anybody's
            reason = f"unexpected {type(error).__name__}: {self._said(error)}"
        self.no_caption.append((shown.name, reason))
        return []


def _place(item: Item) -> str:
    """Return what two rows of one image share: its file, and the part of it that is meant."""
    if item.path is None:
        return item.id
    path = item.path.absolute().as_posix()
    return path if item.window is None else window_id(path, item.window)


def one_text(record: Mapping[str, Any], column: str) -> str:
    """Return a cell that holds one short text or number; "" where it is empty.

    Raises:
        LoadError: it holds a list or an object.
    """
    value = record.get(column)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise LoadError(f"its {column!r} is a {kind}, not one text. Correct the row.")
    return clean(str(value))


def texts_of(value: Any, column: str) -> list[str]:
    """Return the texts of a cell, without empty ones and without doubles.

    Raises:
        LoadError: it holds something other than a text or a list of texts.

    >>> texts_of(["A cat. ", "", None, "a  dog", "A cat."], "captions")
    ['A cat.', 'a dog']
    """
    values = [value] if isinstance(value, str | int | float) or value is None else value
    if not isinstance(values, list | tuple) or not all(_is_cell(each) for each in values):
        raise LoadError(f"its {column!r} is neither a text nor a list of texts. Correct the row.")
    texts = [clean(str(each)) for each in values if each is not None]
    for text in texts:
        if text.startswith(("['", '["')) and text.endswith("]"):
            raise LoadError(
                f"its {column!r} is a list written out as one text. Save the manifest as JSON "
                "Lines, or give each caption a row of its own."
            )
    return _distinct(text for text in texts if text.casefold() not in NO_TEXT)


def _distinct(texts: Iterable[str]) -> list[str]:
    kept = list(dict.fromkeys(texts))
    if len(kept) > MAX_TEXTS_AN_IMAGE:
        raise LoadError(f"it has {len(kept)} texts, more than {MAX_TEXTS_AN_IMAGE}. Keep fewer.")
    return kept


def clean(text: str) -> str:
    r"""Return a text on one line, without control characters, that can be stored.

    >>> clean(" a\tcaf\u0065\u0301\n\x00 ")
    'a café'
    """
    composed = unicodedata.normalize("NFC", utf8_text(text))
    spaced = "".join(" " if unicodedata.category(c) == "Cc" else c for c in composed)
    return " ".join(spaced.split())


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def attribute_number(record: Mapping[str, Any], column: str) -> float:
    """Return what a row says of an attribute, from -1 to 1; 0 where it says nothing.

    Raises:
        LoadError: it is no such number.
    """
    value = record.get(column)
    if value is None:
        return 0.0
    number = float(value) if isinstance(value, int | float) else math.nan
    if not -1 <= number <= 1:
        raise LoadError(f"its {column!r} is {value!r}, no number from -1 to 1. Correct the row.")
    return number


def _same(record: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...] | None:
    values = tuple(one_text(record, column) for column in columns)
    return values if any(values) else None


def _merge(first: Row, second: Row, columns: Columns) -> None:
    """Add the captions of a second row of the same image.

    Raises:
        LoadError: the two rows contradict each other.
    """
    for name, column in (("label", columns.label), ("split", columns.split),
                         ("group", columns.group)):  # fmt: skip
        before, now = getattr(first, name), getattr(second, name)
        if before and now and before != now:
            raise LoadError(
                f"an earlier row of the same file has the {column} {before!r}, this one {now!r}. "
                "Keep one."
            )
        setattr(first, name, before or now)
    first.captions = _distinct([*first.captions, *second.captions])


def summary(faults: Sequence[tuple[str, str]], most: int = 3) -> str:
    """Return the first of some faults as text."""
    return "; ".join(_named(faults[:most])) + ("; ..." if len(faults) > most else "")


def _named(faults: Sequence[tuple[str, str]]) -> Iterator[str]:
    return (f"{name}: {reason}" for name, reason in faults)


def require_some(rows: Rows, inputs: Any) -> None:
    """Raise UsageError when no row can be used."""
    if rows.kept:
        return
    if not rows.faults:
        raise UsageError(f"{inputs} has no row that fits. Change --where.")
    raise UsageError(f"No row of {inputs} can be used. {summary(rows.faults)}")
