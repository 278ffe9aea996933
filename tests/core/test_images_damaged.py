from __future__ import annotations

import contextlib
import io
import itertools
import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fieldguide.data.images import ImageLoader, sample_of_image
from fieldguide.errors import InputError, LoadError

FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP")


def encoded(kind: str, frames: int = 1) -> bytes:
    """A small picture with EXIF where the format has it."""
    noise = np.random.default_rng(0).integers(0, 256, (frames, 12, 16, 3), dtype=np.uint8)
    pictures = [Image.fromarray(frame) for frame in noise]
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2024:05:17 08:30:00"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    options = {"exif": exif} if kind in ("JPEG", "PNG", "TIFF", "WEBP") else {}
    if frames > 1:
        options.update(save_all=True, append_images=pictures[1:])
    stream = io.BytesIO()
    pictures[0].save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that is written again and again."""
    return tmp_path_factory.mktemp("damaged") / "image"


def read(content: bytes, place: Path) -> None:
    """Read a file with that content; only our own errors about one input are let through."""
    place.write_bytes(content)
    with contextlib.suppress(InputError):
        ImageLoader()(place)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_anywhere_is_an_error_of_ours_or_still_a_picture(
    tmp_path: Path, kind: str
) -> None:
    content = encoded(kind, frames=2 if kind in ("GIF", "TIFF", "WEBP") else 1)
    path = tmp_path / f"a.{kind.lower()}"
    for length in range(0, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:length])
        try:
            sample = ImageLoader()(path)
        except LoadError as error:
            assert str(error).endswith(("again.", "tiles."))
        else:
            assert sample.size_px in ((12, 16), (16, 12))


def test_a_jpeg_cut_before_its_last_rows_is_never_half_a_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    for tenths in range(10):
        path.write_bytes(content[: len(content) * tenths // 10])
        with pytest.raises(LoadError):
            ImageLoader()(path)


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255))),
)
def test_changed_bytes_never_raise_anything_but_our_errors(
    place: Path, kind: str, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(encoded(kind))
    for position, value in changes:
        content[position % len(content)] = value
    read(bytes(content), place)


def test_no_single_byte_of_exif_can_stop_a_job(place: Path) -> None:
    content = encoded("JPEG")
    start = content.index(b"Exif")
    length = struct.unpack(">H", content[start - 2 : start])[0]
    for position, value in itertools.product(range(start, start + length), (0, 1, 7, 255)):
        read(content[:position] + bytes([value]) + content[position + 1 :], place)


def test_a_second_page_without_a_width_is_an_error_of_ours(tmp_path: Path) -> None:
    content = bytearray(encoded("TIFF", frames=2))
    width_tag = struct.pack("<HHI", 256, 4, 1)
    position = content.rindex(width_tag)
    content[position : position + 2] = struct.pack("<H", 60_000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(LoadError, match="broken image"):
        ImageLoader()(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "content", [b"", b"dear diary, this is text\n" * 20, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_a_file_that_is_no_image_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(LoadError, match=r"not an image|broken image"):
        ImageLoader()(tmp_path / "a.jpg")


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("BMP"))
    assert ImageLoader()(tmp_path / "a.jpg").size_px == (12, 16)


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content
        chunks += struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("pillow_limit", [89_478_485, None], ids=["pillow", "ours"])
def test_a_file_that_claims_a_huge_size_is_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pillow_limit: int | None
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    (tmp_path / "a.png").write_bytes(png_that_claims(60_000, 60_000))
    tracemalloc.start()
    with pytest.raises(LoadError, match=r"Cut it into tiles\."):
        ImageLoader()(tmp_path / "a.png")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file"):
        ImageLoader()(tmp_path / "a.jpg")
    with pytest.raises(LoadError, match="not a file"):
        ImageLoader()(tmp_path)


def test_a_name_that_no_file_system_takes_is_an_error_of_ours() -> None:
    for name in ("x" * 5000, "a\0b.jpg"):
        with pytest.raises(LoadError):
            ImageLoader()(Path(name))


def test_a_broken_pillow_image_in_memory_is_an_error_of_ours() -> None:
    content = encoded("PNG")
    lazy = Image.open(io.BytesIO(content[: len(content) // 2]))
    with pytest.raises(LoadError, match="broken image"):
        sample_of_image(lazy)


def test_reading_on_threads_leaves_the_warning_filters_alone(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ImageLoader(), [tmp_path / "a.png"] * 400))
    assert list(warnings.filters) == before


def test_warnings_of_pillow_do_not_reach_the_user(tmp_path: Path) -> None:
    # 90 megapixels: enough for a warning, not for an error
    (tmp_path / "a.png").write_bytes(png_that_claims(9_500, 9_500))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(LoadError):  # its pixels are missing
            ImageLoader()(tmp_path / "a.png")
    assert seen == []
