"""Measures one image tower against another: how much faster, and how near its vectors are.

The measure of nearness is what a user sees of vectors: the distances between images, and who is
among the nearest. Both are compared on pictures made by code, with the statistics of photographs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.contract import Contract
    from fieldguide.models.towers import ImageTower

IMAGES = 24
ROUNDS = 3
NEIGHBOURS = 10
MAX_DISTANCE_ERROR = 0.01  # of the median distance between two images
MIN_OVERLAP = 0.97
"""Of the ten nearest images. With so few pictures each place is 0.4 %, and near ties change places
at errors far below the bound on distances; ``benchmarks/throughput.py`` asks for 0.99 on many."""

MAX_SHAPES = 40


@dataclass(frozen=True)
class Comparison:
    """A candidate against the exact tower.

    Attributes:
        speedup: the exact tower's time over the candidate's, best steps.
        seconds_per_image: of the candidate, best step.
        distance_error: the largest change of a distance between two images, as a fraction of the
            median distance.
        top10_overlap: the share of the ten nearest images that is the same.
    """

    speedup: float
    seconds_per_image: float
    distance_error: float
    top10_overlap: float

    @property
    def agrees(self) -> bool:
        """Whether the vectors are near enough."""
        return self.distance_error <= MAX_DISTANCE_ERROR and self.top10_overlap >= MIN_OVERLAP

    def __str__(self) -> str:
        """Return the figures in a few words."""
        return (
            f"{self.speedup:.2f}x the speed, distances differ by at most "
            f"{100 * self.distance_error:.2g} % of their median, "
            f"{100 * self.top10_overlap:.3g} % of the ten nearest are the same"
        )


def compare(exact: ImageTower, candidate: ImageTower, images: Tensor, step: int) -> Comparison:
    """Run both towers on the same images in turns.

    Args:
        exact: the one to agree with.
        candidate: the one that would take its place.
        images: (N, C, H, W) uint8, N of at least 3.
        step: images a step while the time is taken.
    """
    towers = (exact, candidate)
    times: tuple[list[float], list[float]] = ([], [])
    features: tuple[list[Tensor], list[Tensor]] = ([], [])
    order = torch.arange(max(len(images), ROUNDS * step)) % len(images)
    for tower in towers:
        tower(images[order[:step]])  # the first step packs weights and fills caches
    for start in range(0, len(order), step):
        places = order[start : start + step]
        for tower, seconds, found in zip(towers, times, features, strict=True):
            begin = time.perf_counter()
            result = tower(images[places])
            if len(places) == step:
                seconds.append(time.perf_counter() - begin)
            found.append(result)
    first, second = (torch.cat(found)[: len(images)] for found in features)
    error, overlap = disagreement(first, second)
    return Comparison(min(times[0]) / min(times[1]), min(times[1]) / step, error, overlap)


def disagreement(exact: Tensor, candidate: Tensor) -> tuple[float, float]:
    """Return the largest error of a distance, in median distances, and the overlap of neighbours.

    Args:
        exact: (N, D) features.
        candidate: (N, D) features of the same images.

    Returns:
        (infinity, 0.0) when a feature is not finite or all images are the same to the exact tower.
    """
    if not (torch.isfinite(exact).all() and torch.isfinite(candidate).all()):
        return float("inf"), 0.0
    true, found = (_distances(features) for features in (exact, candidate))
    rows, columns = torch.triu_indices(len(true), len(true), offset=1)
    median = float(true[rows, columns].median())
    if median == 0:
        return float("inf"), 0.0
    error = float((true - found)[rows, columns].abs().max()) / median
    return error, _overlap(true, found)


def _distances(features: Tensor) -> Tensor:
    """Return (N, N) distances of unit vectors, in float64 and without the shortcut by products."""
    vectors = F.normalize(features.double(), dim=1)
    return torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def _overlap(true: Tensor, found: Tensor) -> float:
    count = min(NEIGHBOURS, len(true) - 1)
    others = torch.eye(len(true), dtype=torch.float64) * 1e9  # an image is no neighbour of itself
    nearest = ((each + others).topk(count, largest=False).indices for each in (true, found))
    pairs = zip(*(places.tolist() for places in nearest), strict=True)
    return sum(len(set(a) & set(b)) for a, b in pairs) / (count * len(true))


def probe_inputs(contract: Contract, count: int = IMAGES) -> Tensor:
    """Return inputs that a contract could have prepared; the same ones at every call.

    Args:
        contract: of the encoder that is probed.
        count: how many.

    Returns:
        (count, C, H, W), see :func:`probe_images`; of volumes (count, C, X, Y, Z), whose slices
        at each X are such pictures.
    """
    if contract.spatial_dims == 2:
        height_px, width_px = contract.size_px
        return probe_images(len(contract.bands), height_px, width_px, count)
    length, height_px, width_px = contract.size_px
    slices = probe_images(len(contract.bands) * length, height_px, width_px, count)
    return slices.view(count, len(contract.bands), length, height_px, width_px)


def probe_images(channels: int, height_px: int, width_px: int, count: int = IMAGES) -> Tensor:
    """Return (count, C, H, W) uint8 pictures that look a little like photographs.

    Smooth textures whose amplitude falls with frequency, as that of natural images does (Field
    1987, "Relations between the statistics of natural images and the response properties of
    cortical cells"), partly hidden by shapes of one colour (Lee, Mumford and Huang 2001,
    "Occlusion models for natural images"). The same ones at every call.
    """
    generator = np.random.default_rng(0)
    size = (channels, height_px, width_px)
    pictures = [_picture(generator, size) for _ in range(count)]
    return torch.from_numpy(np.stack(pictures))


def _picture(generator: np.random.Generator, size: tuple[int, int, int]) -> NDArray[np.uint8]:
    channels, height_px, width_px = size
    frequency = np.hypot(
        np.fft.fftfreq(height_px)[:, None], np.fft.rfftfreq(width_px)[None, :]
    )  # cycles per pixel
    frequency[0, 0] = np.inf  # no mean
    amplitude = frequency ** -generator.uniform(0.8, 1.6)
    phases = np.exp(2j * np.pi * generator.random((channels, *frequency.shape)))
    texture = np.fft.irfft2(amplitude * phases, s=(height_px, width_px))
    texture /= texture.std(axis=(1, 2), keepdims=True) + 1e-9
    texture = 0.4 * texture + 0.6 * texture.mean(axis=0)  # the channels of photographs go together
    picture = texture * generator.uniform(15, 50) + generator.uniform(60, 190, (channels, 1, 1))
    rows, columns = np.ogrid[:height_px, :width_px]
    for _ in range(generator.integers(0, MAX_SHAPES)):
        row, column = generator.random() * height_px, generator.random() * width_px
        radius = 3 + max(height_px, width_px) * 0.5 * generator.random() ** 3
        hidden = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        colour = generator.uniform(0, 255, (channels, 1))
        picture[:, hidden] = colour + 0.3 * (picture[:, hidden] - 128)
    clipped: NDArray[np.uint8] = np.clip(picture, 0, 255).astype(np.uint8)
    return clipped
