"""One base and many adapters: memory, cost of attaching, of switching and of an image.

ViT-B-32 with random weights and adapters of low rank on the MLP layers of its image tower, in
three ways: a model of its own for each adapter, fieldguide's shelf, and peft's ``set_adapter``.
The adapters are made by peft, so that all three compute the same; the largest difference is told.
Rounds are interleaved, and the median counts::

    OMP_NUM_THREADS=1 python benchmarks/adapters.py --adapters 8 --rank 8
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.openclip import OpenClipEncoder
from fieldguide.models.openclip_names import architecture_config
from fieldguide.plugins import get_catalog
from fieldguide.tiny_checkpoints import write_checkpoint
from fieldguide.tuning.adapter import Adapter, AdapterConfig, base_of
from fieldguide.tuning.attach import attach
from fieldguide.tuning.changes import LowRank
from fieldguide.tuning.shelf import Shelf, own_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = r"visual\.transformer\.resblocks\.\d+\.mlp\.(c_fc|c_proj)"
IMAGES = 4
MIB = 2**20


def build_base(folder: Path, architecture: str) -> OpenClipEncoder:
    """Return a model of an architecture of open_clip with random weights."""
    write_checkpoint(folder, {"embed_dim": 512, **architecture_config(architecture)})
    catalog = get_catalog()
    encoder = load_encoder(named_model(str(folder), catalog), catalog, torch.device("cpu"))
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


def with_peft(base: OpenClipEncoder, count: int, rank: int) -> Any:
    """Return a copy of the network with that many adapters of peft, none of them zero."""
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS)
    model = get_peft_model(copy.deepcopy(base.network), config, adapter_name="a0")
    for number in range(1, count):
        model.add_adapter(f"a{number}", config)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.02, generator=generator)
    return model.eval().requires_grad_(False)


def as_adapters(model: Any, base: OpenClipEncoder, count: int) -> dict[str, Adapter]:
    """Return the adapters of peft as fieldguide's."""
    changes: dict[str, dict[str, LowRank]] = defaultdict(dict)
    for path, module in model.base_model.model.named_modules():
        for name in getattr(module, "lora_A", ()):
            a, b = module.lora_A[name].weight, module.lora_B[name].weight
            changes[name][f"{path}.weight"] = LowRank(a.clone(), b.clone() * module.scaling[name])
    config = AdapterConfig(
        name="a", summary="random", method="lora", base=base_of(base, "base"),
        contract=base.contract, logit_scale=base.logit_scale, scope=("photo",),
    )  # fmt: skip
    return {f"a{number}": Adapter(config, changes[f"a{number}"]) for number in range(count)}


def median_ms(runs: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each run; a round does each of them once."""
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run(number)
            taken[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def network_bytes(network: torch.nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--adapters", type=int, default=8)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    count = options.adapters
    with tempfile.TemporaryDirectory() as folder:
        base = build_base(Path(folder) / "base", options.architecture)
        own_model = named_model(str(Path(folder) / "base"), get_catalog())
        loading = median_ms(
            {"load": lambda _: load_encoder(own_model, get_catalog(), torch.device("cpu"))}, 2
        )["load"]
    model = with_peft(base, count, options.rank)
    adapters = as_adapters(model, base, count)
    shelf = Shelf(base, adapters, max_bytes=2**40)
    tight = Shelf(base, adapters, max_bytes=2 * own_bytes(shelf.encoder("a0"), base))
    pixels = torch.randint(0, 256, (IMAGES, 3, 224, 224), dtype=torch.uint8)
    tower = base.with_network(model.base_model.model)

    def by_peft(number: int) -> np.ndarray:
        model.set_adapter(f"a{number % count}")
        return tower.encode_images(pixels).vectors

    def by_shelf(number: int) -> np.ndarray:
        return shelf.encoder(f"a{number % count}").encode_images(pixels).vectors

    worst = max(float(np.abs(by_peft(n) - by_shelf(n)).max()) for n in range(count))
    switching = median_ms(
        {
            "shelf, copy kept": lambda n: shelf.encoder(f"a{n % count}"),
            "shelf, merged anew": lambda n: attach(base, adapters[f"a{n % count}"]),
            "peft set_adapter": lambda n: model.set_adapter(f"a{n % count}"),
        },
        options.rounds,
    )
    images = median_ms(
        {
            "base": lambda _: base.encode_images(pixels),
            "shelf": by_shelf,
            "peft": by_peft,
        },
        options.rounds,
    )
    whole = network_bytes(base.network)
    low_rank = sum(
        change.a.nbytes + change.b.nbytes
        for adapter in adapters.values()
        for change in adapter.changes.values()
        if isinstance(change, LowRank)
    )
    threads = torch.get_num_threads()
    print(f"{options.architecture}, {count} adapters of rank {options.rank}, {threads} threads")
    print(f"largest difference from peft  {worst:.1e}")
    print("memory, MiB")
    print(f"  one base                      {whole / MIB:8.1f}")
    print(f"  separate models               {count * whole / MIB:8.1f}")
    print(f"  shelf, all copies kept        {(whole + low_rank + shelf.merged_bytes) / MIB:8.1f}")
    print(f"  shelf, two copies kept        {(whole + low_rank + tight.merged_bytes) / MIB:8.1f}")
    print(f"  peft, unmerged                {network_bytes(model) / MIB:8.1f}")
    print("to the next adapter, ms")
    print(f"  load a separate model         {loading:8.3f}")
    for name, taken in switching.items():
        print(f"  {name:<28}  {taken:8.3f}")
    print(f"{IMAGES} images with another adapter each time, ms")
    for name, taken in images.items():
        print(f"  {name:<28}  {taken:8.1f}")


if __name__ == "__main__":
    main()
