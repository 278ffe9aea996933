r"""``meta.xml``: how the tables of a Darwin Core archive are written.

Darwin Core Maintenance Group 2021, "Darwin Core text guide" (http://rs.tdwg.org/dwc/terms/guides/text/):
its defaults are commas, ``\n``, double quotes, UTF-8 and no header.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fieldguide.data.files import leads_out
from fieldguide.errors import LoadError
from fieldguide_biodiversity.checklists.delimited import MAX_COLUMNS, Dialect, plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

NAME = "meta.xml"
MAX_TABLES = 1000
_WRITTEN = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "\\|": "|", '\\"': '"'}
_LINES = ("\n", "\r\n", "\r", "")


@dataclass(frozen=True)
class DescribedTable:
    """One table of an archive, in one file or several.

    Attributes:
        row_type: the last word of its class: ``taxon``, ``vernacularname`` ...; lower case.
        files: relative to the folder of meta.xml.
        dialect: with the terms of its columns, in lower case and without vocabulary, as names.
        id_place: of the column by which an extension's rows belong to the core's, or None.
        defaults: values of terms that have no column, or where their column is empty.
    """

    row_type: str
    files: tuple[str, ...]
    dialect: Dialect
    id_place: int | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Descriptor:
    """What a meta.xml says.

    Attributes:
        core: its main table.
        extensions: tables that belong to it.
        metadata: the file that describes the data set, or empty.
    """

    core: DescribedTable
    extensions: tuple[DescribedTable, ...] = ()
    metadata: str = ""


def read_descriptor(content: bytes) -> Descriptor:
    """Return what a meta.xml says.

    Raises:
        LoadError: it is not such XML, declares entities, or asks for what cannot be read.
    """
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise LoadError(
            f"it has a {NAME} that declares a document type or entities, which it does not need "
            "and which can fill the memory or read other files. Remove the declaration."
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise LoadError(f"it has a {NAME} that is not XML: {error}. Export it again.") from error
    tables = [element for element in root if _tag(element) in ("core", "extension")]
    cores = [_table(element) for element in tables if _tag(element) == "core"]
    if len(cores) != 1 or len(tables) > MAX_TABLES:
        raise LoadError(f"it has a {NAME} with {len(cores)} cores. A Darwin Core archive has one.")
    extensions = [_table(element) for element in tables if _tag(element) == "extension"]
    return Descriptor(cores[0], tuple(extensions), root.get("metadata", ""))


def _table(element: Element) -> DescribedTable:
    files = tuple(
        (location.text or "").strip() for location in element.iter() if _tag(location) == "location"
    )
    for name in files:
        if leads_out(name) or not name:
            raise LoadError(
                f"it has a {NAME} that names the file {name!r}, outside of it. Correct the name."
            )
    if not files:
        raise LoadError(f"it has a {NAME} with a table that names no file. Export it again.")
    names, defaults = _columns(element)
    places = [child.get("index") for child in element if _tag(child) in ("id", "coreid")]
    return DescribedTable(
        row_type=plain_name(element.get("rowType", "")),
        files=files,
        dialect=_dialect(element, names),
        id_place=_number(places[0], "index") if places and places[0] is not None else None,
        defaults=defaults,
    )


def _dialect(element: Element, names: tuple[str, ...]) -> Dialect:
    delimiter = _character(element, "fieldsTerminatedBy", ",")
    quote = _character(element, "fieldsEnclosedBy", '"')
    lines = element.get("linesTerminatedBy", "\\n")
    if len(delimiter) != 1 or len(quote) > 1 or _WRITTEN.get(lines, lines).strip(" ") not in _LINES:
        raise LoadError(
            f"it has a {NAME} with a table of fields ended by {delimiter!r}, quoted by {quote!r}, "
            f"and lines ended by {lines!r}. Fields end with one character, and lines with a new "
            "line: convert the table."
        )
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        encoding=element.get("encoding") or "utf-8",
        header_lines=_number(element.get("ignoreHeaderLines") or "0", "ignoreHeaderLines"),
        names=names,
        nulls=("", "\\N"),
    )


def _character(element: Element, attribute: str, default: str) -> str:
    given = element.get(attribute, default)
    return _WRITTEN.get(given, given)


def _columns(element: Element) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return names by place, with gaps filled, and the values of terms that have no column."""
    names: dict[int, str] = {}
    defaults: dict[str, str] = {}
    for child in element:
        if _tag(child) != "field":
            continue
        term, index = plain_name(child.get("term", "")), child.get("index")
        if index is not None:
            names[_number(index, "index")] = term
        if child.get("default"):
            defaults[term] = child.get("default", "")
    width = max(names, default=-1) + 1
    return tuple(names.get(place, f"#{place}") for place in range(width)), defaults


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or int(text) >= MAX_COLUMNS:
        raise LoadError(f"it has a {NAME} where {what} is {text[:20]!r}. Correct it.")
    return int(text)


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
