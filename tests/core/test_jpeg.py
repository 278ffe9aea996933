"""torchvision's decoder beside Pillow's: the same pixels, or Pillow decides."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from fieldguide.data import jpeg
from fieldguide.data.images import ImageLoader
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MUTATIONS = ("cut", "flip", "burst", "drop", "repeat", "blank", "header")


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Smooth shapes with some noise, as photographs have."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels += generator.integers(-12, 13, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(content: bytes) -> NDArray[np.uint8] | None:
    """The pixels of Pillow alone, or None when it refuses."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except Exception:  # noqa: BLE001 - Pillow raises many kinds on damaged files
        return None
    return pixels.reshape(*pixels.shape[:2], -1)


def by_us(content: bytes, path: Path) -> NDArray[np.uint8] | None:
    path.write_bytes(content)
    try:
        return np.asarray(ImageLoader()(path).array)
    except LoadError:
        return None


def same(ours: NDArray[np.uint8] | None, theirs: NDArray[np.uint8] | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return np.array_equal(ours, theirs)


def decodes_itself(content: bytes) -> bool:
    """Whether the file is taken by torchvision's decoder."""
    with Image.open(io.BytesIO(content)) as image:
        return jpeg.decode(image) is not None


def test_the_installed_decoders_agree() -> None:
    assert jpeg.agrees_with_pillow()


@settings(deadline=None, max_examples=120)
@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    mode=st.sampled_from(["RGB", "L"]),
    options=st.sampled_from(
        [{}, {"optimize": True}, {"restart_marker_blocks": 3}, {"restart_marker_rows": 1}]
    ),
)
def test_every_baseline_file_has_pillows_pixels(
    width: int, height: int, quality: int, subsampling: int, mode: str, options: dict[str, Any]
) -> None:
    image = picture(width, height, mode, seed=width * height)
    content = encoded(image, quality=quality, subsampling=subsampling, **options)
    with Image.open(io.BytesIO(content)) as opened:
        decoded = jpeg.decode(opened)
    assert decoded is not None
    assert same(decoded, by_pillow(content))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (
            "RGB",
            {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        ),
        ("RGB", {"dpi": (300, 300), "comment": b"\xff\xd8\xff\xda a comment like markers"}),
        ("RGB", {"keep_rgb": True}),
        ("RGB", {"qtables": [[1] * 64, [255] * 64]}),
        ("YCbCr", {}),
    ],
    ids=["ICC profile", "comment", "stored as RGB", "own tables", "YCbCr"],
)
def test_what_a_header_may_hold_changes_nothing(mode: str, options: dict[str, Any]) -> None:
    content = encoded(picture(70, 50).convert(mode), **options)
    with Image.open(io.BytesIO(content)) as opened:
        decoded = jpeg.decode(opened)
    assert decoded is not None
    assert same(decoded, by_pillow(content))


@pytest.mark.parametrize(
    ("mode", "options"), [("CMYK", {}), ("RGB", {"progressive": True})], ids=["CMYK", "progressive"]
)
def test_other_files_are_left_to_pillow(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    content = encoded(picture(70, 50, mode), **options)
    assert not decodes_itself(content)
    assert same(by_us(content, tmp_path / "a.jpg"), by_pillow(content))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_files_have_the_pixels_that_pillow_turns(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture(70, 50), exif=exif)
    stored = by_pillow(content)
    assert stored is not None
    turns = {  # TIFF 6.0, tag 274: where the first row and the first column of the picture lie
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.swapaxes(0, 1), 6: stored[::-1].swapaxes(0, 1),
        7: stored[::-1, ::-1].swapaxes(0, 1), 8: stored[:, ::-1].swapaxes(0, 1),
    }  # fmt: skip
    assert same(by_us(content, tmp_path / "a.jpg"), turns[orientation])


def mutant(content: bytes, dice: random.Random) -> bytes:
    """Damage a file in one of the ways that disks, networks and people do."""
    damaged, kind = bytearray(content), dice.choice(MUTATIONS)
    scan = content.index(b"\xff\xda")
    place = dice.randrange(scan, len(content))
    length = dice.randrange(1, 300)
    if kind == "cut":
        del damaged[dice.randrange(4, len(content)) :]
    elif kind == "drop":
        del damaged[place : place + length]
    elif kind == "repeat":
        damaged[place:place] = damaged[place : place + length]
    elif kind == "blank":
        blank = len(damaged[place : place + length])
        damaged[place : place + length] = bytes([dice.choice([0, 255])]) * blank
    elif kind == "header":
        for _ in range(dice.randrange(1, 4)):
            damaged[dice.randrange(2, scan + 14)] = dice.randrange(256)
    else:
        for _ in range(1 if kind == "flip" else dice.randrange(2, 30)):
            damaged[dice.randrange(scan, len(content))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_end_as_with_pillow_alone(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    options = [{}, {"subsampling": 0}, {"restart_marker_blocks": 5}, {"quality": 30}]
    content = encoded(picture(400, 300, dice.choice(["RGB", "L"]), seed), **dice.choice(options))
    for _ in range(100):
        damaged = mutant(content, dice)
        assert same(by_us(damaged, tmp_path / "a.jpg"), by_pillow(damaged))


def test_a_second_frame_header_is_no_way_to_a_huge_image() -> None:
    content = encoded(picture(40, 30))
    frame = content.index(b"\xff\xc0")
    length = 2 + struct.unpack(">H", content[frame + 2 : frame + 4])[0]
    large = bytearray(content[frame : frame + length])
    large[5:9] = struct.pack(">HH", 65_000, 65_000)
    assert jpeg.has_plain_header(content, (40, 30), 3)
    for crafted in (
        content[:frame] + bytes(large) + content[frame:],
        content[:frame] + bytes(large) + content[frame + length :],
    ):
        assert not jpeg.has_plain_header(crafted, (40, 30), 3)


def test_a_drafted_image_keeps_its_reduced_size() -> None:
    with Image.open(io.BytesIO(encoded(picture(400, 300)))) as image:
        image.draft("RGB", (100, 75))
        assert jpeg.decode(image) is None


def test_threads_do_not_disturb_one_another() -> None:
    contents = [encoded(picture(200 + n, 150, seed=n)) for n in range(16)]

    def decoded(content: bytes) -> NDArray[np.uint8] | None:
        with Image.open(io.BytesIO(content)) as image:
            return jpeg.decode(image)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(decoded, contents * 4))
    assert all(same(a, by_pillow(b)) for a, b in zip(results, contents * 4, strict=True))


@pytest.mark.slow
def test_torchvision_is_not_imported_and_may_be_imported_later() -> None:
    code = (
        "import sys, fieldguide.data.jpeg as jpeg; assert jpeg.agrees_with_pillow();"
        "assert 'torchvision' not in sys.modules; import torchvision.io"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
