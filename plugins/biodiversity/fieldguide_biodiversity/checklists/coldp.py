"""Catalogue of Life data packages (ColDP), with names as ``NameUsage``.

COL Data Package specification 1.1 (https://github.com/CatalogueOfLife/coldp): file names are those
of classes without regard to capitals, hyphens and underscores; ``.csv`` is quoted, ``.tsv``,
``.tab`` and ``.txt`` are not and escape with backslashes; the parentID of a synonym is its accepted
taxon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide_biodiversity.checklists.about import about_package
from fieldguide_biodiversity.checklists.assemble import standings_of
from fieldguide_biodiversity.checklists.checklist import (
    PLACE_ALIASES,
    USAGE_ALIASES,
    USAGES,
    VERNACULAR_ALIASES,
    VERNACULARS,
    Checklist,
    text_table,
)
from fieldguide_biodiversity.checklists.columns import one_array
from fieldguide_biodiversity.checklists.delimited import Dialect, read_columns
from fieldguide_biodiversity.checklists.lineages import lineage_aliases, lineages_of
from fieldguide_biodiversity.checklists.unread import Unread

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container

CSV = Dialect()
TSV = Dialect(delimiter="\t", quote="", backslashes=True)
_DIALECTS = {"csv": CSV, "tsv": TSV, "tab": TSV, "txt": TSV}


def is_coldp(container: Container) -> bool:
    """Return whether there is a NameUsage table, or the three tables that it stands for."""
    return _table(container, "nameusage") is not None or (
        _table(container, "taxon") is not None and _table(container, "name") is not None
    )


def read_coldp(container: Container) -> Checklist:
    """Read an archive or its folder.

    Raises:
        LoadError: names, taxa and synonyms are in tables of their own, or a file is damaged.
    """
    name = _table(container, "nameusage")
    if name is None:
        raise LoadError(
            "it is a ColDP archive with names, taxa and synonyms in tables of their own, and only "
            "those with one table NameUsage are read. Get it in that form from ChecklistBank."
        )
    unread = Unread()
    wanted = {**USAGE_ALIASES, **lineage_aliases(), "id": ("id",), "name": ()}
    rows = unread.taken(name, read_columns(container, name, _dialect(name), wanted))
    usages = text_table(USAGES, {key: rows.column(key) for key in USAGES})
    has_parents = pc.any(pc.is_valid(usages.column("parent_id"))).as_py()
    vernaculars = text_table(VERNACULARS)
    if (common := _table(container, "vernacularname")) is not None:
        read = read_columns(container, common, _dialect(common), VERNACULAR_ALIASES)
        vernaculars = unread.taken(common, read)
    return Checklist(
        info=about_package(container),
        usages=with_synonyms_apart(usages),
        vernaculars=vernaculars,
        lineages=None if has_parents else lineages_of(rows),
        unread=unread.counts,
    )


def coldp_places(container: Container) -> pa.Table:
    """Return the columns ``PLACES`` of the table Distribution, where its gazetteer is ISO.

    Raises:
        LoadError: there is none, or it is damaged.
    """
    name = _table(container, "distribution")
    if name is None:
        raise LoadError("it has no table Distribution. Name a checklist that has one.")
    wanted = {**PLACE_ALIASES, "gazetteer": ("gazetteer",)}
    rows = read_columns(container, name, _dialect(name), wanted).table
    is_iso = pc.equal(pc.utf8_lower(rows.column("gazetteer")), "iso")
    return rows.filter(pc.fill_null(is_iso, True))


def with_synonyms_apart(usages: pa.Table) -> pa.Table:
    """Return usages where a synonym's parent, which is its accepted taxon, is called so."""
    standings = standings_of(usages)
    is_taxon = pa.array(np.isin(standings, ("taxon", "doubtful")))
    parents, nothing = one_array(usages.column("parent_id")), pa.scalar(None, pa.string())
    columns = {name: usages.column(name) for name in USAGES}
    columns["parent_id"] = pc.if_else(is_taxon, parents, nothing)
    columns["accepted_id"] = pc.if_else(is_taxon, nothing, parents)
    return text_table(USAGES, columns)


def _dialect(name: str) -> Dialect:
    return _DIALECTS[name.rpartition(".")[2].lower()]


def _table(container: Container, wanted: str) -> str | None:
    """Return the outermost file of an entity's table."""
    found = []
    for name in container.names():
        stem, _, suffix = name.rpartition("/")[2].lower().rpartition(".")
        if suffix in _DIALECTS and stem.replace("-", "").replace("_", "") == wanted:
            found.append(name)
    return min(found, key=lambda name: (name.count("/"), name), default=None)
