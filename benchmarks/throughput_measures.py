"""What throughput is judged by: agreement of vectors, and what the device could do at most."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

Vectors = NDArray[np.float32]
NEIGHBOURS = 10
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def distance_error(found: Vectors, exact: Vectors) -> tuple[float, float, float]:
    """Return the largest and mean error of distances between images, and the top-10 overlap.

    Errors are shares of the median distance; the overlap is a share of neighbours.
    """
    ours, theirs = (_distances(vectors.astype(np.float64)) for vectors in (found, exact))
    pairs = np.triu_indices(len(exact), k=1)
    error = np.abs(ours - theirs)[pairs] / np.median(theirs[pairs])
    overlap = [
        len(np.intersect1d(a, b)) / NEIGHBOURS
        for a, b in zip(_nearest(ours), _nearest(theirs), strict=True)
    ]
    return float(error.max()), float(error.mean()), float(np.mean(overlap))


def _distances(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.linalg.norm(vectors - one, axis=1) for one in vectors])


def _nearest(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    others = distances + np.diag(np.full(len(distances), np.inf))
    return np.argsort(others, axis=1)[:, :NEIGHBOURS]


def forward_gflop(model: Any, device: torch.device, precision: str) -> float:
    """Return GFLOP an image of the image tower; an addition and a multiplication are two."""
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.zeros(1, 3, height, width, device=device, dtype=DTYPES[precision])
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not know the fused layer
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.encode_image(images)
    torch.backends.mha.set_fastpath_enabled(fused)
    return float(counter.get_total_flops() / 1e9)


def matmul_gflops(device: torch.device, precision: str) -> float:
    """Return the best GFLOP/s of large square matrix products on torch's threads."""
    side = MATRIX_SIDE[device.type]
    left, right = torch.randn(2, side, side, device=device).to(DTYPES[precision])
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e9
