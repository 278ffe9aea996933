"""Memory and time of a contrastive loss, forward and backward, against open_clip's ``ClipLoss``.

Every run is a process of its own, by turns, and tells its peak resident memory above what it held
with the vectors, and its time. Linux only: it resets the peak by ``/proc/self/clear_refs``::

    python benchmarks/contrastive_memory.py --rows 16384 --dim 512 --runs 3

The bounds of the exit code are those of ``infonce``: 8 times less memory, 1.2 times the time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

LESS_MEMORY = 8.0
MORE_TIME = 1.2
SCALE = 1 / 0.07
REFERENCE = "open_clip"
MEASURED = "infonce"
CAPTIONS_PER_KEY = 4  # of the losses that know shared keys


def peak_mib() -> float:
    """Return the peak of resident memory since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def run_once(loss: str, rows: int, dim: int) -> dict[str, float]:
    """Make vectors, then time one forward and backward pass."""
    from open_clip.loss import ClipLoss

    from fieldguide.losses.sides import Side
    from fieldguide.plugins import get_catalog

    generator = torch.Generator().manual_seed(0)
    images, texts = (
        F.normalize(torch.randn(rows, dim, generator=generator), dim=1).requires_grad_()
        for _ in range(2)
    )
    scale = torch.tensor(SCALE, requires_grad=True)
    bias = torch.tensor(-10.0, requires_grad=True)
    shared = loss not in (REFERENCE, MEASURED)
    keys = (torch.arange(rows) // (CAPTIONS_PER_KEY if shared else 1))[:, None]
    ours = None if loss == REFERENCE else get_catalog().methods[loss].load()()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mib()
    began = time.perf_counter()
    if ours is None:
        value = ClipLoss()(images, texts, scale)
    else:
        value = ours(Side(images, keys), Side(texts, keys), scale, bias)
    forward = time.perf_counter() - began
    value.backward()
    seconds = time.perf_counter() - began
    return {"mib": peak_mib() - before, "seconds": seconds, "forward": forward,
            "loss": float(value.detach())}  # fmt: skip


def run_child(loss: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", loss, "--rows", str(options.rows),
               "--dim", str(options.dim)]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loss", action="append", help="more losses by name; repeat")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_once(options.child, options.rows, options.dim)))
        return
    losses = [REFERENCE, MEASURED, *(options.loss or [])]
    runs = [(loss, run_child(loss, options)) for _ in range(options.runs) for loss in losses]
    print(f"{options.rows} rows, {options.dim} dimensions, {torch.get_num_threads()} threads, "
          f"median of {options.runs}")  # fmt: skip
    print("loss                 peak MiB  seconds  of these forward     value")
    medians = {}
    for loss in losses:
        of_loss = [measured for name, measured in runs if name == loss]
        middle = {key: statistics.median(run[key] for run in of_loss) for key in of_loss[0]}
        medians[loss] = middle
        print(f"{loss:20}{middle['mib']:9.0f}{middle['seconds']:9.2f}{middle['forward']:18.2f}"
              f"{middle['loss']:10.5f}")  # fmt: skip
    memory = medians[REFERENCE]["mib"] / medians[MEASURED]["mib"]
    slower = medians[MEASURED]["seconds"] / medians[REFERENCE]["seconds"]
    print(f"{memory:.1f} times less memory, {slower:.2f} times the time")
    sys.exit(0 if memory >= LESS_MEMORY and slower <= MORE_TIME else 1)


if __name__ == "__main__":
    main()
