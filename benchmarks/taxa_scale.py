"""Half a million labels on stored vectors: top-5 with roll-up, beside the matrix product alone.

Vectors and tree are random; the tree has seven ranks, a label in ten hangs one or two ranks higher
than the others, and a label in a thousand is a genus. The label matrix is mapped from a file. Each
round times, chunk by chunk in one process, the matrix product (in chunks of 128 and of 256 images;
the faster one counts) and the scores with the probabilities of all taxa; ranks of the first images
are compared with a full stable sort of their single-precision logits, made one at a time. Peak
memory is that of a process of its own, which does our work only. Linux only::

    python benchmarks/taxa_scale.py --labels 500000 --images 10000
    python benchmarks/taxa_scale.py --labels 50000 --images 256 --dictionary --answers

The exit code is 1 where a bound is broken: twice the time of the product, 2 GiB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.taxonomy.build import no_other_names
from fieldguide.taxonomy.node_sums import NodeSums
from fieldguide.taxonomy.order import depth_first
from fieldguide.taxonomy.prune import Pruned, prune
from fieldguide.taxonomy.tree import Tree, TreeInfo
from fieldguide.zeroshot.label_scores import LabelScorer
from fieldguide.zeroshot.stopping import StopWhereSure
from fieldguide.zeroshot.taxa import Taxa
from fieldguide.zeroshot.taxa_answerer import TaxaAnswerer
from fieldguide.zeroshot.taxon_answers import AtRank, Leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Vectors
    from fieldguide.zeroshot.taxon_answers import TaxonAnswer

SCALE, TOP, BATCH = 100.0, 5, 1024
MORE_TIME, MOST_GIB = 2.0, 2.0
PRODUCT_ROWS = (128, 256)
SORTED_ROWS = 64  # whose 500,000 logits are sorted in full
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
SHARES = (1e-5, 1e-4, 6e-4, 3e-3, 0.02, 0.18)  # taxa of each rank a label, but the last
ANSWERS: dict[str, TaxonAnswer] = {
    "labels": Leaves(TOP),
    "at family": AtRank("family", TOP),
    "where sure": StopWhereSure(0.8),
}


def random_taxa(labels: int) -> Pruned:
    """Return a ragged tree with that many labels."""
    draw = np.random.default_rng(0)
    counts = [max(1, round(share * labels)) for share in SHARES] + [labels - labels // 1000]
    first = np.cumsum([0, *counts])
    parents = [np.full(counts[0], -1)]
    for rank in range(1, len(counts)):
        parents.append(first[rank - 1] + draw.integers(0, counts[rank - 1], counts[rank]))
    every = np.concatenate(parents)
    ragged = first[-2] + draw.choice(counts[-1], counts[-1] // 10, replace=False)
    for _ in range(2):
        every[ragged] = every[every[ragged]]
        ragged = ragged[: len(ragged) // 2]
    order, above, ends = depth_first(every)
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int8)[order]
    names = pa.array([f"taxon {number}" for number in order], pa.string())
    empty = pa.array([""] * len(order), pa.string())
    tree = Tree(TreeInfo("random"), RANKS, names, codes, above, ends, names, empty,
                no_other_names())  # fmt: skip
    inner = np.flatnonzero(codes == len(RANKS) - 2)[: labels - counts[-1]]
    return prune(tree, np.r_[np.flatnonzero(codes == len(RANKS) - 1), inner])


def write_vectors(path: Path, count: int, dim: int, seed: int) -> None:
    """Write random unit vectors chunk by chunk."""
    draw = np.random.default_rng(seed)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, dim))
    for start in range(0, count, 1 << 15):
        rows = out[start : start + (1 << 15)]
        rows[:] = unit_length(draw.standard_normal(rows.shape, dtype=np.float32))
    out.flush()


def clocks() -> NDArray[np.float64]:
    """Return the time on the wall and of the processors, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def product_seconds(labels: Vectors, images: Vectors, rows: int) -> NDArray[np.float64]:
    """Return the times of the matrix product alone, into one buffer."""
    mapped, buffer = torch.from_numpy(labels), torch.empty(len(labels) * rows)
    began = clocks()
    for start in range(0, len(images), rows):
        some = torch.from_numpy(images[start : start + rows])
        torch.mm(mapped, some.T, out=buffer[: len(mapped) * len(some)].view(len(mapped), -1))
    return clocks() - began


def roll_up(scorer: LabelScorer, add: NodeSums, images: Vectors) -> NDArray[np.int64]:
    """Return the best labels, after the probabilities of all inner taxa were made."""
    best = []
    for _, scores, _ in scorer.chunks(images, top=TOP):
        sums = add(scores.weights)
        sums /= scores.totals.astype(np.float32)  # probabilities, (I, N)
        best.append(scores.top)
    return np.concatenate(best)


def wrong_ranks(labels: Vectors, images: Vectors, best: NDArray[np.int64]) -> tuple[int, float]:
    """Return how many ranks differ from a stable sort, and the largest gap of such logits."""
    wrong, gap = 0, 0.0
    for image, ours in zip(images, best, strict=True):
        logits = (np.float32(SCALE) * image)[None] @ labels.T
        row = logits[0]
        other = np.argsort(-row, kind="stable")[:TOP]
        wrong += int((other != ours).sum())
        gap = max(gap, float(np.abs(row[other] - row[ours]).max()))
    return wrong, gap


def dictionary_seconds(labels: Vectors, images: Vectors, pruned: Pruned) -> float:
    """Return the time of a dense softmax with a dictionary of sums an image, as pybioclip has."""
    tree = pruned.tree
    families = [tree.name_of(node) for node in tree.ancestors_at(pruned.labels, "family")]
    began = time.perf_counter()
    for image in images:
        shares = (SCALE * torch.from_numpy(labels) @ torch.from_numpy(image)).softmax(0)
        sums: dict[str, float] = defaultdict(float)
        for name, share in zip(families, shares.tolist(), strict=True):
            if share > 1e-9:
                sums[name] += share
        sorted(sums.items(), key=lambda pair: -pair[1])[:TOP]
    return time.perf_counter() - began


def answer_seconds(pruned: Pruned, labels: Vectors, images: Vectors) -> dict[str, float]:
    """Return the time of each whole answer, guesses and all."""
    space = SpaceId(model="r", encoder="r", contract="r", pooling="r", dim=labels.shape[1])
    found = {}
    for name, answer in ANSWERS.items():
        taxa = Taxa(pruned, answer=answer)
        answerer = TaxaAnswerer(taxa, Embeddings(labels, space), SCALE)
        answerer.answers(Embeddings(images[:1], space), [])  # builds what is built once
        began = time.perf_counter()
        for start in range(0, len(images), BATCH):
            answerer.answers(Embeddings(images[start : start + BATCH], space), [])
        found[name] = time.perf_counter() - began
    return found


def peak_gib(folder: Path, threads: int) -> float:
    """Return the peak memory of a process that scores all images and does nothing else."""
    command = [sys.executable, __file__, "--child", str(folder), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_child(folder: Path) -> None:
    """Score all images and print the peak memory in GiB."""
    labels = np.load(folder / "labels.npy", mmap_mode="c")
    images = np.load(folder / "images.npy", mmap_mode="r")
    add = NodeSums(random_taxa(len(labels)))
    scorer = LabelScorer(labels, SCALE)
    for start in range(0, len(images), BATCH):
        roll_up(scorer, add, np.array(images[start : start + BATCH]))
    # not ru_maxrss, which a process inherits from the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    print(json.dumps(int(line.split()[1]) / 2**20))


def run_round(
    folder: Path, pruned: Pruned
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, float]]:
    """Return (R, 2) times of the products, (2,) of ours, and the ranks that differ."""
    labels = np.load(folder / "labels.npy", mmap_mode="c")
    images = np.load(folder / "images.npy")
    add, scorer = NodeSums(pruned), LabelScorer(labels, SCALE)
    products, ours, best = np.zeros((len(PRODUCT_ROWS), 2)), np.zeros(2), None
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        products += [product_seconds(labels, some, rows) for rows in PRODUCT_ROWS]
        began = clocks()
        found = roll_up(scorer, add, some)
        ours += clocks() - began
        best = found if best is None else best
    assert best is not None
    checked = slice(min(SORTED_ROWS, len(best)))
    return products, ours, wrong_ranks(labels, images[checked], best[checked])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=500_000)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dictionary", action="store_true", help="also sum by a dictionary")
    parser.add_argument("--answers", action="store_true", help="also time whole answers")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        run_child(options.child)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_vectors(folder / "labels.npy", options.labels, options.dim, 1)
        write_vectors(folder / "images.npy", options.images, options.dim, 2)
        sys.exit(report(folder, random_taxa(options.labels), options))


def report(folder: Path, pruned: Pruned, options: argparse.Namespace) -> int:
    """Print the rounds, return the exit code."""
    print(f"{len(pruned.labels)} labels, {len(pruned.tree)} taxa, {options.images} images, "
          f"{options.dim} dimensions, {options.threads} threads")  # fmt: skip
    ratios = []
    for number in range(options.rounds):
        products, ours, (wrong, gap) = run_round(folder, pruned)
        ratio, cpu = ours / products.min(axis=0)
        ratios.append(ratio)
        each = zip(PRODUCT_ROWS, products[:, 0], strict=True)
        alone = ", ".join(f"{rows} rows {seconds:.1f} s" for rows, seconds in each)
        print(f"round {number + 1}: product {alone}; with top-{TOP} and roll-up {ours[0]:.1f} s, "
              f"{ratio:.2f} times ({cpu:.2f} in processor time); ranks that differ {wrong}, "
              f"largest gap {gap:.1g}", flush=True)  # fmt: skip
    peak = peak_gib(folder, options.threads)
    middle = statistics.median(ratios)
    print(f"median {middle:.2f} times the product (bound {MORE_TIME}), peak {peak:.2f} GiB "
          f"(bound {MOST_GIB})")  # fmt: skip
    labels, images = np.load(folder / "labels.npy", mmap_mode="c"), np.load(folder / "images.npy")
    if options.answers:
        for name, seconds in answer_seconds(pruned, labels, images).items():
            print(f"whole answers, {name}: {seconds:.1f} s")
    if options.dictionary:
        seconds = dictionary_seconds(labels, images, pruned)
        print(f"dense softmax and a dictionary an image: {seconds:.1f} s")
    return 0 if middle <= MORE_TIME and peak <= MOST_GIB else 1


if __name__ == "__main__":
    main()
