"""Images a second through the embedded image tower, with freed memory kept and given back.

::

    python benchmarks/frozen_stages.py --batch 16 --rounds 3

Each way runs in a process of its own, rounds alternate, and the best round counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import torch

from fieldguide.machine import keep_freed_memory
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.probing import probe_images
from fieldguide.plugins import get_catalog
from fieldguide.tuning.attach import require_tunable

STEPS = 12
WAYS = ("given back", "kept")


def measure(way: str, batch: int) -> float:
    """Return images a second."""
    if way == "kept":
        keep_freed_memory()
    catalog = get_catalog()
    record = named_model("embedded_conse", catalog)
    encoder = require_tunable(load_encoder(record, catalog, torch.device("cpu")))
    pictures = probe_images(3, *encoder.contract.size_px, batch)
    with torch.inference_mode():
        encoder.image_module(pictures)
        start = time.perf_counter()
        for _ in range(STEPS):
            encoder.image_module(pictures)
    return STEPS * batch / (time.perf_counter() - start)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way is not None:
        print(measure(options.way, options.batch))
        return
    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(options.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--batch", str(options.batch)]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            best[way] = max(best[way], float(found.split()[-1]))
    print(f"{best}; ratio {best['kept'] / best['given back']:.2f}")


if __name__ == "__main__":
    main()
