"""What a tree holds, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from fieldguide.taxonomy.tree import COMMON, SYNONYM, UNRANKED

if TYPE_CHECKING:
    from fieldguide.taxonomy.tree import Tree


@dataclass(frozen=True)
class Overview:
    """Counts of a tree.

    Attributes:
        facts: name, version, source, licence, and how many there are of what.
        ranks: a row for each rank, wide to narrow: taxa, and those with none below them.
        languages: a row for each language of common names, the largest first; empty: not known.
    """

    facts: dict[str, str]
    ranks: list[dict[str, Any]]
    languages: list[dict[str, Any]]


def overview(tree: Tree) -> Overview:
    """Count what a tree holds."""
    is_leaf = np.zeros(len(tree), bool)
    is_leaf[tree.leaves()] = True
    codes = [*range(len(tree.ranks)), UNRANKED]
    ranks = [
        {
            "rank": "unranked" if code == UNRANKED else tree.ranks[code],
            "taxa": int((tree.rank_codes == code).sum()),
            "without_children": int(((tree.rank_codes == code) & is_leaf).sum()),
        }
        for code in codes
    ]
    kinds = tree.other_names.column("kind")
    common = tree.other_names.filter(pc.equal(kinds, COMMON))
    counted = common.group_by("language").aggregate([("name", "count")]).to_pylist()
    counted.sort(key=lambda row: (-row["name_count"], row["language"]))
    info = tree.info
    facts = {
        "name": info.name,
        "version": info.version,
        "source": info.source,
        "licence": info.licence,
        "taxa": f"{len(tree):,}",
        "synonyms": f"{pc.sum(pc.equal(kinds, SYNONYM)).as_py() or 0:,}",
        "common names": f"{common.num_rows:,}",
    }
    return Overview(
        {what: value for what, value in facts.items() if value},
        [row for row in ranks if row["taxa"]],
        [
            {"language": row["language"] or "not known", "common_names": row["name_count"]}
            for row in counted
        ],
    )
