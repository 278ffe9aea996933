"""Feed damaged checklists, trees, tables of occurrences, detections ... to the command line.

As ``soak_hostile.py``, but each mutant is given to the commands that read it, as a user types
them, within one watched process. *Bad* is also an exit code other than 0, 1, 2 and 3, a line that
calls an error unexpected, more than 20 s and more than 2 GiB::

    python benchmarks/soak_taxa.py --mutants 1000 --seed 0
    python benchmarks/soak_taxa.py --seed 0 --only 417
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hostile_seeds import checkpoint_of
from soak_hostile import BAD, LOADED, RECORDED, REFUSED, Watcher, main, serve
from taxa_mutators import make_taxa_mutant
from taxa_seeds import INDEX, PHOTOS, TREE, write_taxa_seeds

if TYPE_CHECKING:
    import random
    from multiprocessing.connection import Connection
    from pathlib import Path

    from hostile_mutators import Mutant
    from hostile_seeds import Seed

TIME_LIMIT_S = 20.0
MEMORY_LIMIT_BYTES = 2 * 2**30
PRELOADED = ("fieldguide.cli", "fieldguide.guides", "fieldguide.models.openclip",
             "fieldguide_biodiversity.checklists.read", "fieldguide_biodiversity.priors.build",
             "fieldguide.taxonomy.lookup")  # fmt: skip
OUTCOME_OF = {0: LOADED, 1: REFUSED, 2: REFUSED, 3: RECORDED}
TAXONOMY = ["biodiversity", "taxonomy"]
BUILT = ("darwin core zip", "darwin core folder", "coldp zip", "gbif simple", "inat categories",
         "rank table", "parent table")  # fmt: skip


class Commands:
    """The commands that read each kind of file, with a tiny model and tree beside it."""

    def __init__(self, seeds: Path, output: Path) -> None:
        self.output = output
        self.screen = output.parent / "screen.txt"
        photos = str(seeds / PHOTOS)
        model = ["--domain", "biodiversity", "--model", str(checkpoint_of(seeds)),
                 "--out-of-scope"]  # fmt: skip
        self.tree = ["--taxonomy", str(seeds / TREE)]
        self.classify = ["classify", photos, *model]
        self.photos = photos
        self.index = str(seeds / f"{INDEX}.fg")
        _exit_code(["search", self.index, "a bird", "-k", "1"])  # what is imported late counts not

    def of(self, kind: str, entry: str) -> list[list[str]]:
        """Return what a user would type to read a file of a kind."""
        table = ["-o", str(self.output / "rows.csv")]
        taxa = [*self.classify, *self.tree, *table]
        if kind in BUILT:
            built = str(self.output / "built.tree")
            region = [*TAXONOMY, "region", entry, "GB", *table]
            commands = [[*TAXONOMY, "build", entry, "-o", built, "--orphans-as-roots"],
                        [*TAXONOMY, "show", built]]  # fmt: skip
            return [*commands, region] if kind.startswith(("darwin", "coldp")) else commands
        place = ["--place", "51.5,-0.1", "--date", "2026-06-01"]
        return {
            "tree": [[*TAXONOMY, "find", "Turdus", "turdus merula", "--taxonomy", entry],
                     [*self.classify, "--taxonomy", entry, "--clade", "Aves", *table]],
            "names table": [[*TAXONOMY, "match", entry, "--suggestions", "0", *table, *self.tree]],
            "occurrences zip": [self._occurrences(entry)],
            "occurrences csv": [self._occurrences(entry)],
            "prior": [["biodiversity", "occurrences", "show", entry, *place],
                      [*taxa, "--occurrences", entry, *place, "--clade", "region:GB"]],
            "megadetector": [[*self.classify, "--boxes", entry, "--label", "a", "--label", "b",
                              *table],
                             ["captions", entry, "--images", self.photos, *table]],
            "camera traps": [["captions", entry, "--format", "camera_traps", "--converter",
                              "camera_trap", *table]],
            "calibration": [[*taxa, "--calibration", entry, "--confidence", "0.6"]],
            "bins": [[*taxa, "--bins", entry]],
            "clade text": [[*taxa, "--clade", entry]],
            "clade table": [[*taxa, "--clade", entry]],
            "queries": [["search", self.index, "--queries", entry, "-k", "2", *table]],
        }.get(kind) or [[*self.classify, "--descriptions", entry, *table]]  # fmt: skip

    def _occurrences(self, entry: str) -> list[str]:
        built = str(self.output / "built.prior")
        return ["biodiversity", "occurrences", "build", entry, "-o", built]

    def run(self, kind: str, entry: Path) -> tuple[str, str]:
        """Return the worst outcome of its commands, and what was said."""
        ended = [(LOADED, "")]
        for words in self.of(kind, str(entry)):
            before = self.screen.stat().st_size
            code = _exit_code(words)
            with self.screen.open("rb") as stream:
                stream.seek(before)
                said = stream.read().decode("utf-8", "replace").strip()
            if code not in OUTCOME_OF or "unexpected " in said:
                return BAD, f"{' '.join(words[:3])}: exit code {code}: {said[-400:]}"
            ended.append((OUTCOME_OF[code], f"{code}: {said[-300:]}"))
            if OUTCOME_OF[code] == REFUSED:
                break
        return max(ended, key=lambda each: (LOADED, RECORDED, REFUSED).index(each[0]))


def _exit_code(words: list[str]) -> object:
    from fieldguide.cli import main as fieldguide

    before, sys.argv = sys.argv, ["fieldguide", *words]
    try:
        fieldguide()
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv = before
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def watched_commands(seeds: Path, home: Path, pipe: Connection) -> None:
    """Run the commands of mutants one by one as they come through the pipe."""
    serve(home, pipe, lambda: Commands(seeds, home / "output"))


class TaxaWatcher(Watcher):
    """Gives mutants to the commands that read them."""

    target = staticmethod(watched_commands)
    preloaded = PRELOADED
    time_limit_s = TIME_LIMIT_S
    memory_limit_bytes = MEMORY_LIMIT_BYTES

    def write_seeds(self, folder: Path) -> list[Seed]:
        """Write a sound input of each kind."""
        return write_taxa_seeds(folder)

    def damaged(self, seed: Seed, folder: Path, rng: random.Random) -> Mutant:
        """Write a copy of a seed whose sense is damaged."""
        return make_taxa_mutant(seed, self.seeds, folder, rng)


if __name__ == "__main__":
    main(TaxaWatcher)
