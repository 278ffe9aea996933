"""How long fieldguide takes to start, beside bare Python and torch: best and median of runs.

Each run is a process of its own; the first, which fills the disk cache, is not counted.

    python benchmarks/startup.py --repeat 10
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

IMAGE_SIZE_PX = (640, 480)


@dataclass(frozen=True)
class Job:
    """What is timed.

    Attributes:
        budget_s: the median should stay below it; None for what is only compared with.
    """

    name: str
    arguments: tuple[str, ...]
    budget_s: float | None = None


def jobs(photo: Path) -> list[Job]:
    classify = ("classify", str(photo), "--label", "cat", "--label", "dog", "--quiet")
    return [
        Job("python -c pass", ("-c", "pass")),
        Job("import fieldguide", ("-c", "import fieldguide"), 0.1),
        Job("fieldguide --help", ("-m", "fieldguide", "--help"), 0.5),
        Job("import torch", ("-c", "import torch")),
        Job("fieldguide classify, one JPEG", ("-m", "fieldguide", *classify), 6.0),
    ]


def seconds(job: Job) -> float:
    """Return the time of one run, from start to exit of the process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *job.arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def line(job: Job, times_s: list[float]) -> str:
    best, median = min(times_s), statistics.median(times_s)
    verdict = ""
    if job.budget_s is not None:
        verdict = f"{job.budget_s:>9.1f}  {'kept' if median <= job.budget_s else 'EXCEEDED'}"
    return f"{job.name:<31}{best:>8.3f}{median:>10.3f}{verdict}".rstrip()


def main() -> None:
    from PIL import Image  # only for the picture, not in the processes that are timed

    parser = argparse.ArgumentParser(description="Measure how long fieldguide takes to start.")
    parser.add_argument("--repeat", type=int, default=10, help="runs of each (default: 10)")
    repeat = parser.parse_args().repeat
    if repeat < 1:
        parser.error("--repeat must be 1 or more")
    print(f"{f'of {repeat} runs, s':<31}{'best':>8}{'median':>10}{'budget':>9}")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        Image.effect_noise(IMAGE_SIZE_PX, 64).convert("RGB").save(photo)
        for job in jobs(photo):
            seconds(job)
            print(line(job, [seconds(job) for _ in range(repeat)]), flush=True)


if __name__ == "__main__":
    main()
