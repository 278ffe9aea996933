r"""GBIF's backbone as one simple table, ``simple.txt.gz``.

https://hosted-datasets.gbif.org/datasets/backbone/README.html: 30 columns without a header, as
PostgreSQL's COPY writes them (tabs, ``\N`` for null, backslashes); the parent of a synonym is its
accepted taxon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.taxonomy.tree import TreeInfo
from fieldguide_biodiversity.checklists.checklist import USAGES, Checklist, text_table
from fieldguide_biodiversity.checklists.coldp import with_synonyms_apart
from fieldguide_biodiversity.checklists.delimited import Dialect, read_columns
from fieldguide_biodiversity.checklists.unread import Unread

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container

COLUMNS = (
    *("id", "parent_key", "basionym_key", "is_synonym", "status", "rank", "nom_status"),
    *("constituent_key", "origin", "source_taxon_key", "kingdom_key", "phylum_key", "class_key"),
    *("order_key", "family_key", "genus_key", "species_key", "name_id", "scientific_name"),
    *("canonical_name", "genus_or_above", "specific_epithet", "infra_specific_epithet"),
    *("notho_type", "authorship", "year", "bracket_authorship", "bracket_year"),
    *("name_published_in", "issues"),
)
"""By GBIF's own table definition (gbif/checklistbank, backbone-ddl.sql)."""
INFO = TreeInfo(
    "GBIF Backbone Taxonomy", source="https://doi.org/10.15468/39omei", licence="CC-BY-4.0"
)
_DIALECT = Dialect(
    delimiter="\t", quote="", header_lines=0, names=COLUMNS, nulls=("\\N", ""), backslashes=True
)
_WANTED = {
    "id": ("id",),
    "parent_id": ("parent_key",),
    "name": ("canonical_name",),
    "full_name": ("scientific_name",),
    "rank": ("rank",),
    "status": ("status",),
}
_LINE_BYTES = 2**20


def is_gbif_simple(container: Container) -> bool:
    """Return whether the one file starts with a line of 30 cells, a number first.

    Raises:
        LoadError: it is packed, and damaged.
    """
    names = container.names()
    if len(names) != 1:
        return False
    with container.open(names[0]) as stream:
        cells = stream.readline(_LINE_BYTES).split(b"\t")
    return len(cells) == len(COLUMNS) and cells[0].isdigit()


def read_gbif_simple(container: Container) -> Checklist:
    """Read the table; authors, of which it has the parts, are taken from the whole name.

    Raises:
        LoadError: it is damaged.
    """
    unread = Unread()
    (name,) = container.names()
    rows = unread.taken(name, read_columns(container, name, _DIALECT, _WANTED))
    usages = text_table(USAGES, {key: rows.column(key) for key in _WANTED})
    return Checklist(INFO, with_synonyms_apart(usages), unread=unread.counts)
