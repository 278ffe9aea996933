"""Captions of private sources: images and annotations under their ids."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.captions.caption_rows import CaptionRows
from fieldguide.privacy.domains import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fieldguide.captions.find_records import AnnotationSearch, Records
    from fieldguide.plugins import Catalog
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.specs import CaptionConverterSpec


def private_names(
    specs: Iterable[CaptionConverterSpec], catalog: Catalog, beside: str | Path | None
) -> PrivateNames | None:
    """Return what hides names where a converter is of a private domain, else None."""
    domains = [catalog.domains[spec.domain] for spec in specs if spec.domain is not None]
    found = next((names for domain in domains if (names := names_of(domain))), None)
    if found is not None and beside is not None:
        found.keep_beside(Path(beside))
    return found


def find_private(
    search: AnnotationSearch, entries: Sequence[str | Path], private: PrivateNames
) -> Records:
    """Return the records of inputs; errors do not name them."""
    typed = private.typed(list(entries))
    with private.kept_out_of_errors():
        return search.find(typed)


def hide_captions(made: CaptionRows, private: PrivateNames) -> CaptionRows:
    """Return captions under the ids of their images, and keep what these mean.

    Raises:
        StoreError: two files would have one id, or the map cannot be written.
    """
    named = [path for row in made for path in (row.path, row.source)]
    names = private.hide_paths([*named, *(path for path, _ in made.skipped)])
    rows = [
        dataclasses.replace(row, path=names[row.path], source=names[row.source]) for row in made
    ]
    skipped = [(names[path], private.scrub(reason)) for path, reason in made.skipped]
    facts = private.scrubbed(made.provenance)
    facts["skipped"] = [{"path": name, "reason": reason} for name, reason in skipped]
    return CaptionRows(rows, skipped, facts)
