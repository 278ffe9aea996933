"""Kill ``fieldguide embed`` and ``fieldguide index`` at random moments; nothing may be lost.

Each job embeds the same photographs in many small commits, is killed with SIGKILL (while it
starts, works, or finishes), and is started again until it has had its kills. Then it runs to its
end and is compared with a job that nobody disturbed::

    python benchmarks/soak_kill.py --kills 20
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.process import BaseProcess

PHOTOS = 150
PHOTO_PX = 96
BATCH = 8
POLL_S = 0.002
PATIENCE_S = 300.0
TOLERANCE = 1e-5
MOMENTS = ("starting", "working", "finishing")
OUTPUTS = {"embed": "photos.parquet", "index": "photos.fg"}


def draw_photos(folder: Path, count: int, side_px: int = PHOTO_PX) -> None:
    """Write smooth random JPEGs, each different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        colours = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        photo = Image.fromarray(colours).resize((side_px, side_px), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number:05d}.jpg", quality=85)


def run_command(arguments: list[str], rows_per_commit: int, marker: Path) -> None:
    """Run the command line in this process, with small commits; touch a file at the last step."""
    from fieldguide.cli import main  # here, because each job is a process of its own
    from fieldguide.data import store_job
    from fieldguide.data.embedding_file import EmbeddingFile

    store_job.ROWS_PER_COMMIT = rows_per_commit
    _touch_before(EmbeddingFile, "finish", marker)
    if arguments[0] == "index":
        from fieldguide.retrieval.lance_index import LanceIndex  # 2 s to import

        _touch_before(LanceIndex, "compact", marker)
    sys.argv = ["fieldguide", *arguments]
    main()


def _touch_before(owner: type[Any], name: str, marker: Path) -> None:
    method: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(method)
    def marked(self: Any) -> Any:
        marker.touch()
        return method(self)

    setattr(owner, name, marked)


@dataclass
class Soak:
    """Jobs of one command on one folder of photographs.

    Attributes:
        command: "embed" or "index".
        kills: how many there were, by moment.
        kept: how many commits each killed job left.
    """

    command: str
    photos: Path
    folder: Path
    random: random.Random
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MOMENTS, 0))
    kept: list[int] = field(default_factory=list)

    @property
    def output(self) -> Path:
        """What the job makes."""
        return self.folder / OUTPUTS[self.command]

    @property
    def marker(self) -> Path:
        """A file that appears when the job comes to its last step."""
        return self.folder / "finishing"

    def start(self) -> BaseProcess:
        """Start the job in a process of its own."""
        self.marker.unlink(missing_ok=True)
        arguments = [self.command, str(self.photos), "-o", str(self.output), "--quiet",
                     "--device", "cpu", "--workers", "1", "--batch-size", str(BATCH)]  # fmt: skip
        context = multiprocessing.get_context("forkserver")  # imports torch only once
        context.set_forkserver_preload(["fieldguide.guides", "fieldguide.models.embedded"])
        process = context.Process(target=run_command, args=(arguments, BATCH, self.marker))
        process.start()
        return process

    def commits(self) -> int:
        """Return how many commits are on disk."""
        if self.command == "embed":
            return len(list(self.output.with_name("photos.parquet.parts").glob("part-*.parquet")))
        return len(list((self.output / "items.lance" / "_versions").glob("*.manifest")))

    def run_to_the_end(self) -> None:
        """Run the job; raise RuntimeError unless its exit code is 0."""
        process = self.start()
        process.join(PATIENCE_S)
        if process.exitcode != 0:
            process.kill()
            raise RuntimeError(f"{self.command} ended with {process.exitcode}")

    def kill_once(self, moment: str) -> bool:
        """Start the job and kill it at a moment; return False when it was done before that."""
        process = self.start()
        goal = self.commits() + self.random.randint(1, 4)
        reached: dict[str, Callable[[], bool]] = {
            "starting": lambda: True,
            "working": lambda: self.commits() >= goal,
            "finishing": self.marker.exists,
        }
        slack_s = {"starting": 2.5, "working": 0.3, "finishing": 0.06}[moment]
        patience = time.monotonic() + PATIENCE_S
        while process.is_alive() and not reached[moment]() and time.monotonic() < patience:
            time.sleep(POLL_S)
        time.sleep(self.random.uniform(0, slack_s))
        was_alive = process.is_alive()
        process.kill()
        process.join()
        if was_alive:
            self.kills[moment] += 1
            self.kept.append(self.commits())
        return was_alive

    def check(self, expected: Mapping[str, np.ndarray[Any, Any]]) -> float:
        """Compare with the undisturbed job; return the largest difference of a number.

        Raises:
            RuntimeError: a row is missing, too many, there twice, or different.
        """
        ids, vectors = read(self.output)
        if len(ids) != len(set(ids)) or set(ids) != set(expected):
            missing, extra = set(expected) - set(ids), set(ids) - set(expected)
            doubled = len(ids) - len(set(ids))
            raise RuntimeError(f"missing {missing}, not asked for {extra}, {doubled} doubled")
        difference = max(
            float(np.abs(expected[name] - vector).max())
            for name, vector in zip(ids, vectors, strict=True)
        )
        if difference > TOLERANCE:
            raise RuntimeError(f"a vector differs by {difference}")
        return difference

    def forget(self) -> None:
        """Remove the output, for a job from the beginning."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def read(output: Path) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Return the ids and vectors of an embedding file or index."""
    if output.suffix == ".parquet":
        from fieldguide.data.embedding_rows import read_embeddings

        found = read_embeddings(output)
        return found.ids, found.embeddings.vectors
    from fieldguide.retrieval.lance_index import open_lance_index

    ids, embeddings = open_lance_index(output).vectors()
    return ids, embeddings.vectors


def undisturbed(photos: Path, folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the vectors of a job that runs through, by id; both commands store the same."""
    job = Soak("embed", photos, folder, random.Random(0))
    job.run_to_the_end()
    return dict(zip(*read(job.output), strict=True))


def soak(job: Soak, kills: int, expected: Mapping[str, np.ndarray[Any, Any]]) -> tuple[int, float]:
    """Kill a job that often, starting over whenever it got to its end.

    Returns:
        How often it was run to its end and checked, and the largest difference of a number.
    """
    rounds, difference = 0, 0.0
    while sum(job.kills.values()) < kills:
        if not job.kill_once(job.random.choice(MOMENTS)):
            difference = max(difference, job.check(expected))
            rounds += 1
            job.forget()
    job.run_to_the_end()
    return rounds + 1, max(difference, job.check(expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="for each command")
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        draw_photos(root / "photos", options.photos)
        (root / "undisturbed").mkdir()
        expected = undisturbed(root / "photos", root / "undisturbed")
        print(f"{options.photos} photographs, {BATCH} a commit, seed {options.seed}")
        print("command  kills  starting  working  finishing  checked  largest difference  minutes")
        for command in OUTPUTS:
            began = time.monotonic()
            (root / command).mkdir()
            job = Soak(command, root / "photos", root / command, random.Random(options.seed))
            rounds, difference = soak(job, options.kills, expected)
            minutes = (time.monotonic() - began) / 60
            counts = "".join(f"{job.kills[m]:>{w}}" for m, w in zip(MOMENTS, (10, 9, 11),
                                                                     strict=True))  # fmt: skip
            print(f"{command:7}{sum(job.kills.values()):>7}{counts}{rounds:>9}"
                  f"{difference:>20.1e}{minutes:>9.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
