"""Near duplicates: a hash of what a picture looks like, and the search for hashes that are close.

The hash has 64 bits (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash
Functions"): the signs of 8 x 8 low frequencies of the picture's discrete cosine transform against
their median, the constant left out. It hardly changes by compression, size and brightness. Mirrored
and turned copies are found as well, because the eight symmetries of the square only change signs of
these frequencies and swap the axes. Copies that were cropped, or turned by other angles, are not.

The search is multi-index hashing (Norouzi et al. 2012, "Fast Search in Hamming Space with
Multi-Index Hashing", arXiv:1307.2982): two hashes that differ in at most 7 of 64 bits differ in at
most one bit of some quarter, so only the buckets of 17 keys a quarter are looked into. It finds
every pair within the radius, in blocks of bounded size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RADIUS_BITS = 4
"""Hashes this far apart are near duplicates; see docs/tuning.md."""
MAX_RADIUS_BITS = 7
SYMMETRIES = 8
GRID_PX = 32
FREQUENCIES = 8
MIN_CONTRAST = 1.0
"""Standard deviation of gray values, of 255, below which a picture is of one colour."""

QUARTERS = 4
QUARTER_BITS = 16
PAIRS_A_BLOCK = 2**21


def perceptual_hash(pixels: NDArray[np.uint8]) -> NDArray[np.uint64] | None:
    """Return the hashes of a picture and of its seven mirrored and turned forms.

    Args:
        pixels: (H, W, C), or (H, W) gray.

    Returns:
        (8,), the picture itself first; None for a picture of one colour, which has no look.
    """
    gray = pixels.mean(axis=2, dtype=np.float32) if pixels.ndim == 3 else pixels.astype(np.float32)
    size = (GRID_PX, GRID_PX)
    small = np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS))
    if small.std() < MIN_CONTRAST:
        return None
    basis = _cosines()
    waves = basis @ small.astype(np.float64) @ basis.T  # (8, 8), rows are vertical frequencies
    return np.array([_bits(form) for form in _symmetric_forms(waves)], dtype=np.uint64)


def _cosines() -> NDArray[np.float64]:
    """Return rows 1 to 8 of the discrete cosine transform of type II, (8, 32)."""
    frequency = np.arange(1, FREQUENCIES + 1)[:, None]
    place = np.arange(GRID_PX)[None, :] + 0.5
    return np.cos(np.pi * frequency * place / GRID_PX)


def _symmetric_forms(waves: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the frequencies of the eight mirrored and turned pictures.

    To mirror an axis is to negate its odd frequencies.
    """
    sign = np.where(np.arange(1, FREQUENCIES + 1) % 2, -1.0, 1.0)
    forms = [waves, waves * sign[:, None], waves * sign, waves * sign[:, None] * sign]
    return [*forms, *(form.T for form in forms)]


def _bits(waves: NDArray[np.float64]) -> np.uint64:
    above = (waves > np.median(waves)).ravel()
    return np.packbits(above).view(">u8").astype(np.uint64)[0]  # type: ignore[no-any-return]  # numpy's stubs lose the scalar


def distance_bits(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return in how many bits hashes differ (Warren, "Hacker's Delight", 5-1).

    >>> distance_bits(np.array([7, 0], np.uint64), np.array([1, 2**64 - 1], np.uint64)).tolist()
    [2, 64]
    """
    x = a ^ b
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    with np.errstate(over="ignore"):
        return ((x * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)


@dataclass(frozen=True)
class Matches:
    """The nearest hash of the index to each query.

    Attributes:
        places: (Q,) int64, its place in the index; -1 where none is within the radius.
        distance_bits: (Q,) int64; 65 where there is none.
    """

    places: NDArray[np.int64]
    distance_bits: NDArray[np.int64]


class HashIndex:
    """Hashes that can be searched for those near to others.

    Args:
        hashes: (M,) uint64.
        radius_bits: how far apart two may be, at most 7.
    """

    def __init__(self, hashes: NDArray[np.uint64], radius_bits: int = RADIUS_BITS) -> None:
        if not 0 <= radius_bits <= MAX_RADIUS_BITS:
            raise ValueError(f"radius_bits must be from 0 to {MAX_RADIUS_BITS}, not {radius_bits}")
        self.radius_bits = radius_bits
        self.hashes, self._first = np.unique(hashes, return_index=True)  # equal ones only once
        keys = [_quarter(self.hashes, number) for number in range(QUARTERS)]
        self._order = [np.argsort(key, kind="stable") for key in keys]
        self._starts = [
            np.concatenate([[0], np.cumsum(np.bincount(key, minlength=2**QUARTER_BITS))])
            for key in keys
        ]

    def nearest(self, queries: NDArray[np.uint64]) -> Matches:
        """Return the nearest hash to each query, (Q,); of equally near ones the smallest hash."""
        best = np.full(len(queries), 65 * 2**32, dtype=np.int64)
        for rows, places, distances in self._pairs(queries):
            np.minimum.at(best, rows, distances * 2**32 + places)  # by distance, then by place
        distance, place = np.divmod(best, 2**32)
        none = distance == 65
        first = self._first[np.where(none, 0, place)] if len(self._first) else place
        return Matches(np.where(none, -1, first).astype(np.int64), distance)

    def pairs(self, queries: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
        """Yield (P, 2): queries and places of the index within the radius, a pair maybe twice.

        Of equal hashes in the index only the first is named.
        """
        for rows, places, _ in self._pairs(queries):
            yield np.stack([rows, self._first[places]], axis=1)

    def _pairs(
        self, queries: NDArray[np.uint64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Yield rows of queries, places among the distinct hashes and distances, in blocks."""
        masks = [0, *(1 << bit for bit in range(QUARTER_BITS))]
        for number in range(QUARTERS):
            keys = _quarter(queries, number)
            for mask in masks:
                starts = self._starts[number][keys ^ mask]
                counts = self._starts[number][(keys ^ mask) + 1] - starts
                for block in _blocks(counts):
                    rows = np.repeat(np.arange(block.start, block.stop), counts[block])
                    ends = np.cumsum(counts[block])
                    inside = np.arange(len(rows)) - np.repeat(ends - counts[block], counts[block])
                    places = self._order[number][np.repeat(starts[block], counts[block]) + inside]
                    distances = distance_bits(queries[rows], self.hashes[places])
                    near = distances <= self.radius_bits
                    yield rows[near], places[near], distances[near]


def _quarter(hashes: NDArray[np.uint64], number: int) -> NDArray[np.int64]:
    shifted = hashes >> np.uint64(number * QUARTER_BITS)
    return (shifted & np.uint64(2**QUARTER_BITS - 1)).astype(np.int64)


def _blocks(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of queries with about as many candidates as a block may hold."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + PAIRS_A_BLOCK, side="right"))
        stop = max(stop, start + 1)
        if ends[stop - 1] > before:
            yield slice(start, stop)
        start = stop


def nearest_matches(
    queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius_bits: int = RADIUS_BITS
) -> Matches:
    """Return the nearest of some hashes to each picture, in any of its eight forms.

    Args:
        queries: (Q, 8) of :func:`perceptual_hash`.
        hashes: (M,), each of a picture as it is.
        radius_bits: how far apart two may be.
    """
    index = HashIndex(hashes, radius_bits)
    found = index.nearest(np.ascontiguousarray(queries).ravel())
    forms = found.distance_bits.reshape(-1, queries.shape[1]).argmin(axis=1)
    rows = np.arange(len(queries))
    return Matches(
        found.places.reshape(queries.shape)[rows, forms],
        found.distance_bits.reshape(queries.shape)[rows, forms],
    )


def near_duplicate_groups(
    hashes: NDArray[np.uint64], radius_bits: int = RADIUS_BITS
) -> NDArray[np.int64]:
    """Return a number for each picture that its near duplicates, and theirs, share with it.

    Args:
        hashes: (N, 8) of :func:`perceptual_hash`.
        radius_bits: how far apart two may be.

    Returns:
        (N,), the smallest row of the group.
    """
    distinct, places = np.unique(hashes[:, 0], return_inverse=True)
    parent = np.arange(len(distinct))
    index = HashIndex(distinct, radius_bits)
    firsts = np.full(len(distinct), len(hashes))
    np.minimum.at(firsts, places, np.arange(len(hashes)))
    for form in range(hashes.shape[1]):
        for block in index.pairs(np.ascontiguousarray(hashes[firsts, form])):
            for one, other in block[block[:, 0] != block[:, 1]].tolist():
                a, b = _root(parent, one), _root(parent, other)
                parent[max(a, b)] = min(a, b)
    roots = np.array([_root(parent, place) for place in range(len(distinct))], dtype=np.int64)
    smallest = np.full(len(distinct), len(hashes))
    np.minimum.at(smallest, roots, firsts)
    return np.asarray(smallest[roots[places]])


def _root(parent: NDArray[np.int64], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = int(parent[place])
    return place
