"""What a checklist says of itself: title, version, address, licence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fieldguide.errors import LoadError
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide_biodiversity.checklists.container import find_name, read_small

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container

_LICENCES = (
    (re.compile(r"publicdomain/zero/1\.0|\bCC0\b", re.IGNORECASE), "CC0-1.0"),
    (re.compile(r"licenses/by-nc-sa/(\d\.\d)"), "CC-BY-NC-SA-{}"),
    (re.compile(r"licenses/by-nc-nd/(\d\.\d)"), "CC-BY-NC-ND-{}"),
    (re.compile(r"licenses/by-nc/(\d\.\d)"), "CC-BY-NC-{}"),
    (re.compile(r"licenses/by-sa/(\d\.\d)"), "CC-BY-SA-{}"),
    (re.compile(r"licenses/by/(\d\.\d)"), "CC-BY-{}"),
    (re.compile(r"^cc[ -]by[ -]nc\b(?:[ -](\d\.\d))?", re.IGNORECASE), "CC-BY-NC-{}"),
    (re.compile(r"^cc[ -]by\b(?:[ -](\d\.\d))?", re.IGNORECASE), "CC-BY-{}"),
)
_YAML_LINE = re.compile(r"^(title|alias|version|issued|doi|url|license):[ \t]*(.+?)[ \t]*$", re.M)
_CLOSED = 4.0


def spdx(text: str) -> str:
    """Return the SPDX identifier of a Creative Commons licence by its address or short name.

    >>> spdx("http://creativecommons.org/licenses/by/4.0/legalcode"), spdx("cc0"), spdx("ask us")
    ('CC-BY-4.0', 'CC0-1.0', 'unknown')
    """
    for pattern, name in _LICENCES:
        if found := pattern.search(text.strip()):
            return name.format(*(group or _CLOSED for group in found.groups()))
    return "unknown"


def about_archive(container: Container, metadata: str) -> TreeInfo:
    """Return what an archive's EML says; where there is none, its name.

    Ecological Metadata Language 2.1.1, GBIF profile.

    Raises:
        LoadError: the file declares entities.
    """
    name = find_name(container, (metadata or "eml.xml").lower())
    fallback = TreeInfo(container.path.name)
    if name is None:
        return fallback
    try:
        root = fromstring(read_small(container, name), forbid_dtd=True)
    except DefusedXmlException as error:
        raise LoadError(
            f"it has a {name} that declares a document type or entities, which can fill the "
            "memory or read other files. Remove the declaration."
        ) from error
    except (ParseError, ValueError, LookupError):
        return fallback  # a description is no reason to refuse the names

    def first(tag: str) -> str:
        found = next((each for each in root.iter() if str(each.tag).endswith(tag)), None)
        return "" if found is None else " ".join(" ".join(found.itertext()).split())

    rights = next((each for each in root.iter() if str(each.tag).endswith("Rights")), None)
    links = [] if rights is None else [each.get("url", "") for each in rights.iter()]
    return TreeInfo(
        first("title") or fallback.name,
        first("pubDate"),
        first("alternateIdentifier"),
        spdx(" ".join([*links, first("Rights")])),
    )


def about_package(container: Container) -> TreeInfo:
    """Return what the metadata.yaml of a ColDP archive says; where there is none, its name."""
    name = find_name(container, "metadata.yaml", "metadata.yml")
    if name is None:
        return TreeInfo(container.path.name)
    text = read_small(container, name).decode("utf-8", "replace")
    said = {key: value.strip("'\"") for key, value in reversed(_YAML_LINE.findall(text))}
    return TreeInfo(
        said.get("title") or said.get("alias") or container.path.name,
        said.get("version") or said.get("issued", ""),
        said.get("doi") or said.get("url", ""),
        spdx(said.get("license", "")),
    )
