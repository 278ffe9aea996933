"""The hash of a look, and the search for near ones against brute force."""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.tuning.near_duplicates import (
    HashIndex,
    distance_bits,
    near_duplicate_groups,
    nearest_matches,
    perceptual_hash,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def picture(seed: int, size_px: int = 224) -> NDArray[np.uint8]:
    """Return (H, W, 3): smooth random colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth)


def look(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    found = perceptual_hash(pixels)
    assert found is not None
    return found


def flipped(hashes: NDArray[np.uint64], bits: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    changed = hashes.copy()
    for row in range(len(changed)):
        for bit in rng.choice(64, bits, replace=False):
            changed[row] ^= np.uint64(1) << np.uint64(bit)
    return changed


def test_the_hash_is_the_sign_of_low_cosine_frequencies_against_their_median() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (32, 32), dtype=np.uint8)
    waves = [
        [
            sum(
                float(pixels[y, x])
                * math.cos(math.pi * (2 * y + 1) * v / 64)
                * math.cos(math.pi * (2 * x + 1) * u / 64)
                for y in range(32)
                for x in range(32)
            )
            for u in range(1, 9)
        ]
        for v in range(1, 9)
    ]
    flat = sorted(value for row in waves for value in row)
    median = (flat[31] + flat[32]) / 2
    expected = int("".join("1" if v > median else "0" for row in waves for v in row), 2)
    assert int(look(pixels)[0]) == expected


def test_the_other_seven_hashes_are_those_of_the_mirrored_and_turned_picture() -> None:
    pixels = picture(1, 64)
    forms = [np.rot90(flip, turns) for flip in (pixels, pixels[:, ::-1]) for turns in range(4)]
    assert {int(look(np.ascontiguousarray(form))[0]) for form in forms} == set(
        look(pixels).tolist()
    )


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter"])
def test_a_changed_copy_is_near_and_another_picture_is_far(change: str) -> None:
    pixels = picture(2)
    if change == "jpeg":
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "jpeg", quality=40)
        copy = np.asarray(Image.open(stream))
    elif change == "smaller":
        copy = np.asarray(Image.fromarray(pixels).resize((97, 97)))
    else:
        copy = (pixels * 0.7 + 40).astype(np.uint8)
    assert distance_bits(look(pixels), look(copy))[0] <= 4
    assert distance_bits(look(pixels), look(picture(4)))[0] > 12


def test_a_picture_of_one_colour_has_no_look() -> None:
    assert perceptual_hash(np.full((64, 64, 3), 200, dtype=np.uint8)) is None


@pytest.mark.parametrize("radius_bits", [0, 3, 4, 7])
def test_the_nearest_is_that_of_brute_force(radius_bits: int) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64, endpoint=False)
    queries = np.concatenate([flipped(hashes[n::10], n, rng) for n in range(10)])
    brute = np.array([[bin(int(q) ^ int(h)).count("1") for h in hashes] for q in queries])
    found = HashIndex(hashes, radius_bits).nearest(queries)
    near = brute.min(axis=1) <= radius_bits
    assert 0 < near.sum() < len(queries)
    assert (found.distance_bits == np.where(near, brute.min(axis=1), 65)).all()
    assert ((found.places >= 0) == near).all()
    assert (brute[near, found.places[near]] == brute[near].min(axis=1)).all()


def test_groups_are_the_connected_parts_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    base = rng.integers(0, 2**64, 60, dtype=np.uint64, endpoint=False)
    first = np.concatenate([base, flipped(base[:20], 3, rng), base[:5]])
    hashes = np.stack([first, *rng.integers(0, 2**64, (7, len(first)), dtype=np.uint64)], axis=1)
    groups = near_duplicate_groups(hashes)
    expected = list(range(60)) + list(range(20)) + list(range(5))
    assert groups.tolist() == expected


def test_mirrored_copies_are_matched() -> None:
    train = np.stack([look(picture(n)) for n in range(10)])
    mirrored = look(np.ascontiguousarray(picture(7)[:, ::-1]))
    found = nearest_matches(mirrored[None], train[:, 0])
    assert found.places.tolist() == [7]


def test_20_000_pictures_are_searched_in_far_fewer_steps_than_pairs() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (20_000, 8), dtype=np.uint64, endpoint=False)
    start = time.perf_counter()
    near_duplicate_groups(hashes)
    assert time.perf_counter() - start < 20  # 0.3 s on a free core; all pairs take minutes
