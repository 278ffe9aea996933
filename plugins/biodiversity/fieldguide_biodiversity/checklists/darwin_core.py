"""Darwin Core archives of taxa, such as those of GBIF's backbone, Catalogue of Life, iNaturalist.

Wieczorek et al. 2012, "Darwin Core: An Evolving Community-Developed Biodiversity Data Standard"
(doi:10.1371/journal.pone.0029715). Core Taxon and extension VernacularName are read; ids in
parentNameUsageID and acceptedNameUsageID are those of taxonID, and iNaturalist's are addresses
whose rows are numbered otherwise: both ways are understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide_biodiversity.checklists.about import about_archive
from fieldguide_biodiversity.checklists.checklist import (
    PLACE_ALIASES,
    USAGE_ALIASES,
    USAGES,
    VERNACULAR_ALIASES,
    VERNACULARS,
    Checklist,
    text_table,
)
from fieldguide_biodiversity.checklists.columns import NOWHERE, one_array, places_of
from fieldguide_biodiversity.checklists.container import find_name, read_small
from fieldguide_biodiversity.checklists.delimited import Dialect, read_columns
from fieldguide_biodiversity.checklists.lineages import lineage_aliases, lineages_of
from fieldguide_biodiversity.checklists.meta_xml import NAME, read_descriptor
from fieldguide_biodiversity.checklists.unread import Unread

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container
    from fieldguide_biodiversity.checklists.delimited import Wanted
    from fieldguide_biodiversity.checklists.meta_xml import DescribedTable, Descriptor

TAXON, VERNACULAR, DISTRIBUTION = "taxon", "vernacularname", "distribution"
INATURALIST_NAMES = "vernacularnames-"


def is_darwin_core(container: Container) -> bool:
    """Return whether there is a meta.xml."""
    return find_name(container, NAME) is not None


def read_darwin_core(container: Container) -> Checklist:
    """Read an archive or its folder.

    Raises:
        LoadError: its core is not Taxon, or a file is missing or damaged.
    """
    place = find_name(container, NAME) or NAME
    folder = place[: -len(NAME)]
    descriptor = read_descriptor(read_small(container, place))
    core = descriptor.core
    if core.row_type != TAXON:
        raise LoadError(
            f"it is an archive of {core.row_type or 'nothing named'}, not of taxa. Name a "
            "checklist, whose core has the rowType http://rs.tdwg.org/dwc/terms/Taxon."
        )
    unread = Unread()
    wanted = {"core_id": _id_place(core), **USAGE_ALIASES, **lineage_aliases()}
    wanted["id"] = ("taxonid", *wanted["core_id"])
    taxa = _read(container, folder, core, wanted, unread)
    usages = _by_core_id(taxa)
    lineages = None if pc.any(pc.is_valid(usages.column("parent_id"))).as_py() else taxa
    return Checklist(
        info=about_archive(container, descriptor.metadata),
        usages=usages,
        vernaculars=_vernaculars(container, folder, descriptor, unread),
        lineages=None if lineages is None else lineages_of(lineages),
        unread=unread.counts,
    )


def darwin_core_places(container: Container) -> pa.Table:
    """Return the columns ``PLACES`` of an archive's extension Distribution.

    Raises:
        LoadError: it has none, or a file is missing or damaged.
    """
    place = find_name(container, NAME) or NAME
    folder = place[: -len(NAME)]
    descriptor = read_descriptor(read_small(container, place))
    tables = [
        _read(container, folder, each, {**PLACE_ALIASES, "id": _id_place(each)}, Unread())
        for each in descriptor.extensions
        if each.row_type == DISTRIBUTION
    ]
    if not tables:
        raise LoadError("it has no extension Distribution. Name a checklist of a region.")
    return pa.concat_tables(tables)


def _vernaculars(
    container: Container, folder: str, descriptor: Descriptor, unread: Unread
) -> pa.Table:
    tables = [
        _read(container, folder, each, {**VERNACULAR_ALIASES, "id": _id_place(each)}, unread)
        for each in descriptor.extensions
        if each.row_type == VERNACULAR
    ]
    if not tables:  # iNaturalist's lie beside the others without being described
        tables = [
            unread.taken(name, read_columns(container, name, Dialect(), VERNACULAR_ALIASES))
            for name in container.names()
            if name.rpartition("/")[2].lower().startswith(INATURALIST_NAMES)
        ]
    return pa.concat_tables([text_table(VERNACULARS), *tables])


def _read(
    container: Container, folder: str, table: DescribedTable, wanted: Wanted, unread: Unread
) -> pa.Table:
    """Return the columns of a table's files, with its default values."""
    parts = [
        unread.taken(name, read_columns(container, folder + name, table.dialect, wanted))
        for name in table.files
    ]
    found = pa.concat_tables(parts)
    for key, aliases in wanted.items():
        default = next(
            (table.defaults[str(name)] for name in aliases if name in table.defaults), None
        )
        if default is not None:
            filled = pc.fill_null(found.column(key), default)
            found = found.set_column(found.schema.get_field_index(key), key, filled)
    return found


def _id_place(table: DescribedTable) -> tuple[str | int, ...]:
    return ("taxonid",) if table.id_place is None else (table.id_place,)


def _by_core_id(taxa: pa.Table) -> pa.Table:
    """Return usages whose ids, and references to ids, are those that extensions use."""
    core_ids, taxon_ids = one_array(taxa.column("core_id")), one_array(taxa.column("id"))
    columns = {name: taxa.column(name) for name in USAGES}
    columns["id"] = core_ids
    if not core_ids.equals(taxon_ids):
        for name in ("parent_id", "accepted_id"):
            named = one_array(columns[name])
            places = places_of(named, taxon_ids)
            meant = core_ids.take(pa.array(places, mask=places == NOWHERE))
            columns[name] = pc.coalesce(meant, named)
    return text_table(USAGES, columns)
