"""Memory and time of one training step: the whole batch at once, and by cached gradients.

Both towers of an open_clip architecture with random weights are trained in full; the gradients of
the two ways are compared first. Every run is a process of its own, by turns, and tells its time and
its peak resident memory above what weights and gradients hold. Linux only: it resets the peak by
``/proc/self/clear_refs``::

    python benchmarks/cached_gradients.py --architecture ViT-B-32 --rows 32 64 128 --micro 16
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
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.sides import Side
from fieldguide.tuning.cached_gradients import cached_backward

WAYS = ("whole", "cached")
SCALE = 1 / 0.07
CLOSE = 1e-4


def peak_mib() -> float:
    """Return the peak of resident memory since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


class Step:
    """One step of a model on a random batch, without the optimiser."""

    def __init__(self, architecture: str, rows: int) -> None:
        import open_clip  # seconds: only where a step is run

        torch.manual_seed(0)
        self.model: nn.Module = open_clip.create_model(architecture).train()
        side_px = self.model.visual.image_size[0]
        self.images = torch.randn(rows, 3, side_px, side_px)
        self.tokens = torch.randint(1, 40_000, (rows, self.model.context_length))
        for parameter in self.model.parameters():
            parameter.grad = torch.zeros_like(parameter)  # held in both ways

    def encode(self, part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return unit vectors of images and texts."""
        images, texts = self.model.encode_image(part[0]), self.model.encode_text(part[1])
        return F.normalize(images, dim=1), F.normalize(texts, dim=1)

    def loss(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return InfoNCE of the batch."""
        keys = torch.arange(len(images))[:, None]
        return InfoNCE()(
            Side(images, keys), Side(texts, keys), torch.tensor(SCALE), torch.tensor(0)
        )

    def run(self, way: str, micro: int) -> float:
        """Add the gradients; return the loss."""
        if way == "whole":
            loss = self.loss(*self.encode((self.images, self.tokens)))
            loss.backward()
            return loss.item()
        parts = list(zip(self.images.split(micro), self.tokens.split(micro), strict=True))
        return cached_backward(self.encode, parts, self.loss)

    def gradient(self) -> Tensor:
        """Return all gradients as one vector, and forget them."""
        found = torch.cat([p.grad.reshape(-1) for p in self.model.parameters()])
        self.model.zero_grad(set_to_none=False)
        return found


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Run a small step to warm up and the one that is measured."""
    Step(options.architecture, 2).run(options.child, options.micro)
    step = Step(options.architecture, options.rows[0])
    Path("/proc/self/clear_refs").write_text("5")
    before, began = peak_mib(), time.perf_counter()
    loss = step.run(options.child, options.micro)
    return {"seconds": time.perf_counter() - began, "mib": peak_mib() - before, "loss": loss}


def run_child(way: str, rows: int, options: argparse.Namespace) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", way, "--architecture", options.architecture,
               "--rows", str(rows), "--micro", str(options.micro),
               "--threads", str(options.threads)]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def check(options: argparse.Namespace) -> float:
    """Return the relative difference of the two ways' gradients."""
    step = Step(options.architecture, options.rows[0])
    found = []
    for way in WAYS:
        step.run(way, options.micro)
        found.append(step.gradient())
    return float((found[0] - found[1]).norm() / found[0].norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--rows", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--micro", type=int, default=16, help="images at a time, when cached")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(json.dumps(measure(options)))
        return
    difference = check(options)
    print(f"{options.architecture}, {options.micro} at a time when cached, {options.runs} runs, "
          f"{options.threads} threads; gradients differ by {difference:.1e}")  # fmt: skip
    print("rows  way      peak MiB  seconds (median, of runs)")
    for rows in options.rows:
        runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.runs):
            for way in WAYS:
                runs[way].append(run_child(way, rows, options))
        for way, measured in runs.items():
            seconds = [run["seconds"] for run in measured]
            print(f"{rows:4}  {way:7}{max(run['mib'] for run in measured):>10.0f}"
                  f"{statistics.median(seconds):>9.1f}  ({min(seconds):.1f} to {max(seconds):.1f})",
                  flush=True)  # fmt: skip
    if difference > CLOSE:
        sys.exit(f"The gradients differ by {difference:.1e}, more than {CLOSE:.0e}.")


if __name__ == "__main__":
    main()
