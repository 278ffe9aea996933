"""Time and peak memory of every command on one CT volume, by a model of slices.

python benchmarks/ct_volume.py SERIES_FOLDER WORK_FOLDER

Each command is a process of its own, as a user starts it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

MODEL = """
base: embedded_conse
contract: chest_slices
pooling: mean
"""
TEXT = "a liver"


def commands(volume: Path, work: Path) -> dict[str, list[str]]:
    """Return the command lines by name, in their order."""
    model = work / "slices.yaml"
    common = ["--domain", "medical", "--modality", "ct_volume", "--out-of-scope", "--quiet",
              "--model", str(model)]  # fmt: skip
    windows = ["--window", "100mm", "--vectors", str(work / "kept")]
    outputs = [f"{work}/heat.nii.gz", f"{work}/found.slices.csv", f"{work}/found.csv"]
    written = [word for output in outputs for word in ("-o", output)]
    return {
        "show": ["show", str(volume), "--domain", "medical"],
        "classify, 2 labels": ["classify", str(volume), "--label", "liver", "--label", "lung",
                               "-o", f"{work}/labels.csv", *common],
        "classify, 18 findings": ["classify", str(volume), "--classes", "ct_rate_18",
                                  "-o", f"{work}/findings.csv", *common],
        "index": ["index", str(volume), "-o", f"{work}/volumes.fg", *common],
        "search": ["search", f"{work}/volumes.fg", TEXT, "-o", f"{work}/hits.csv"],
        "locate, boxes of 100 mm": ["locate", str(volume), TEXT, *windows, *written, *common],
        "locate, another text": ["locate", str(volume), "a kidney", *windows, *written, *common],
    }  # fmt: skip


def run(words: list[str]) -> tuple[float, float]:
    """Run ``fieldguide``; return seconds and the peak of its memory in GiB.

    Raises:
        SystemExit: it did not end with 0.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fieldguide", *words], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"fieldguide {words[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_maxrss / 2**20


def main() -> None:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path, help="a NIfTI file, or a folder with one series")
    parser.add_argument("work", type=Path, help="a folder for outputs, new or empty")
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    (told.work / "slices.yaml").write_text(MODEL, "utf-8")
    print("| command | seconds | peak memory, GiB |\n|---|---|---|")
    for name, words in commands(told.volume, told.work).items():
        seconds, memory_gib = run(words)
        print(f"| {name} | {seconds:.0f} | {memory_gib:.2f} |", flush=True)


if __name__ == "__main__":
    main()
