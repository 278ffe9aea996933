"""``categories`` of the iNaturalist competitions' JSON files, which are in COCO's form.

Van Horn et al. 2021, "Benchmarking Representation Learning for Natural World Image Collections"
(arXiv:2103.16483): iNat2021's categories have the seven ranks, with ``specific_epithet``, and a
``common_name``, which is English. Those of 2017 to 2019 that have a name alone are not read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide_biodiversity.checklists.checklist import (
    USAGES,
    VERNACULARS,
    Checklist,
    text_table,
)

if TYPE_CHECKING:
    from fieldguide_biodiversity.checklists.container import Container

KEY = b'"categories"'
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
MAX_BYTES = 128 * 2**20
"""Of the list of categories; iNat2021's has 4 MiB of a file of some hundreds."""
_CHUNK = 2**22


def is_inat_categories(container: Container) -> bool:
    """Return whether the one file is JSON, by its name."""
    names = container.names()
    return len(names) == 1 and names[0].lower().endswith(".json")


def read_inat_categories(container: Container) -> Checklist:
    """Read the species of a competition; images and annotations are passed over.

    Raises:
        LoadError: it is not JSON with categories of all ranks.
    """
    (file,) = container.names()
    rows = _rows(_list_of(container, file))
    ids = pa.array([str(row["id"]) for row in rows], pa.string())
    lineages = {rank: _texts(rows, rank) for rank in RANKS}
    species = pa.array([f"{row['genus']} {row['specific_epithet']}" for row in rows], pa.string())
    common = text_table(
        VERNACULARS,
        {
            "id": ids,
            "name": _texts(rows, "common_name"),
            "language": pa.array(["en"] * len(rows), pa.string()),
        },
    )
    return Checklist(
        info=TreeInfo(container.path.name, source="https://github.com/visipedia/inat_comp"),
        usages=text_table(USAGES, {"id": ids}),
        vernaculars=common.filter(pc.is_valid(common.column("name"))),
        lineages=text_table([*RANKS, "species"], {**lineages, "species": species}),
    )


def _rows(found: Any) -> list[dict[str, Any]]:
    needed = ("id", "genus", "specific_epithet")
    if not isinstance(found, list) or not all(
        isinstance(row, dict) and all(row.get(key) not in (None, "") for key in needed)
        for row in found
    ):
        raise LoadError(
            "it has categories without id, genus and specific_epithet. Name a JSON file of "
            "iNat2021, or one whose categories have the same fields."
        )
    return found


def _texts(rows: list[dict[str, Any]], key: str) -> pa.Array:
    return pa.array([str(row[key]) if row.get(key) else None for row in rows], pa.string())


def _list_of(container: Container, name: str) -> Any:
    """Return the value of the file's categories, without reading what stands around it."""
    seen = b""
    with container.open(name) as stream:
        while (place := seen.find(KEY)) < 0:
            more = stream.read(_CHUNK)
            if not more:
                raise LoadError("it is a JSON file without categories. Name one of iNat2021.")
            seen = seen[-len(KEY) :] + more
        text = seen[place + len(KEY) :]
        while True:
            more = stream.read(_CHUNK)
            value = _decoded(text, is_whole=not more)
            if value is not None:
                return value
            text += more
            if len(text) > MAX_BYTES:
                raise LoadError(f"it has categories of more than {MAX_BYTES >> 20} MiB.")


def _decoded(text: bytes, *, is_whole: bool) -> Any:
    try:
        start = text.decode("utf-8", "strict" if is_whole else "ignore").lstrip(" \t\r\n:")
        return json.JSONDecoder().raw_decode(start)[0]
    except (ValueError, RecursionError) as error:
        if is_whole or isinstance(error, RecursionError):
            raise LoadError(f"it is not JSON, or cut off: {error}. Get it again.") from error
        return None
