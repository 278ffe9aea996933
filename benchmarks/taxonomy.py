"""Build, open and look up a synthetic backbone in the form of GBIF's: time and peak memory.

::

    python benchmarks/taxonomy.py --rows 5_000_000

Each step runs in a process of its own, whose peak memory is that of the step alone. Times of
look-ups are those on the processor. Of the rows some two thirds are taxa, as in GBIF's backbone,
and the others synonyms; one in five has a common name.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

META = """<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1"
        rowType="http://rs.tdwg.org/dwc/terms/Taxon">
    <files><location>Taxon.tsv</location></files><id index="0"/>{fields}</core>
  <extension fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1"
        rowType="http://rs.gbif.org/terms/1.0/VernacularName">
    <files><location>VernacularName.tsv</location></files><coreid index="0"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/vernacularName"/>
    <field index="2" term="http://purl.org/dc/terms/language"/></extension></archive>"""
FIELDS = (
    *("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName"),
    *("scientificNameAuthorship", "canonicalName", "taxonRank", "taxonomicStatus"),
)
WIDE = ("kingdom", "phylum", "class", "order", "family", "genus")
CHILDREN = 12
"""Of each taxon above the genus."""


def rows(count: int) -> Iterator[str]:
    """Yield lines: a ladder of wide ranks, then two species and one synonym in turn."""
    yield "\t".join(FIELDS) + "\n"
    level, wide = [""], []
    number = 0
    for rank in WIDE:
        below = []
        for parent in level:
            for _ in range(8 if rank == "kingdom" else CHILDREN):
                number += 1
                name = f"{rank.capitalize()}{letters(number)}"
                yield f"{number}\t{parent}\t\t{name} L., 1758\tL., 1758\t{name}\t{rank}\taccepted\n"
                below.append(str(number))
                if number >= count // 8:
                    break
        level = below
        wide = below
    genera = len(wide)
    accepted = number
    while number < count:
        number += 1
        which = number % genera
        name = f"Genus{letters(which)} {letters(number)}us"
        if number % 3:
            accepted = number
            yield (f"{number}\t{wide[which]}\t\t{name} Smith, 1901\tSmith, 1901\t{name}\tspecies\t"
                   "accepted\n")  # fmt: skip
        else:
            yield f"{number}\t\t{accepted}\t{name} (L.)\t(L.)\t{name}\tspecies\tsynonym\n"


def letters(number: int) -> str:
    """Return a number as a word."""
    found = ""
    while True:
        number, digit = divmod(number, 20)
        found = "abcdefghilmnoprstuvx"[digit] + found
        if not number:
            return found


def write_archive(path: Path, count: int) -> None:
    fields = "".join(
        f'<field index="{place}" term="http://rs.tdwg.org/dwc/terms/{name}"/>'
        for place, name in enumerate(FIELDS)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("meta.xml", META.format(fields=fields))
        with archive.open("Taxon.tsv", "w", force_zip64=True) as stream:
            for line in rows(count):
                stream.write(line.encode())
        with archive.open("VernacularName.tsv", "w") as stream:
            stream.write(b"taxonID\tvernacularName\tlanguage\n")
            for number in range(1, count, 5):
                stream.write(f"{number}\tcommon {letters(number)}\teng\n".encode())


def build(folder: Path) -> str:
    from fieldguide.taxonomy.tree_file import write_tree
    from fieldguide_biodiversity.checklists.read import build as build_tree

    built = build_tree(folder / "backbone.zip")
    write_tree(built.tree, folder / "backbone.tree")
    size = (folder / "backbone.tree").stat().st_size
    names = built.tree.other_names.num_rows
    return f"{len(built.tree):,} taxa, {names:,} other names, {size >> 20} MiB"


def open_only(folder: Path) -> str:
    from fieldguide.taxonomy.tree_file import read_tree

    return f"{len(read_tree(folder / 'backbone.tree')):,} taxa"


def look_up(folder: Path) -> str:
    from fieldguide.taxonomy.lookup import find_taxon, meanings, suggest
    from fieldguide.taxonomy.tree_file import read_tree

    tree = read_tree(folder / "backbone.tree")
    asked = [tree.name_of(node) for node in range(0, len(tree), max(len(tree) // 10_000, 1))]
    steps: dict[str, Callable[[], object]] = {
        "first name": lambda: find_taxon(tree, asked[-1]),
        "one more name": lambda: find_taxon(tree, asked[-2]),
        f"{len(asked):,} names at once": lambda: meanings(tree, asked),
        "suggestions for a typing error": lambda: suggest(
            tree, f"{asked[-1][:-3]}{asked[-1][-2:]}"
        ),
    }
    told = []
    for what, step in steps.items():
        started = time.process_time()
        step()
        told.append(f"{what} {time.process_time() - started:.2f} s")
    return ", ".join(told)


def measured(step: Callable[[Path], str], folder: Path) -> None:
    """Run a step and print what it says, its time, and the peak memory of its process."""
    started = time.perf_counter()
    said = step(folder)
    passed_s, used_s = time.perf_counter() - started, time.process_time()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{step.__name__}: {said}; {passed_s:.1f} s, of which {used_s:.1f} s on the processor with "
        f"imports; peak {peak_mib:.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    count = parser.parse_args().rows
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_archive(folder / "backbone.zip", count)
        print(f"{count:,} rows, {(folder / 'backbone.zip').stat().st_size >> 20} MiB", flush=True)
        for step in (build, open_only, look_up):
            process = context.Process(target=measured, args=(step, folder))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
