"""Writes predictions as Darwin Core: a table, or an archive with its metadata.

The archive follows the Darwin Core text guide (https://dwc.tdwg.org/text/): ``meta.xml`` says which
column of ``occurrence.txt`` and ``multimedia.txt`` has which term, ``eml.xml`` tells of the data
set. Cells are separated by tabs and have no quotes, so that tabs and line breaks in names become
blanks.
"""

from __future__ import annotations

import datetime
import logging
import re
import zipfile
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET  # writes only: nothing foreign is parsed

from fieldguide.data.files import atomic_path, utf8_text
from fieldguide.writers.tables import write_csv_rows
from fieldguide_biodiversity.outputs.occurrences import MEDIA_TERMS, TERMS, occurrences_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fieldguide.results import Predictions
    from fieldguide_biodiversity.outputs.occurrences import Occurrences

DWC = "http://rs.tdwg.org/dwc/terms/"
DC = "http://purl.org/dc/terms/"
ROW_TYPE = f"{DWC}Occurrence"
MEDIA_ROW_TYPE = "http://rs.gbif.org/terms/1.0/Multimedia"
TEXT = "http://rs.tdwg.org/dwc/text/"
EML = "https://eml.ecoinformatics.org/eml-2.2.0"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""Of files in the archive: the same rows are the same bytes."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")

logger = logging.getLogger(__name__)


def write_occurrence_csv(result: Predictions, path: Path) -> dict[str, Any]:
    """Write the occurrences as CSV with the terms of Darwin Core as columns.

    Returns:
        How many rows are occurrences, and how many are none, by reason.

    Raises:
        StoreError: the file cannot be written.
    """
    found = occurrences_of(result)
    write_csv_rows(path, TERMS, found.rows, line_end="\n")
    _tell(path, found)
    return found.counts


def write_archive(result: Predictions, path: Path) -> dict[str, Any]:
    """Write the occurrences and their pictures' names as a Darwin Core archive.

    Returns:
        How many rows are occurrences, and how many are none, by reason.

    Raises:
        StoreError: the file cannot be written.
    """
    found = occurrences_of(result)
    media = [{"coreid": row["occurrenceID"], **about} for row, about in _paired(found)]
    files = {
        "meta.xml": _meta_xml(),
        "eml.xml": _eml_xml(result.provenance, found),
        "occurrence.txt": _lines(TERMS, found.rows),
        "multimedia.txt": _lines(("coreid", *MEDIA_TERMS), media),
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, SAME_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, utf8_text(text).encode())
    _tell(path, found)
    return found.counts


def _paired(found: Occurrences) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    return zip(found.rows, found.media, strict=True)


def _lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return lines of cells between tabs, the first with the names of the columns."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row.get(column, "")) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return _BREAKS.sub(" ", str(value)).strip()


def _meta_xml() -> str:
    archive = ET.Element("archive", {"xmlns": TEXT, "metadata": "eml.xml"})
    core = _described(archive, "core", ROW_TYPE, "occurrence.txt")
    ET.SubElement(core, "id", {"index": "0"})
    for place, term in enumerate(TERMS):
        ET.SubElement(core, "field", {"index": str(place), "term": DWC + term})
    extension = _described(archive, "extension", MEDIA_ROW_TYPE, "multimedia.txt")
    ET.SubElement(extension, "coreid", {"index": "0"})
    for place, term in enumerate(MEDIA_TERMS, start=1):
        ET.SubElement(extension, "field", {"index": str(place), "term": DC + term})
    return _xml_text(archive)


def _described(archive: ET.Element, tag: str, row_type: str, name: str) -> ET.Element:
    dialect = {
        "encoding": "UTF-8",
        "fieldsTerminatedBy": "\\t",
        "linesTerminatedBy": "\\n",
        "fieldsEnclosedBy": "",
        "ignoreHeaderLines": "1",
        "rowType": row_type,
    }
    table = ET.SubElement(archive, tag, dialect)
    ET.SubElement(ET.SubElement(table, "files"), "location").text = name
    return table


def _eml_xml(provenance: Mapping[str, Any], found: Occurrences) -> str:
    """Return what a data set must say of itself, and that people have to complete it."""
    model = (provenance.get("model") or {}).get("name") or "a model"
    made_at = str(provenance.get("made_at") or datetime.datetime.now(datetime.UTC).isoformat())
    eml = ET.Element(
        "eml:eml", {"xmlns:eml": EML, "packageId": f"fieldguide-{made_at}", "system": "fieldguide"}
    )
    dataset = ET.SubElement(eml, "dataset")
    _text(dataset, "title", f"Unverified occurrences in images, named by {model}")
    _text(ET.SubElement(dataset, "creator"), "organizationName", "fieldguide")
    _text(dataset, "pubDate", made_at[:10])
    _text(dataset, "language", "en")
    left_out = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    _text(
        ET.SubElement(dataset, "abstract"),
        "para",
        f"{len(found.rows)} machine observations that no person has verified. Not among them: "
        f"{left_out or 'none'}. Before you publish: verify the names, and replace title, creator "
        "and contact and add a licence.",
    )
    _text(ET.SubElement(dataset, "contact"), "organizationName", "fieldguide")
    return _xml_text(eml)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _NOT_XML.sub("", text)


def _xml_text(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _tell(path: Path, found: Occurrences) -> None:
    if found.left_out:
        counts = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        advice = "" if found.rows else " Choose from taxa: --clade or --taxonomy."
        logger.warning(
            "%s: %d rows are no occurrences (%s).%s", path, found.left_out.total(), counts, advice
        )
