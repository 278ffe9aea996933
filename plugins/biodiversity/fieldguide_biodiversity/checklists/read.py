"""Which reader reads what: the formats, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import FieldguideError, LoadError, UsageError
from fieldguide_biodiversity.checklists.assemble import assemble
from fieldguide_biodiversity.checklists.coldp import is_coldp, read_coldp
from fieldguide_biodiversity.checklists.container import opened
from fieldguide_biodiversity.checklists.darwin_core import is_darwin_core, read_darwin_core
from fieldguide_biodiversity.checklists.gbif_simple import is_gbif_simple, read_gbif_simple
from fieldguide_biodiversity.checklists.inat_categories import (
    is_inat_categories,
    read_inat_categories,
)
from fieldguide_biodiversity.checklists.lineages import assemble_lineages
from fieldguide_biodiversity.checklists.plain_tables import (
    is_parent_table,
    is_rank_table,
    read_parent_table,
    read_rank_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.taxonomy.tree import TreeInfo
    from fieldguide_biodiversity.checklists.assemble import Assembled
    from fieldguide_biodiversity.checklists.checklist import Checklist
    from fieldguide_biodiversity.checklists.container import Container


@dataclass(frozen=True)
class Format:
    """One way in which taxonomies are published.

    Attributes:
        name: for people.
        recognise: whether a container is of it, by little of what it holds.
        read: it whole.
    """

    name: str
    recognise: Callable[[Container], bool]
    read: Callable[[Container], Checklist]


FORMATS = (
    Format("Darwin Core archive", is_darwin_core, read_darwin_core),
    Format("ColDP archive", is_coldp, read_coldp),
    Format("categories of iNaturalist's competitions", is_inat_categories, read_inat_categories),
    Format("GBIF backbone, simple table", is_gbif_simple, read_gbif_simple),
    Format("table with parents", is_parent_table, read_parent_table),
    Format("table with a column for each rank", is_rank_table, read_rank_table),
)
"""In the order in which they are tried."""


def read_checklist(path: Path, *, language: str | None = None) -> Checklist:
    """Return the names of a taxonomy in any of ``FORMATS``.

    Args:
        path: of an archive, a folder or a table.
        language: code of the common names that do not say theirs.

    Raises:
        UsageError: it is of none of the formats, damaged, or hostile; the message names the file.
    """
    try:
        with opened(path) as container:
            fitting = next((form for form in FORMATS if form.recognise(container)), None)
            if fitting is None:
                names = ", ".join(form.name for form in FORMATS)
                raise LoadError(f"it is none of: {names}. Name a file or folder that is one.")
            checklist = fitting.read(container)
        if not checklist.usages.num_rows:
            reasons = "; ".join(f"{count} {what}" for what, count in checklist.unread.items())
            raise LoadError(f"it holds no names that can be read. {reasons or 'It has no rows.'}")
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    return checklist if language is None else _in_language(checklist, language)


def build(
    path: Path,
    *,
    info: Callable[[TreeInfo], TreeInfo] | None = None,
    language: str | None = None,
    orphans_as_roots: bool = False,
) -> Assembled:
    """Return the tree of a taxonomy, and what is to be told of how it was made.

    Args:
        path: of an archive, a folder or a table.
        info: changes what the source says of itself.
        language: code of the common names that do not say theirs.
        orphans_as_roots: whether taxa whose parent has no row become roots; else they are an error.

    Raises:
        UsageError: as of :func:`read_checklist`, or its names make no tree.
    """
    checklist = read_checklist(path, language=language)
    if info is not None:
        checklist = replace(checklist, info=info(checklist.info))
    try:
        if checklist.lineages is not None:
            return assemble_lineages(checklist)
        return assemble(checklist, orphans_as_roots=orphans_as_roots)
    except FieldguideError as error:
        raise UsageError(f"{path}: {error}") from error


def _in_language(checklist: Checklist, language: str) -> Checklist:
    names = checklist.vernaculars
    place = names.schema.get_field_index("language")
    filled = pc.fill_null(names.column("language"), pa.scalar(language))
    return replace(checklist, vernaculars=names.set_column(place, "language", filled))
