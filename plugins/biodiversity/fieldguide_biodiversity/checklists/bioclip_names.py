"""``txt_emb_species.json``: what the columns of BioCLIP's published text vectors are called.

pybioclip (Imageomics, ``predict.py``) reads it beside ``txt_emb_species.npy``: a list with one
entry a column, ``[[kingdom, phylum, class, order, family, genus, epithet], common name]``. What is
not known is an empty text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.taxonomy.lineages import place_lineages
from fieldguide.taxonomy.tree import COMMON, OTHER_NAMES, Tree, TreeInfo
from fieldguide_biodiversity.taxa import RANKS, clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 2**30
"""Of the file; with 867,455 species it has some 110 MiB."""
SOURCE = "https://github.com/Imageomics/pybioclip"

_BETWEEN = re.compile(r"\s*,?\s*")


@dataclass(frozen=True, eq=False)
class NamedColumns:
    """The tree of the columns' names.

    Attributes:
        tree: with their common names.
        nodes: (C,) the taxon of each column; -1 where it has no name.
    """

    tree: Tree
    nodes: NDArray[np.int64]


def read_bioclip_names(path: Path) -> NamedColumns:
    """Return the tree of a list of names; gaps drop nothing, and homonyms stay apart.

    Raises:
        UsageError: it cannot be read, or is another list.
    """
    records: list[dict[str, str]] = []
    commons: list[str] = []
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8")
        once: dict[str, str] = {}
        for entry in _entries(text):
            names, common = _names(entry, len(records))
            records.append({rank: once.setdefault(n, n) for rank, n in names.items()})
            commons.append(common)
    except (LoadError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not any(records):
        raise UsageError(f"{path} has no names. Name the .json that belongs to the vectors.")
    placed = place_lineages(records, RANKS, TreeInfo(path.name, source=SOURCE))
    return NamedColumns(_with_common_names(placed.tree, placed.nodes, commons), placed.nodes)


def _entries(text: str) -> Iterator[Any]:
    """Yield the entries of a JSON list, one at a time.

    Raises:
        LoadError: it is none.
    """
    decoder = json.JSONDecoder()
    place = len(text) - len(text.lstrip())
    if text[place : place + 1] != "[":
        raise LoadError("it is no JSON list. Name the .json that belongs to the vectors.")
    try:
        place = _after(text, place + 1)
        while text[place : place + 1] != "]":
            entry, end = decoder.raw_decode(text, place)
            yield entry
            place = _after(text, end)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"it is not JSON, or cut off: {error}. Get it again.") from error


def _after(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()


def _names(entry: Any, number: int) -> tuple[dict[str, str], str]:
    """Return the names of an entry by rank, a species as its binomial, and its common name."""
    match entry:
        case [[*names], common] if len(names) == len(RANKS):
            texts = [*names, common]
            if all(text is None or isinstance(text, str) for text in texts):
                *ranked, called = ("" if text is None else clean(text) for text in texts)
                found = {rank: name for rank, name in zip(RANKS, ranked, strict=True) if name}
                if "species" in found and "genus" in found:
                    found["species"] = f"{found['genus']} {found['species']}"
                return found, called
    raise LoadError(
        f"its entry {number} is not [[seven names], common name]. Name the .json that belongs to "
        "the vectors."
    )


def _with_common_names(tree: Tree, nodes: NDArray[np.int64], commons: list[str]) -> Tree:
    """Return the tree with the columns' common names, which are English."""
    pairs = {(node, name): None for node, name in zip(nodes.tolist(), commons, strict=True)
             if node >= 0 and name}  # fmt: skip
    named = sorted(pairs, key=lambda pair: pair[0])
    columns = [
        pa.array([name for _, name in named], pa.string()),
        pa.array([node for node, _ in named], pa.int32()),
        pa.array([COMMON] * len(named), pa.string()),
        pa.array(["en"] * len(named), pa.string()),
    ]
    return replace(tree, other_names=pa.Table.from_arrays(columns, schema=OTHER_NAMES))
