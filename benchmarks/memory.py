"""Peak memory of ``fieldguide embed`` on few and on many images: it must not grow with them.

Each size is a process of its own, whose peak resident memory the system reports at its end. The
images are hard links to some hundred different JPEGs::

    python benchmarks/memory.py --count 2000 --count 20000
    python benchmarks/memory.py --command index --model light --side 64
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from soak_kill import OUTPUTS, draw_photos

DISTINCT = 300
PER_FOLDER = 1000
BOUND = 1.2
LIGHT = "light"
KIB_PER_UNIT = 1 if platform.system() != "Darwin" else 1 / 1024  # of ru_maxrss


def link_photos(distinct: Path, folder: Path, count: int) -> None:
    """Fill a folder with that many paths to the same few files."""
    sources = sorted(distinct.glob("*.jpg"))
    for number in range(count):
        group = folder / f"{number // PER_FOLDER:04d}"
        group.mkdir(parents=True, exist_ok=True)
        (group / f"{number:06d}.jpg").hardlink_to(sources[number % len(sources)])


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run one command; return its peak memory in MiB and its time in seconds."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "fieldguide", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"fieldguide {' '.join(arguments)} ended with {code}")
    return usage.ru_maxrss * KIB_PER_UNIT / 1024, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, action="append", help="images; repeat")
    parser.add_argument("--command", choices=OUTPUTS, default="embed")
    parser.add_argument("--side", type=int, default=256, help="of the images, in pixels")
    parser.add_argument("--model", help="as of fieldguide; 'light' is a tiny random open_clip")
    options = parser.parse_args()
    counts = sorted(options.count or [2_000, 20_000])
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        draw_photos(root / "distinct", min(DISTINCT, counts[-1]), options.side)
        model = options.model
        if model == LIGHT:
            from fieldguide.testing import write_tiny_checkpoint  # imports torch

            model = str(write_tiny_checkpoint(root / "model"))
        named = [] if model is None else ["--model", model]
        print(f"{options.command}, {options.side} px, model {options.model or 'embedded'}")
        print("  images  peak MiB  seconds  images/s", flush=True)
        peaks = []
        for count in counts:
            folder = root / f"photos {count}"
            link_photos(root / "distinct", folder, count)
            output = root / f"{count} {OUTPUTS[options.command]}"
            peak, seconds = measure([options.command, str(folder), "-o", str(output), "--quiet",
                                     "--device", "cpu", *named])  # fmt: skip
            peaks.append(peak)
            print(f"{count:8}{peak:10.0f}{seconds:9.1f}{count / seconds:10.1f}", flush=True)
    ratio = peaks[-1] / peaks[0]
    print(f"ratio {ratio:.2f}, bound {BOUND}")
    sys.exit(0 if ratio <= BOUND else 1)


if __name__ == "__main__":
    main()
