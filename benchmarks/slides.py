"""What a full pass over whole slides takes: time and peak memory of each command.

Commands run one after the other, each in a process of its own and in a new folder, so that nothing
is kept from before; the start of the command is in its time::

    OMP_NUM_THREADS=1 python benchmarks/slides.py cmu_small_region.svs other.svs --mpp 0.5

``--mpp`` is taken for the slides after the first. It ends with 1 where a command fails, or needs
more than 3 GiB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_GIB = 3.0
TEXTS = ("squamous cell carcinoma", "--against", "benign lung tissue")
SCALE = ("--domain", "medical", "--at-magnification", "20")


def commands(slides: list[Path], mpp: str) -> dict[str, list[str]]:
    """Return the words of each command by what the table calls it."""
    found = {}
    for number, slide in enumerate(slides):
        own = [*SCALE, *(["--mpp", mpp] if number and mpp else [])]
        outputs = [f"-o{number}.geojson", f"-o{number}.png", f"-o{number}.csv"]
        table = f"slide {number + 1}: "
        found |= {
            f"{table}`show`": ["show", str(slide), *own],
            f"{table}`locate` with `--against`": ["locate", str(slide), *TEXTS, *own, *outputs],
            f"{table}`locate`, another text": ["locate", str(slide), "benign lung tissue", *own],
            f"{table}`classify`": [
                "classify", str(slide), "--classes", "lung_histology", *own, f"-oclass{number}.csv",
            ],
            f"{table}`index`": ["index", str(slide), *own, "--window", "usual", f"-o{number}.fg"],
            f"{table}`search`": ["search", f"{number}.fg", "squamous cell carcinoma", "-k", "20"],
        }  # fmt: skip
    return found


def measured(words: list[str], folder: str) -> tuple[float, float, int]:
    """Return seconds, the peak of resident memory in GiB, and how a command ended."""
    program = [sys.executable, "-m", "fieldguide", *words, "--quiet"]
    program = program[:-1] if words[0] == "show" else program
    began = time.perf_counter()
    with Path(folder, "output").open("ab") as output:
        process = subprocess.Popen(program, cwd=folder, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, used.ru_maxrss / 2**20, process.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slides", nargs="+", type=Path)
    parser.add_argument("--mpp", default="", help="of the slides after the first")
    options = parser.parse_args()
    slides = [path.absolute() for path in options.slides]
    passed = True
    print("| | seconds | peak memory, GiB |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, words in commands(slides, options.mpp).items():
            seconds, peak_gib, code = measured(words, folder)
            passed &= code == 0 and peak_gib <= LIMIT_GIB
            failed = "" if code == 0 else f" (ended with {code})"
            print(f"| {name}{failed} | {seconds:.0f} | {peak_gib:.2f} |", flush=True)
        if not passed:
            print(Path(folder, "output").read_text("utf-8", "replace")[-2000:])
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
