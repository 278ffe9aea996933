"""Time and memory of a LoRA training step, beside plain peft on the same layers.

One step is forward, backward and AdamW of the image tower of an open_clip model with random
weights. Plain peft wraps the MLPs' linear layers ("c_fc", "c_proj") or the attentions ("attn"),
which it does by merging its change into the attention's weight in every forward. Rounds alternate,
and each contender runs in a process of its own, so that its peak of memory is its own. ::

    python benchmarks/lora_step.py
    python benchmarks/lora_step.py --architecture ViT-B-16 --rounds 3 --device cuda
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import open_clip
import torch
from peft import LoraConfig, inject_adapter_in_model

from fieldguide.models.tunable import sharing_copy
from fieldguide.tuning.layouts.openclip_image import VisionTransformerLayout
from fieldguide.tuning.lora import LoraLayers

if TYPE_CHECKING:
    from torch import nn

RANK, ALPHA, SEED = 8, 16.0, 0
ROLES = {"mlp": ("mlp_in", "mlp_out"), "attn": ("attention_in", "attention_out")}
PLAIN = {"mlp": r"visual\..*\.(c_fc|c_proj)", "attn": r"visual\..*\.attn"}
WAYS = ("plain", "ours")


def prepared(way: str, target: str, architecture: str, device: str) -> nn.Module:
    """Return the network with LoRA layers on one kind of target."""
    torch.manual_seed(SEED)
    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns that the weights are random
    network: nn.Module = open_clip.create_model(architecture, pretrained=None, device=device)
    network.requires_grad_(False)
    if way == "plain":
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=PLAIN[target])
        return cast("nn.Module", inject_adapter_in_model(config, network))
    layout = VisionTransformerLayout(cast("Any", network).visual, "visual")
    layers = [layer for layer in layout.layers() if layer.role in ROLES[target]]
    copied = sharing_copy(network)
    LoraLayers(layers, RANK, ALPHA).prepare(copied)
    return copied


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Take some steps; return the median time and the peak of memory."""
    network = prepared(options.way, options.target, options.architecture, options.device)
    visual = cast("Any", network).visual
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    size = visual.image_size[0]
    images = torch.randn(options.batch, 3, size, size, device=options.device)
    seconds = []
    for _ in range(options.steps + 1):
        began = time.perf_counter()
        visual(images).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        _wait(options.device)
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": statistics.median(seconds[1:]),  # the first one allocates
        "peak_mb": _peak_bytes(options.device) / 2**20,
        "trained": sum(p.numel() for p in trained),
    }


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _peak_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in kB


def compare(options: argparse.Namespace, target: str) -> None:
    """Run both ways in turns and print the ratios of each round and their median."""
    ratios = SimpleNamespace(seconds=[], peak_mb=[])
    for number in range(options.rounds):
        # who goes first alternates, so that a machine that slows down favours neither
        order = WAYS if number % 2 == 0 else WAYS[::-1]
        found = {way: _in_own_process(options, way, target) for way in order}
        plain, ours = found["plain"], found["ours"]
        ratios.seconds.append(ours["seconds"] / plain["seconds"])
        ratios.peak_mb.append(ours["peak_mb"] / plain["peak_mb"])
        print(
            f"{target} round {number + 1}: ours {ours['seconds']:.3f} s, {ours['peak_mb']:.0f} MB, "
            f"{ours['trained']:.0f} trained; plain {plain['seconds']:.3f} s, "
            f"{plain['peak_mb']:.0f} MB, {plain['trained']:.0f} trained",
            flush=True,
        )
    print(
        f"{target}: time x{statistics.median(ratios.seconds):.3f} "
        f"({min(ratios.seconds):.3f} to {max(ratios.seconds):.3f}), "
        f"peak memory x{statistics.median(ratios.peak_mb):.3f} of plain peft"
    )


def _in_own_process(options: argparse.Namespace, way: str, target: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--target", target]
    for name in ("architecture", "batch", "steps", "threads", "device"):
        command += [f"--{name}", str(getattr(options, name))]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--target", choices=tuple(ROLES), help="one only; both when left out")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.way:
        print(json.dumps(measure(options)))
        return
    for target in [options.target] if options.target else ROLES:
        compare(options, target)


if __name__ == "__main__":
    main()
