"""Feed damaged files of every kind to fieldguide; each is loaded, recorded or refused.

One small sound input of each kind is damaged in many ways and given to the public functions in a
process of its own, which is watched: an exception that is not ours, a crash, a hang, too much
memory, a traceback on the screen, or a file written elsewhere is *bad*, and the mutant is kept::

    python benchmarks/soak_hostile.py --mutants 1000 --seed 0

A bad mutant is made again, alone, by the seed and number that are printed::

    python benchmarks/soak_hostile.py --seed 0 --only 417
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostile_mutators import Mutant, make_mutant
from hostile_seeds import CHECKPOINT, checkpoint_of, write_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection

    from hostile_seeds import Seed

TIME_LIMIT_S = 60.0
MEMORY_LIMIT_BYTES = 4 * 2**30
START_LIMIT_S = 120.0
POLL_S = 0.005
LOADED, RECORDED, REFUSED, BAD = OUTCOMES = ("loaded", "recorded", "refused", "bad")
LABELS = ["cat", "dog"]
DOMAINS = {"geotiff": "remote_sensing", "vrt": "remote_sensing", "jp2": "remote_sensing",
           "nifti": "medical", "nifti gz": "medical", "dicom": "medical"}  # fmt: skip
PRELOADED = ("fieldguide.guides", "fieldguide.models.openclip", "fieldguide_medical.nifti",
             "fieldguide_medical.dicom_series", "fieldguide_remote_sensing.geotiff")  # fmt: skip
NOISE = re.compile(r"Traceback \(most recent|panicked at|Fatal Python error|Segmentation")
OWN = (".cache/fieldguide", ".config/fieldguide", ".local/state/fieldguide", ".cache/matplotlib")
"""Folders of the home in which fieldguide, and a library of it, keep files of their own."""
ON_PURPOSE = "fault on purpose"


@dataclass(frozen=True)
class Ended:
    """How one mutant ended, and why."""

    mutant: Mutant
    outcome: str
    reason: str
    seconds: float


# -- in the watched process ---------------------------------------------------------------------


class Sandbox:
    """What the watched process does with one mutant of each kind."""

    def __init__(self, seeds: Path, output: Path) -> None:
        from fieldguide.guides import Guide  # imports torch, so only in this process

        self.model = str(checkpoint_of(seeds))
        self.photo = seeds / "png" / "photo.png"
        self.output = output
        self._guide: Callable[..., Any] = Guide
        self._guides: dict[str, Any] = {}

    def run(self, kind: str, entry: Path) -> tuple[str, str]:
        """Return the outcome and the reason; raises what fieldguide raises."""
        special = {
            "class set": self._class_set,
            "labels": self._labels,
            "registry": self._registry,
            CHECKPOINT: self._checkpoint,
            "embeddings": self._embeddings,
            "lance index": self._index,
            ON_PURPOSE: self._on_purpose,
        }
        if kind in special:
            return special[kind](entry)
        guide = self.guide(DOMAINS.get(kind, "general"))
        if DOMAINS.get(kind) == "medical":  # the tiny model takes no volumes
            sample, _ = guide.show(entry)
            return LOADED, f"{sample.size_px} px"
        return self._classified(guide, entry)

    def guide(self, domain: str) -> Any:
        """Return the guide of a domain with the sound model, made once."""
        if domain not in self._guides:
            self._guides[domain] = self._guide(domain, model=self.model, out_of_scope=True)
        return self._guides[domain]

    def _classified(self, guide: Any, entry: Path) -> tuple[str, str]:
        found = guide.classify(entry, LABELS, thumbnails=True)
        for suffix in ("csv", "json", "parquet", "html"):
            found.write(self.output / f"result.{suffix}")
        reasons = [row.reason for row in found]
        unexpected = [reason for reason in reasons if reason.startswith("unexpected ")]
        if unexpected:
            return BAD, unexpected[0]
        used = any(row.guesses for row in found)
        return (LOADED if used else RECORDED), next(iter(filter(None, reasons)), "")

    def _on_purpose(self, entry: Path) -> tuple[str, str]:
        """Run a fault that a test wrote, to see that the watcher sees it."""
        exec(entry.read_text(), {"sandbox": self})
        return LOADED, ""

    def _class_set(self, entry: Path) -> tuple[str, str]:
        from fieldguide.zeroshot.class_sets import load_class_set

        found = load_class_set(str(entry), self.guide("general").catalog)
        return LOADED, f"{len(found.prompts())} classes"

    def _labels(self, entry: Path) -> tuple[str, str]:
        from fieldguide.zeroshot.class_sets import read_labels

        return self._classified_by(read_labels(entry))

    def _classified_by(self, labels: list[str]) -> tuple[str, str]:
        self.guide("general").classify(self.photo, labels[:100])
        return LOADED, f"{len(labels)} labels"

    def _registry(self, entry: Path) -> tuple[str, str]:
        from fieldguide.plugins import get_catalog

        os.environ["FIELDGUIDE_REGISTRY"] = str(entry)
        try:
            found = get_catalog().registry.with_user_overlay()
        finally:
            del os.environ["FIELDGUIDE_REGISTRY"]
        return LOADED, f"{len(found.models)} models"

    def _checkpoint(self, entry: Path) -> tuple[str, str]:
        return self._classified(self._guide(model=str(entry)), self.photo)

    def _embeddings(self, entry: Path) -> tuple[str, str]:
        outcome = self._classified(self.guide("general"), entry)
        target = self.output / f"extended{entry.suffix}"
        if entry.is_file():
            shutil.copyfile(entry, target)
            self.guide("general").embed(self.photo, target)
        return outcome

    def _index(self, entry: Path) -> tuple[str, str]:
        from fieldguide.guides import open_index

        index = open_index(entry)
        rows = len(index.search("a barn", k=3, where="cloud_cover < 10 or label = 'cat'"))
        index.add(self.photo)
        return LOADED, f"{rows} rows"


def watched(seeds: Path, home: Path, pipe: Connection) -> None:
    """Run mutants one by one as they come through the pipe, until it is closed."""
    serve(home, pipe, lambda: Sandbox(seeds, home / "output"))


def serve(home: Path, pipe: Connection, make_sandbox: Callable[[], Any]) -> None:
    """Give each mutant of a pipe to a sandbox, which is made once, in the home of its own."""
    _move_home(home)
    from fieldguide.errors import FieldguideError, InputError

    sandbox = make_sandbox()
    pipe.send("ready")
    while True:
        try:
            kind, entry = pipe.recv()
        except EOFError:
            return
        try:
            answer = sandbox.run(kind, entry)
        except InputError as error:
            answer = RECORDED, str(error)
        except FieldguideError as error:
            answer = REFUSED, str(error)
        except BaseException as error:  # noqa: BLE001 - whatever comes out here is the finding
            frames = traceback.extract_tb(error.__traceback__)
            places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-6:-1])
            answer = BAD, f"{type(error).__name__}: {str(error)[:300]} at {places}"
        pipe.send(answer)


def _move_home(home: Path) -> None:
    """Point every folder that a process may write into to the sandbox, and its output to a file."""
    import torch

    torch.set_num_threads(1)
    for name in ("home", "tmp", "here", "output"):
        (home / name).mkdir(exist_ok=True)
    folders = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "home/.cache",
               "XDG_CONFIG_HOME": "home/.config"}  # fmt: skip
    os.environ |= {name: str(home / folder) for name, folder in folders.items()}
    os.environ["HF_HUB_OFFLINE"] = "1"
    tempfile.tempdir = None
    os.chdir(home / "here")
    screen = os.open(home / "screen.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(screen, 1)
    os.dup2(screen, 2)


# -- the watcher --------------------------------------------------------------------------------


class Watcher:
    """Gives mutants to a watched process, and a new one to the next after a crash or hang.

    Attributes:
        root: a folder of its own: seeds, the sandbox and the mutants lie there.
        target: what the watched process runs.
        preloaded: modules that it finds imported.
        time_limit_s: for one mutant.
        memory_limit_bytes: for the whole process.
    """

    target: Callable[..., None] = staticmethod(watched)
    preloaded: tuple[str, ...] = PRELOADED
    time_limit_s = TIME_LIMIT_S
    memory_limit_bytes = MEMORY_LIMIT_BYTES

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "sandbox"
        self.home.mkdir()
        self.seeds = self.write_seeds(root / "seeds")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*self.preloaded])
        self._process: Any = None
        self._pipe: Any = None

    def write_seeds(self, folder: Path) -> list[Seed]:
        """Write a sound input of each kind."""
        return write_seeds(folder)

    def damaged(self, seed: Seed, folder: Path, rng: random.Random) -> Mutant:
        """Write a damaged copy of a seed into a folder."""
        return make_mutant(seed, self.seeds, folder, rng)

    def close(self) -> None:
        """End the watched process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def run(self, seed: int, number: int) -> Ended:
        """Make the mutant of a seed and number, give it away and see how it ends."""
        rng = random.Random(f"{seed}-{number}")
        chosen = self.seeds[number % len(self.seeds)]
        folder = self.root / "mutants" / f"{number}"
        return self.give(self.damaged(chosen, folder, rng))

    def give(self, mutant: Mutant) -> Ended:
        """Give a mutant to the watched process and see how it ends."""
        if self._process is None:
            self._start()
        before = self._elsewhere(mutant)
        self._forget_output()
        began = time.monotonic()
        outcome, reason = self._ask(mutant)
        seconds = time.monotonic() - began
        if outcome != BAD and (written := _changes(before, self._elsewhere(mutant))):
            outcome, reason = BAD, f"written elsewhere: {written}"
        if (screen := self._screen()) and outcome != BAD:
            outcome, reason = BAD, f"on the screen: {screen}"
        return Ended(mutant, outcome, reason, seconds)

    def undamaged(self) -> Iterator[Ended]:
        """Yield how a copy of each seed ends; a soak of files that are never read shows nothing."""
        for seed in self.seeds:
            folder = self.root / "mutants" / seed.folder.name
            shutil.copytree(seed.folder, folder)
            yield self.give(Mutant(seed, folder / seed.entry, "undamaged"))

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=self.target, args=(self.root / "seeds", self.home, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_LIMIT_S) or self._pipe.recv() != "ready":
            raise RuntimeError(f"the watched process did not start: {self._screen()}")

    def _ask(self, mutant: Mutant) -> tuple[str, str]:
        end = time.monotonic() + self.time_limit_s
        self._pipe.send((mutant.seed.kind, mutant.entry))
        while time.monotonic() < end:
            try:
                if self._pipe.poll(POLL_S):
                    outcome, reason = self._pipe.recv()
                    return outcome, reason
            except (EOFError, OSError):
                self._process.join()
                code = self._process.exitcode
                self.close()
                return BAD, f"the process died with {code}"
            if (used := _memory_bytes(self._process.pid)) > self.memory_limit_bytes:
                self.close()
                return BAD, f"{used / 2**30:.1f} GiB of memory"
        self.close()
        return BAD, f"no answer within {self.time_limit_s:.0f} s"

    def _elsewhere(self, mutant: Mutant) -> dict[str, tuple[int, int]]:
        """Return all files that must stay as they are, with size and time."""
        found: dict[str, tuple[int, int]] = {}
        own = (self.home / "home" / folder for folder in OWN)
        kept = (self.home / "output", self.home / "screen.txt", *own)
        if mutant.seed.kind == "lance index":
            kept = (*kept, mutant.entry)  # it is extended
        for top in (self.home, mutant.entry.parent, self.root / "seeds"):
            for parent, folders, files in os.walk(top):
                folders[:] = [name for name in folders if Path(parent, name) not in kept]
                for path in (Path(parent, name) for name in files):
                    if path not in kept and not str(path).endswith(".fg.provenance.json"):
                        stat = path.lstat()
                        found[str(path)] = (stat.st_size, stat.st_mtime_ns)
        return found

    def _forget_output(self) -> None:
        for path in (self.home / "output").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _screen(self) -> str:
        """Return the first line on the screen that no user should see, and wipe the screen."""
        path = self.home / "screen.txt"
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        with contextlib.suppress(FileNotFoundError):
            os.truncate(path, 0)
        found = NOISE.search(text)
        return text[found.start() : found.start() + 300] if found else ""


def _memory_bytes(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return ", ".join(sorted(names)[:3])


def soak(watcher: Watcher, seed: int, numbers: Iterator[int] | range) -> Iterator[Ended]:
    """Yield how each mutant ended; only those that are bad stay on disk."""
    for number in numbers:
        ended = watcher.run(seed, number)
        if ended.outcome != BAD:
            shutil.rmtree(watcher.root / "mutants" / f"{number}")
        yield ended


def print_table(ended: list[Ended]) -> None:
    """Print one line a kind, and the sum."""
    print(f"{'kind':<16}" + "".join(f"{name:>10}" for name in (*OUTCOMES, "slowest s")))
    for kind in (*dict.fromkeys(each.mutant.seed.kind for each in ended), "all"):
        rows = [each for each in ended if kind in (each.mutant.seed.kind, "all")]
        counts = Counter(each.outcome for each in rows)
        slowest_s = max(each.seconds for each in rows)
        print(f"{kind:<16}" + "".join(f"{counts[n]:>10}" for n in OUTCOMES) + f"{slowest_s:>10.1f}")


def main(watcher_type: type[Watcher] = Watcher) -> None:
    """Soak as the command line says, by a watcher of a type, and end the process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", type=int, help="the number of one mutant")
    parser.add_argument("--keep", type=Path, default=Path("hostile"), help="for bad mutants")
    options = parser.parse_args()
    only = options.only
    numbers = range(options.mutants) if only is None else range(only, only + 1)
    began, ended = time.monotonic(), []
    with tempfile.TemporaryDirectory() as temporary:
        watcher = watcher_type(Path(temporary))
        try:
            for each in watcher.undamaged():
                if each.outcome != LOADED:
                    sys.exit(f"the sound {each.mutant.seed.kind} is {each.outcome}: {each.reason}")
            for number, each in zip(numbers, soak(watcher, options.seed, numbers), strict=True):
                ended.append(each)
                if each.outcome == BAD or options.only is not None:
                    print(f"{number} {each.mutant.seed.kind}: {each.mutant.story}\n"
                          f"    {each.outcome}: {each.reason}", flush=True)  # fmt: skip
                if each.outcome == BAD:
                    shutil.copytree(watcher.root / "mutants" / f"{number}",
                                    options.keep / f"{options.seed}_{number}", symlinks=True,
                                    dirs_exist_ok=True, copy_function=_copy)  # fmt: skip
                if options.seconds and time.monotonic() - began > options.seconds:
                    break
        finally:
            watcher.close()
    minutes = (time.monotonic() - began) / 60
    print(f"{len(ended)} mutants, seed {options.seed}, {minutes:.1f} minutes")
    print_table(ended)
    sys.exit(any(each.outcome == BAD for each in ended))


def _copy(source: str, target: str) -> None:
    if Path(source).is_file():  # not a pipe
        shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
