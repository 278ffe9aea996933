"""Pillow's antialiased resize to the last bit, in about a third of its time.

Pillow resizes 8-bit images in two passes, first across, then down. In each, a new pixel is a sum of
old ones with weights rounded to 22 bits, rounded to 8 bits (``Resample.c``, releases 4.3 to 13).
Here the sums are products of matrices in float32. Such a sum of n terms is off by at most
n u / (1 - n u) times the sum of magnitudes, u = 2^-24, in whatever order it is added up (Higham,
Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). So only sums within that
distance of a half can round the other way; about one in a thousand is, and those are added up
again in integers. Only what the crop keeps is computed.

Pillow itself does what is small, stretched, or of another kind, and everything if a trial in this
process differs from it in a single pixel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Direction = tuple[int, int, tuple[int, int], str]
"""The arguments of ``make_pass``."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in px of the resized image; right and bottom are outside."""

BITS = 22
ONE = 1 << BITS
EPSILON = 2.0**-24  # half a unit in the last place of float32
MIN_PIXELS = 250_000  # below, Pillow takes less time than the set-up here
MAX_RATIO = 40  # above, so few rows go into a product that nothing is gained
BLOCK_VALUES = 15  # columns of a product; registers hold 16 floats
PRODUCT_OPERATIONS = 262_144  # larger products would start threads of the BLAS library
MAX_ROWS = 160  # of one product, so that its operands stay in the cache
TIE = 1e-7  # weights closer to a half than that could be rounded either way by a compiler
CACHED_PASSES = 32


@dataclass(frozen=True)
class Filter:
    """A reconstruction filter.

    Attributes:
        weight: of a distance in px of the coarser image.
        radius: where it ends, in the same px.
        pillow: its name in Pillow.
    """

    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    radius: float
    pillow: Image.Resampling


@dataclass(frozen=True)
class Pass:
    """One direction: every kept output is a weighted sum of neighbours.

    Attributes:
        span: which inputs are used at all.
        first: (N,) place of the first neighbour, counted from the span's start.
        weights: (N, taps) in units of 2^-22, zero where a row has fewer neighbours.
        sure: whether no weight is so close to a half that compilers could differ on it.
        tolerance: how far a float32 sum can be from the true one.
    """

    span: slice
    first: NDArray[np.int64]
    weights: NDArray[np.int64]
    sure: bool
    tolerance: float


@dataclass(frozen=True)
class Block:
    """Some adjacent outputs of a pass as one matrix.

    Attributes:
        inputs: which inputs, counted from the start of the pass's span.
        outputs: which outputs.
        matrix: (inputs, outputs) weights; with C channels (inputs C, outputs C).
    """

    inputs: slice
    outputs: slice
    matrix: Floats


def resample(pixels: Pixels, size_px: tuple[int, int], box: Box, interpolation: str) -> Pixels:
    """Resize (H, W, C) pixels and cut a box out of the result.

    Args:
        pixels: (H, W, 3) or (H, W, 1), contiguous.
        size_px: (width, height) of the whole resized image.
        box: what is kept of it.
        interpolation: "bicubic" or "bilinear".

    Returns:
        The pixels of ``Image.resize(size_px, interpolation).crop(box)``.
    """
    fits = _pays(pixels, size_px) and across_comes_first(pixels, size_px) and agrees_with_pillow()
    resized = _products(pixels, size_px, box, interpolation) if fits else None
    return _pillow(pixels, size_px, box, interpolation) if resized is None else resized


def across_comes_first(pixels: Pixels, size_px: tuple[int, int]) -> bool:
    """Return whether every Pillow goes across before it goes down.

    From release 13 it goes down first where the height shrinks by more than twice as many pixels
    as the width does (pull request 9549), and shortly before where an image is 100 times as high
    as wide (9524).
    """
    height, width = pixels.shape[:2]
    return bool(0 <= height - size_px[1] <= 2 * (width - size_px[0]) and height <= 100 * width)


@functools.cache
def agrees_with_pillow() -> bool:
    """Return whether trials on noise give the pixels of the installed Pillow, to the last bit."""
    noise = np.random.default_rng(0).integers(0, 256, (201, 203, 3), dtype=np.uint8)
    for interpolation in FILTERS:
        for height, width in ((179, 127), (151, 203), (40, 200)):  # the first just fits
            case = noise[:height, :width].copy(), (53, 31), (5, 0, 49, 31), interpolation
            resized = _products(*case)
            if resized is None or not np.array_equal(resized, _pillow(*case)):
                return False
    return True


def _pays(pixels: Pixels, size_px: tuple[int, int]) -> bool:
    height, width, channels = pixels.shape
    ratios = width / size_px[0], height / size_px[1]
    large = height * width >= MIN_PIXELS
    return large and channels in (1, 3) and min(ratios) >= 1 and max(ratios) <= MAX_RATIO


def _pillow(pixels: Pixels, size_px: tuple[int, int], box: Box, interpolation: str) -> Pixels:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(image.resize(size_px, FILTERS[interpolation].pillow).crop(box))
    return resized.reshape(*resized.shape[:2], -1)


def _products(
    pixels: Pixels, size_px: tuple[int, int], box: Box, interpolation: str
) -> Pixels | None:
    """Return the box of the resized image, or None where compilers could differ on a weight."""
    height, width, channels = pixels.shape
    left, top, right, bottom = box
    across = width, size_px[0], (left, right), interpolation
    down = height, size_px[1], (top, bottom), interpolation
    rows = make_pass(*down)
    if not (make_pass(*across).sure and rows.sure):
        return None
    narrow = _across(pixels[rows.span], across)
    low = _down(narrow, down)
    return low.astype(np.uint8).reshape(bottom - top, right - left, channels)


def _across(pixels: Pixels, direction: Direction) -> Floats:
    """Return (H, kept width x C) whole numbers 0..255."""
    height, width, channels = pixels.shape
    across = make_pass(*direction)
    blocks = make_blocks(*direction, BLOCK_VALUES // channels, channels)
    used = slice(across.span.start * channels, across.span.stop * channels)
    flat = pixels.reshape(height, width * channels)[:, used]
    step = max(16, min(MAX_ROWS, PRODUCT_OPERATIONS // max(b.matrix.size for b in blocks)))
    narrow = np.empty((height, len(across.first) * channels), np.float32)
    source = np.empty((step, flat.shape[1]), np.float32)
    sums = np.empty((step, narrow.shape[1]), np.float32)
    unsure = []
    for start in range(0, height, step):
        rows = min(step, height - start)
        np.copyto(source[:rows], flat[start : start + rows])
        for block in blocks:
            np.matmul(source[:rows, block.inputs], block.matrix, out=sums[:rows, block.outputs])
        found = _round(sums[:rows], narrow[start : start + rows], across.tolerance)
        unsure.append(found + start * narrow.shape[1])
    row, value = np.divmod(np.concatenate(unsure), narrow.shape[1])
    column, channel = np.divmod(value, channels)
    place = across.span.start + _neighbours(across, column)
    narrow[row, value] = _exact(pixels[row[:, None], place, channel[:, None]], across, column)
    return narrow


def _down(narrow: Floats, direction: Direction) -> Floats:
    """Return (kept height, kept width x C) whole numbers 0..255; ``narrow`` is the pass's span."""
    width = narrow.shape[1]
    down = make_pass(*direction)
    # a block of n rows has about twice as many inputs as one row, where n is small
    most = PRODUCT_OPERATIONS // (2 * width * down.weights.shape[1])
    sums = np.empty((len(down.first), width), np.float32)
    for block in make_blocks(*direction, max(1, min(8, most)), 1):
        np.matmul(block.matrix.T, narrow[block.inputs], out=sums[block.outputs])
    low = np.empty_like(sums)
    row, value = np.divmod(_round(sums, low, down.tolerance), width)
    low[row, value] = _exact(narrow[_neighbours(down, row), value[:, None]], down, row)
    return low


def _round(sums: Floats, rounded: Floats, tolerance: float) -> NDArray[np.int64]:
    """Round into ``rounded``; return the flat places of sums too close to a half to be sure."""
    np.rint(sums, out=rounded)
    np.subtract(sums, rounded, out=sums)
    np.abs(sums, out=sums)
    np.clip(rounded, 0, 255, out=rounded)
    return np.flatnonzero(sums > 0.5 - tolerance)


def _neighbours(done: Pass, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (N, taps) places in the span; those beyond its end have no weight."""
    places: NDArray[np.int64] = done.first[outputs, None] + np.arange(done.weights.shape[1])
    return places.clip(max=done.span.stop - done.span.start - 1)


def _exact(
    neighbours: NDArray[np.generic], done: Pass, outputs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Add up (N, taps) in integers and round as Pillow's ``clip8``."""
    sums: NDArray[np.int64] = (neighbours.astype(np.int64) * done.weights[outputs]).sum(axis=1)
    return ((sums + ONE // 2) >> BITS).clip(0, 255)


@functools.lru_cache(CACHED_PASSES)
def make_pass(inputs: int, outputs: int, kept: tuple[int, int], interpolation: str) -> Pass:
    """Return the weights of Pillow's ``precompute_coeffs`` and ``normalize_coeffs_8bpc``.

    Args:
        inputs: length before, in px.
        outputs: length after, in px.
        kept: first and last (outside) of the outputs that are needed.
        interpolation: "bicubic" or "bilinear".
    """
    chosen = FILTERS[interpolation]
    ratio = inputs / outputs
    scale = max(ratio, 1.0)  # antialiased: the filter covers the coarser pixels
    radius = chosen.radius * scale
    centre = (np.arange(*kept) + 0.5) * ratio
    first = np.maximum((centre - radius + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + radius + 0.5).astype(np.int64), inputs) - first
    tap = np.arange(int(count.max()))
    weights = chosen.weight((tap + first[:, None] - centre[:, None] + 0.5) * (1.0 / scale))
    weights[tap >= count[:, None]] = 0.0
    weights = weights / weights.sum(axis=1, keepdims=True) * ONE
    whole = np.trunc(weights + np.copysign(0.5, weights))
    sure = np.abs(np.abs(weights - np.trunc(weights)) - 0.5).min() > TIE
    terms = len(tap) * EPSILON
    magnitude = 255 * float(np.abs(whole).sum(axis=1).max()) / ONE
    return Pass(
        span=slice(int(first[0]), int((first + count)[-1])),
        first=first - first[0],
        weights=whole.astype(np.int64),
        sure=bool(sure),
        tolerance=1.01 * magnitude * terms / (1 - terms),  # 1.01: it is compared in float32
    )


@functools.lru_cache(CACHED_PASSES)
def make_blocks(
    inputs: int,
    outputs: int,
    kept: tuple[int, int],
    interpolation: str,
    size: int,
    channels: int,
) -> tuple[Block, ...]:
    """Return the matrices of a pass.

    Channels lie side by side in a row of pixels, and a matrix is zero from one to another.

    Args:
        inputs: as of ``make_pass``, with the next three.
        outputs: length after, in px.
        kept: first and last (outside) of the outputs that are needed.
        interpolation: "bicubic" or "bilinear".
        size: outputs of one matrix, before channels.
        channels: 1 or 3.
    """
    done = make_pass(inputs, outputs, kept, interpolation)
    length, taps = done.span.stop - done.span.start, done.weights.shape[1]
    blocks = []
    for start in range(0, len(done.first), size):
        first, weights = done.first[start : start + size], done.weights[start : start + size]
        begin, end = int(first[0]), int(first[-1]) + taps
        one = np.zeros((end - begin, len(first)), np.float32)
        rows = first[:, None] - begin + np.arange(taps)
        one[rows, np.arange(len(first))[:, None]] = weights / ONE
        end = min(end, length)  # weights beyond are zero
        matrix = np.zeros((end - begin, channels, len(first), channels), np.float32)
        for channel in range(channels):
            matrix[:, channel, :, channel] = one[: end - begin]
        blocks.append(
            Block(
                slice(begin * channels, end * channels),
                slice(start * channels, (start + len(first)) * channels),
                matrix.reshape((end - begin) * channels, len(first) * channels),
            )
        )
    return tuple(blocks)


def _bicubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys's cubic convolution with a = -0.5, in the order of Pillow's operations."""
    x, a = np.abs(distance), -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _bilinear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(distance), 0.0)


FILTERS = {
    "bicubic": Filter(_bicubic, 2.0, Image.Resampling.BICUBIC),
    "bilinear": Filter(_bilinear, 1.0, Image.Resampling.BILINEAR),
}
