"""Images a second from JPEG files to vectors, beside a plain open_clip loop in the same process.

Both take the same random weights of an open_clip architecture and the same 1 to 4 megapixel JPEGs.
The loop is open_clip's own model and transform, a torch DataLoader with as many workers as serve it
best, inference mode, float32 (bfloat16 on a GPU). Rounds alternate; ratios are of medians. ::

    python benchmarks/throughput.py
    python benchmarks/throughput.py --precision fp32 --precision auto --backend openvino
    python benchmarks/throughput.py --images FOLDER --architecture ViT-L-14 --device cuda
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from photos import write_photos
from PIL import Image
from safetensors.torch import save_file
from throughput_measures import (
    DTYPES,
    NEIGHBOURS,
    Vectors,
    distance_error,
    forward_gflop,
    matmul_gflops,
)
from torch.utils.data import DataLoader, Dataset

from fieldguide.data import jpeg
from fieldguide.data.pipeline import encode_items
from fieldguide.guides import Guide
from fieldguide.models import resample
from fieldguide.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEED = 0
WORKERS = (0, 1, 2, 4)
STEPS = 4
LARGEST_DISTANCE_ERROR, LEAST_OVERLAP = 0.01, 0.99


@dataclass
class Contender:
    """One way to turn the files into vectors.

    Attributes:
        run: from nothing to (N, D) vectors in the order of the files.
        seconds: of each round.
        vectors: of the last round.
    """

    name: str
    run: Callable[[], Vectors]
    seconds: list[float] = field(default_factory=list)
    vectors: Vectors | None = None

    def go(self) -> None:
        """Run one round and note its time."""
        began = time.perf_counter()
        self.vectors = self.run()
        self.seconds.append(time.perf_counter() - began)

    def images_per_second(self) -> tuple[float, float]:
        """Return the best and the median round."""
        assert self.vectors is not None
        count = len(self.vectors)
        return count / min(self.seconds), count / statistics.median(self.seconds)


class Files(Dataset[torch.Tensor]):
    """The plain loop's data set: Pillow and open_clip's transform."""

    def __init__(self, paths: list[Path], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.paths = paths
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[place]))


class PlainLoop:
    """open_clip as its README uses it, in batches."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(SEED)
        self.device = torch.device(options.device)
        self.precision = "fp32" if self.device.type == "cpu" else "bf16"
        model, _, self.transform = open_clip.create_model_and_transforms(
            options.architecture, precision=self.precision, device=self.device
        )
        self.model = model.eval()
        self.batch_size = options.batch_size

    def contender(self, paths: list[Path], workers: int) -> Contender:
        """Return the loop with that many DataLoader workers, which live as long as it does."""
        loader = DataLoader(
            Files(paths, self.transform),
            batch_size=self.batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.device.type == "cuda",
        )

        @torch.inference_mode()
        def run() -> Vectors:
            parts = [
                self.model.encode_image(
                    batch.to(self.device, DTYPES[self.precision], non_blocking=True), normalize=True
                )
                for batch in loader
            ]
            return np.asarray(torch.cat(parts).float().cpu().numpy())

        return Contender(f"open_clip, {self.precision}, {workers} workers", run)

    def best(self, paths: list[Path]) -> Contender:
        """Return the loop with the number of workers that is fastest on a warm disk cache."""
        tried = [self.contender(paths, workers) for workers in WORKERS]
        for contender in tried:
            for _ in range(2):  # the first starts the workers
                contender.go()
            print(
                f"  {contender.name}: {contender.images_per_second()[0]:.1f} images/s", flush=True
            )
        chosen = min(tried, key=lambda contender: contender.seconds[-1])
        return self.contender(paths, WORKERS[tried.index(chosen)])


def write_model(plain: PlainLoop, architecture: str, folder: Path) -> Path:
    """Write the plain loop's weights as a hub folder would be, in float32."""
    folder.mkdir()
    config = {
        "model_cfg": open_clip.get_model_config(architecture),
        "preprocess_cfg": plain.model.visual.preprocess_cfg,
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    state = plain.model.state_dict().items()
    tensors = {name: tensor.float().cpu().contiguous() for name, tensor in state}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


@dataclass
class Ours:
    """fieldguide with one setting."""

    guide: Guide
    paths: list[Path]

    def __post_init__(self) -> None:
        self.items = self.guide.find([str(path) for path in self.paths])
        self.plan = self.guide.planner.plan(self.items, thumbnails=False)

    def run(self) -> Vectors:
        """Return (N, D) vectors."""
        batches = self.guide.encode(self.items, self.plan)
        return np.concatenate([b.embeddings.vectors for b in batches if b.embeddings is not None])

    def pixels(self) -> list[NDArray[np.uint8] | None]:
        """Return what the model is given of each file."""
        return [self.plan.reader.read(item)[1] for item in self.items]

    def read_per_second(self) -> float:
        """Return images a second of reading and preparing alone, on all its threads."""
        began = time.perf_counter()
        workers, size = self.guide.runtime.workers, self.plan.batch_size
        for _ in encode_items(self.items, self.plan.reader, None, batch_size=size, workers=workers):
            pass
        return len(self.items) / (time.perf_counter() - began)

    def encoded_per_second(self) -> float:
        """Return images a second of the model alone, on all its threads."""
        encoder = self.plan.encoder
        assert encoder is not None
        prepared = [
            pixels for pixels in self.pixels()[: self.plan.batch_size] if pixels is not None
        ]
        batch = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)
        began = time.perf_counter()
        for _ in range(STEPS):
            encoder.encode_images(batch)
        return STEPS * len(batch) / (time.perf_counter() - began)

    @property
    def facts(self) -> str:
        """Backend, precision and why, step, threads."""
        shown = ("backend", "precision", "precision_reason", "batch_size")
        stated = [
            f"{name} {self.plan.computing[name]}" for name in shown if name in self.plan.computing
        ]
        return ", ".join([*stated, f"{self.guide.runtime.workers} reading threads"])


def make_ours(options: argparse.Namespace, model: Path, paths: list[Path]) -> dict[str, Ours]:
    found = {}
    for backend, precision in itertools.product(options.backend, options.precision):
        runtime = Runtime(
            device=options.device, batch_size=options.batch_size, workers=options.workers,
            backend=backend, precision=precision,
        )  # fmt: skip
        guide = Guide(model=str(model), runtime=runtime)
        found[f"fieldguide, {backend}, {precision}"] = Ours(guide, paths)
    return found


def different_images(ours: Ours, transform: Any) -> int:
    """Count the images of which a single value differs from what open_clip's model is given."""
    steps = [step for step in transform.transforms if type(step).__name__ != "Normalize"]
    different = 0
    for path, pixels in zip(ours.paths, ours.pixels(), strict=True):
        theirs: Any = Image.open(path)
        for step in steps:
            theirs = step(theirs)
        theirs = (theirs * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        different += pixels is None or not np.array_equal(pixels, theirs)
    return different


def print_path(ours: Ours, vectors: Vectors, exact: Vectors) -> bool:
    """Print how one setting of fieldguide did; return whether its vectors are close enough."""
    largest, mean, overlap = distance_error(vectors, exact)
    reading, encoding = ours.read_per_second(), ours.encoded_per_second()
    print(f"  path: {ours.facts}")
    in_turns = 1 / (1 / reading + 1 / encoding)  # what cores that do both could reach
    print(f"  alone: reading and preparing {reading:.1f}, the model {encoding:.1f} images/s; "
          f"in turns on the same cores {in_turns:.1f}")  # fmt: skip
    print(f"  distance error: largest {largest:.2%}, mean {mean:.3%} of the median distance; "
          f"top-{NEIGHBOURS} overlap {overlap:.4f}")  # fmt: skip
    return largest <= LARGEST_DISTANCE_ERROR and overlap >= LEAST_OVERLAP


def print_setting(paths: list[Path], gflop: float, limits: dict[str, float]) -> None:
    megapixels = statistics.mean(np.prod(Image.open(path).size) / 1e6 for path in paths)
    decoder = "torchvision's operator" if jpeg.agrees_with_pillow() else "Pillow"
    resizer = "exact matrix products" if resample.agrees_with_pillow() else "Pillow"
    speeds = ", ".join(f"{name} {limit:.0f} GFLOP/s" for name, limit in limits.items())
    print(f"\n{len(paths)} JPEGs of {megapixels:.1f} megapixels on average; {gflop:.1f} GFLOP an "
          f"image; {torch.get_num_threads()} torch threads")  # fmt: skip
    print(f"decoder: {decoder}; resize: {resizer}; matrix products: {speeds}")


def report(plain: PlainLoop, contenders: list[Contender], ours: dict[str, Ours]) -> bool:
    """Print the figures; return whether every bound is kept."""
    reference, any_of_ours = contenders[0], next(iter(ours.values()))
    assert reference.vectors is not None
    gflop = forward_gflop(plain.model, plain.device, plain.precision)
    limits = {precision: matmul_gflops(plain.device, precision) for precision in DTYPES}
    print_setting(any_of_ours.paths, gflop, limits)
    different = different_images(any_of_ours, plain.transform)
    print(f"images with a pixel that differs from open_clip's: {different}")
    kept = different == 0
    for contender in contenders:
        best, median = contender.images_per_second()
        ratio = statistics.median(reference.seconds) / statistics.median(contender.seconds)
        setting = ours.get(contender.name)
        precision = plain.precision if setting is None else setting.plan.computing["precision"]
        share = best * gflop / limits[precision]
        print(f"\n{contender.name}: best {best:.1f}, median {median:.1f} images/s, "
              f"ratio {ratio:.2f}, {share:.0%} of the matrix products' speed")  # fmt: skip
        if setting is not None and contender.vectors is not None:
            close = print_path(setting, contender.vectors, reference.vectors)
            kept = kept and close
    return kept


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of JPEGs; by default they are drawn")
    parser.add_argument("--count", type=int, default=128, help="how many are drawn or taken")
    parser.add_argument("--architecture", default="ViT-B-32", help="a name that open_clip knows")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=Runtime().workers, help="reading threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", action="append", help="fp32, bf16 or auto; repeat")
    parser.add_argument("--backend", action="append", help="torch, openvino or onnx; repeat")
    options = parser.parse_args()
    options.precision = options.precision or [Runtime().precision]
    options.backend = options.backend or [Runtime().backend]
    return options


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        if options.images is None:
            options.paths = write_photos(Path(temporary) / "photos", options.count)
        else:
            options.paths = sorted(options.images.rglob("*.jp*g"))[: options.count]
        plain = PlainLoop(options)
        model = write_model(plain, options.architecture, Path(temporary) / "model")
        ours = make_ours(options, model, options.paths)
        contenders = [plain.best(options.paths)]
        contenders += [Contender(name, setting.run) for name, setting in ours.items()]
        for contender in contenders:
            contender.run()  # starts threads and workers, builds what is built once
        for _ in range(options.rounds):
            for contender in contenders:
                contender.go()
        kept = report(plain, contenders, ours)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
