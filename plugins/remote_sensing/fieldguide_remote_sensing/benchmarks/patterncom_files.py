"""PatternCom: which images of PatternNet have which colour, shape, density and so on.

Psomas et al. 2024, "Composed Image Retrieval for Remote Sensing", arXiv:2405.15587, in the layout
in which the authors give it away: six CSV files without a header, a row an image, with the file
name, the attribute and its value, beside the images of PatternNet (Zhou et al. 2018,
arXiv:1706.03424). What is one class, and which rows share their values, is as in the authors'
``utils.py`` (Apache-2.0).
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.benchmarks.published_files import absent, incomplete
from fieldguide.data.files import exists, is_folder, read_bounded
from fieldguide.data.inputs import Item
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DATASET = "patterncom"
TITLE = "PatternCom"
ATTRIBUTES = ("color", "context", "density", "existence", "quantity", "shape")
IMAGES = 30_400
MAX_CSV_BYTES = 64 * 2**20
ONE_CLASS: Mapping[str, str] = {
    "denseresidential": "residential",
    "sparseresidential": "residential",
    "closedroad": "road",
    "intersection": "road",
    "bridge": "roadpass",
    "overpass": "roadpass",
    "ferryterminal": "pier",
    "harbor": "pier",
    "parkingspace": "parking",
    "parkinglot": "parking",
}
"""Classes of PatternNet that differ by an attribute only and so are one class here."""
SHARED_VALUES: Mapping[str, frozenset[str]] = {
    "density": frozenset({"denseresidential", "sparseresidential"}),
    "shape": frozenset({"closedroad", "intersection"}),
    "context": frozenset({"bridge", "overpass"}),
    "existence": frozenset({"ferryterminal", "harbor", "parkingspace", "parkinglot"}),
}
"""Classes whose queries ask for each other's values, by attribute; others ask within their own."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row of an attribute's file.

    Attributes:
        image: the file's name, without its folder.
        attribute: such as "color".
        value: such as "blue": the words of a query.
    """

    image: str
    attribute: str
    value: str

    @property
    def own_class(self) -> str:
        """The class of PatternNet, which its file names begin with."""
        return re.split(r"\d", self.image)[0].replace("_", "")

    @property
    def one_class(self) -> str:
        """The class an answer must share."""
        return ONE_CLASS.get(self.own_class, self.own_class)


@dataclass(frozen=True, slots=True)
class Query:
    """An image and what should be different about it.

    Attributes:
        image: the file's name.
        text: the value that is asked for.
        relevant: file names of the same class whose value is the text.
    """

    image: str
    text: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class PatternCom:
    """The archive and the annotations.

    Attributes:
        items: the images that are searched.
        annotations: rows by attribute, only of images that are there.
        missing: names of annotated images that are not.
    """

    items: tuple[Item, ...]
    annotations: Mapping[str, tuple[Annotation, ...]]
    missing: tuple[str, ...]


def find_patterncom(root: Path, *, subset: bool = False) -> PatternCom:
    """Return what a folder holds of PatternNet and PatternCom.

    Args:
        root: holds ``images/`` and ``PatternCom/``, or a folder ``PatternNet`` that does.
        subset: take what is there of the images.

    Raises:
        UsageError: it is not there, not whole, or a file is not of this form.
    """
    base = root / "PatternNet" if is_folder(root / "PatternNet") else root
    folder, tables = base / "images", base / "PatternCom"
    if not is_folder(folder) or not is_folder(tables):
        expected = "the folders images/ (PatternNet) and PatternCom/ with its six CSV files"
        raise UsageError(absent(root, TITLE, expected, DATASET))
    lacking = [name for name in ATTRIBUTES if not exists(tables / f"{name}.csv")]
    if lacking:
        files = ", ".join(f"{name}.csv" for name in lacking)
        raise UsageError(incomplete(tables, TITLE, f"{files} missing"))
    paths = sorted(path for path in folder.rglob("*.jpg") if not path.name.startswith("."))
    items = {path.name: Item(path.absolute().as_posix(), path.as_posix(), path) for path in paths}
    rows = {name: read_attribute(tables / f"{name}.csv") for name in ATTRIBUTES}
    missing = dict.fromkeys(r.image for own in rows.values() for r in own if r.image not in items)
    if not items or len(items) > IMAGES or (not subset and (missing or len(items) != IMAGES)):
        text = f"{len(items)} of {IMAGES} images"
        more = len(items) > IMAGES
        raise UsageError(incomplete(folder, "PatternNet", text, list(missing), more=more))
    there = {n: tuple(r for r in own if r.image in items) for n, own in rows.items()}
    return PatternCom(tuple(items.values()), there, tuple(missing))


def read_attribute(path: Path) -> tuple[Annotation, ...]:
    """Return the rows of one attribute's file.

    Raises:
        UsageError: it cannot be read, has no rows, or a row has not three filled cells.
    """
    try:
        text = read_bounded(path, MAX_CSV_BYTES).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except LoadError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV in UTF-8: {error}. Get it again.") from error
    found = []
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if (
            len(cells) < 3
            or not all(cells[:3])
            or "/" in cells[0]
            or not re.search(r"\d", cells[0])
        ):
            raise UsageError(
                f"{path}, row {number}: {row} is no file name, attribute and value. Get the "
                "published file again; it has no header."
            )
        found.append(Annotation(*cells[:3]))
    if not found:
        raise UsageError(f"{path} has no rows. Get the published file again.")
    return tuple(found)


def make_queries(annotations: Sequence[Annotation]) -> Iterator[Query]:
    """Yield every image of an attribute with every other value that its class has.

    An image that is listed twice answers with its last value, as in the authors' code.

    Args:
        annotations: all rows of one attribute.
    """
    values: dict[str, dict[str, None]] = {}
    last = {row.image: row for row in annotations}
    answers: dict[tuple[str, str], set[str]] = {}
    for row in annotations:
        values.setdefault(_asks_among(row), {})[row.value] = None
    for row in last.values():
        answers.setdefault((row.one_class, row.value), set()).add(row.image)
    for row in annotations:
        for value in values[_asks_among(row)]:
            relevant = answers.get((row.one_class, value), set())
            if value != row.value:
                yield Query(row.image, value, frozenset(relevant))


def _asks_among(row: Annotation) -> str:
    """Return what rows share whose values are asked for: attribute and class, or merged class."""
    shared = row.own_class in SHARED_VALUES.get(row.attribute, ())
    return f"{row.attribute} {row.one_class if shared else row.own_class}"
