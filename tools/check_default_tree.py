"""Compare the default tree with another classification, rank by rank.

    python tools/check_default_tree.py TABLE

TABLE is a CSV or TSV with columns named kingdom, phylum, class (or cls), order, family, genus; some
of them may be missing. Each taxon that both know is asked for its next wider rank that both know.
What differs is printed, with how often it was compared. It exits with 0 whatever it finds: sources
disagree, and a person decides.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide_biodiversity.default_tree import default_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
COLUMNS = {"class": ("cls", "class_", "class"), "order": ("order_", "order")}
"""Other names of columns, the surest first: tables of images use "class" for their label."""
Wider = dict[tuple[str, str], dict[str, set[str]]]
"""By (rank, name): the names of the taxa above it, by rank."""


def main() -> None:
    """Print what differs."""
    parser = argparse.ArgumentParser(description="Compare the default tree with a table.")
    parser.add_argument("table", type=Path)
    path: Path = parser.parse_args().table
    tree = default_tree()
    ours = wider_taxa(tree.record(node) for node in range(len(tree)))
    theirs = wider_taxa(read_table(path))
    compared, differing = compare(ours, theirs)
    for rank, name, above, our_name, their_names in differing:
        print(f"{rank} {name}: {above} {our_name}, theirs {' | '.join(sorted(their_names))}")
    share = len(differing) / compared if compared else 0.0
    print(f"{path.name}: {len(differing)} of {compared} differ ({share:.1%})")


def read_table(path: Path) -> Iterable[Mapping[str, str]]:
    """Return the ranks of each row; the first line tells which character separates columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator = max("\t,;", key=file.readline().count)
        file.seek(0)
        for row in csv.DictReader(file, delimiter=separator):
            given = {column.lower(): text.strip() for column, text in row.items() if text}
            found = {
                rank: next(
                    (given[name] for name in COLUMNS.get(rank, (rank,)) if name in given), ""
                )
                for rank in RANKS
            }
            yield {rank: name for rank, name in found.items() if name}


def wider_taxa(records: Iterable[Mapping[str, str]]) -> Wider:
    """Collect what stands above each taxon."""
    found: Wider = defaultdict(lambda: defaultdict(set))
    for record in records:
        known = [rank for rank in RANKS if record.get(rank)]
        for place, rank in enumerate(known):
            for above in known[:place]:
                found[rank, record[rank]][above].add(record[above])
    return found


def compare(
    ours: Wider, theirs: Wider
) -> tuple[int, list[tuple[str, str, str, str, frozenset[str]]]]:
    """Return how many taxa were compared, and (rank, name, wider rank, ours, theirs) that differ.

    Homonyms of different kingdoms are told apart by their kingdoms; where a table gives several
    answers, one that is ours is enough.
    """
    compared, differing = 0, []
    for (rank, name), above in sorted(ours.items()):
        other = theirs.get((rank, name))
        shared = [wider for wider in RANKS[: RANKS.index(rank)] if other and other.get(wider)]
        shared = [wider for wider in shared if above.get(wider)]
        if not other or not shared:
            continue
        kingdoms = other.get("kingdom", set())
        if kingdoms and not kingdoms & above["kingdom"]:
            continue
        compared += 1
        wider = shared[-1]
        if not above[wider] & other[wider]:
            ours_named = " | ".join(sorted(above[wider]))
            differing.append((rank, name, wider, ours_named, frozenset(other[wider])))
    return compared, differing


if __name__ == "__main__":
    main()
