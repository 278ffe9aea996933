"""What a full pass over whole slides takes: time and peak memory of each command.

Commands run one after the other, each in a process of its own and in a new folder, so that nothing
is kept from before; the start of the command is in its time::

    OMP_NUM_THREADS=1 python benchmarks/slides.py cmu_small_region.svs other.svs --mpp 0.5

``--mpp`` holds for all of them. It ends with 1 where a command fails, or needs
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
    scale = [*SCALE, *(["--mpp", mpp] if mpp else [])]
    own = [*scale, "--vectors", "kept"]
    every = list(map(str, slides))
    found = {}
    for number, slide in enumerate(every, 1):
        outputs = [f"-o{number}.geojson", f"-o{number}.png", f"-o{number}.csv"]
        found[f"`show`, slide {number}"] = ["show", slide, *scale]
        words = ["locate", slide, *TEXTS, *own, *outputs]
        found[f"`locate` with `--against`, slide {number}"] = words
        found[f"`locate`, another text, slide {number}"] = ["locate", slide, "tumour", *own]
    classes = ("--classes", "lung_histology", "-oclasses.csv")
    found["`classify` of all"] = ["classify", *every, *classes, *own]
    found["`index` of all"] = ["index", *every, *scale, "--window", "usual", "-oslides.fg"]
    found["`search` in that index"] = ["search", "slides.fg", TEXTS[0], "-k20"]
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
    parser.add_argument("--mpp", default="", help="of all slides; else as they say")
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
