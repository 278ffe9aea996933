from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from fieldguide.data.images import ImageLoader, sample_of_image
from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import RGB

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.samples import Sample

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def load(image: Image.Image, path: Path, **options: object) -> Sample:
    image.save(path, **options)
    return ImageLoader()(path)


def stripes(*colours: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """One row of pixels."""
    image = Image.new(mode, (len(colours), 1))
    for x, colour in enumerate(colours):
        image.putpixel((x, 0), colour if len(colour) > 1 else colour[0])
    return image


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG file by hand, after the PNG specification (ISO 15948)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def rgb16_tiff(values: tuple[int, int, int]) -> bytes:
    """One pixel of 3 x 16 bit, by hand, after the TIFF 6.0 specification."""
    tags = [
        (256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries
    head += struct.pack("<I", 0)
    return head.ljust(122, b"\0") + struct.pack("<HHH", 16, 16, 16) + struct.pack("<HHH", *values)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))),
        arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
        arrays.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    )
)
def test_any_array_comes_back_from_png_as_it_was(array: NDArray[np.generic]) -> None:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    sample = sample_of_image(Image.open(stream))
    assert sample.array.dtype == array.dtype
    assert np.array_equal(sample.array, array if array.ndim == 3 else array[:, :, None])
    assert sample.repairs == ()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_formats_give_the_exact_colours(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    sample = load(stripes(RED, GREEN, BLUE), tmp_path / f"a{suffix}", **options)
    assert sample.array.tolist() == [[list(RED), list(GREEN), list(BLUE)]]
    assert (sample.bands, sample.units, sample.repairs) == (RGB, "srgb8", ())


def test_sixteen_bit_gray_keeps_its_values(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 257, 65535]], dtype=np.uint16))
    sample = load(image, tmp_path / "a.png")
    assert sample.array.tolist() == [[[0], [1], [257], [65535]]]
    assert (sample.bands, sample.units, sample.repairs) == (("gray",), "srgb16", ())


def test_sixteen_bit_colour_png_keeps_the_high_byte_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 0xFF00, 0x8001, 0x0102)))
    sample = ImageLoader()(path)
    assert sample.array.tolist() == [[[0xFF, 0x80, 0x01]]]
    assert sample.repairs == ("sixteen_bit_to_eight_bit",)


def test_sixteen_bit_colour_with_alpha_is_recorded_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(1, 1, 16, 6, b"\0" + struct.pack(">HHHH", 0x1200, 0, 0, 0xFFFF)))
    sample = ImageLoader()(path)
    assert sample.array.tolist() == [[[0x12, 0, 0]]]
    assert sample.repairs == ("sixteen_bit_to_eight_bit",)


def test_sixteen_bit_colour_tiff_keeps_the_high_byte_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(rgb16_tiff((0xFF00, 0x8001, 0x0102)))
    sample = ImageLoader()(path)
    assert sample.array.tolist() == [[[0xFF, 0x80, 0x01]]]
    assert sample.repairs == ("sixteen_bit_to_eight_bit",)


def test_a_bitmap_of_sixteen_bit_a_pixel_has_lost_nothing(tmp_path: Path) -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)  # 5, 6 and 5 bit
    file_header = b"BM" + struct.pack("<IHHI", 14 + 40 + 12 + 4, 0, 0, 14 + 40 + 12)
    (tmp_path / "a.bmp").write_bytes(file_header + header + masks + struct.pack("<HH", 0xF800, 0))
    sample = ImageLoader()(tmp_path / "a.bmp")
    assert sample.array.tolist() == [[[255, 0, 0]]]
    assert sample.repairs == ()


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    sample = load(image, tmp_path / "a.png")
    assert sample.array.tolist() == [[list(RED), list(BLUE)]]
    assert sample.repairs == ("palette_to_rgb",)


def test_a_transparent_palette_entry_is_shown_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    sample = load(image, tmp_path / "a.png", transparency=1)
    assert sample.array.tolist() == [[list(RED), list(WHITE)]]
    assert sample.repairs == ("transparency_on_white",)


def test_transparent_pixels_are_shown_on_white(tmp_path: Path) -> None:
    image = stripes((*RED, 255), (*RED, 0), (0, 0, 0, 127), mode="RGBA")
    sample = load(image, tmp_path / "a.png")
    # 127 of 255 parts of black leave 128 parts of white
    assert sample.array.tolist() == [[list(RED), list(WHITE), [128, 128, 128]]]
    assert sample.repairs == ("transparency_on_white",)


def test_an_alpha_channel_that_hides_nothing_is_no_repair(tmp_path: Path) -> None:
    sample = load(stripes((*RED, 255), mode="RGBA"), tmp_path / "a.png")
    assert sample.array.tolist() == [[list(RED)]]
    assert sample.repairs == ()


def test_gray_with_alpha_is_shown_on_white(tmp_path: Path) -> None:
    sample = load(stripes((0, 255), (0, 0), mode="LA"), tmp_path / "a.png")
    assert sample.array.tolist() == [[[0, 0, 0], list(WHITE)]]
    assert sample.repairs == ("transparency_on_white",)


@pytest.mark.parametrize(
    ("image", "key", "kept"),
    [(stripes((9,), (0,), mode="L"), 0, [9, 9, 9]), (stripes(RED, BLUE), BLUE, [255, 0, 0])],
    ids=["gray", "colour"],
)
def test_a_colour_that_stands_for_transparent_is_shown_on_white(
    tmp_path: Path, image: Image.Image, key: object, kept: list[int]
) -> None:
    sample = load(image, tmp_path / "a.png", transparency=key)
    assert sample.array.tolist() == [[kept, list(WHITE)]]
    assert sample.repairs == ("transparency_on_white",)


def test_cmyk_inks_become_the_colours_they_print(tmp_path: Path) -> None:
    inks = [(0, 0, 0, 0), (0, 255, 255, 0), (255, 0, 0, 0), (0, 0, 0, 255)]
    image = stripes(*inks, mode="CMYK").resize((64, 16), Image.Resampling.NEAREST)
    sample = load(image, tmp_path / "a.jpg", quality=95, subsampling=0)
    middles = sample.array[8, 8::16].astype(int)
    printed = [WHITE, RED, (0, 255, 255), (0, 0, 0)]
    assert np.abs(middles - printed).max() <= 6  # JPEG loses a little
    assert sample.repairs == ("cmyk_to_rgb",)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".tif", ".png"])
def test_the_first_of_several_frames_is_taken_and_this_is_recorded(
    tmp_path: Path, suffix: str
) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, GREEN)]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"a{suffix}"
    sample = load(frames[0], path, save_all=True, append_images=frames[1:], **options)
    assert sample.array.shape == (8, 8, 3)
    assert (sample.array == RED).all()
    assert "first_frame" in sample.repairs


def test_one_bit_becomes_black_and_white_gray(tmp_path: Path) -> None:
    image = stripes((0,), (1,), mode="1")
    sample = load(image, tmp_path / "a.png")
    assert sample.array.tolist() == [[[0], [255]]]
    assert (sample.bands, sample.units) == (("gray",), "srgb8")


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5]], dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ContractError, match="floating-point") as caught:
        ImageLoader()(tmp_path / "a.tif")
    assert caught.value.status == "refused"


@pytest.mark.parametrize("value", [-1, 65_536])
def test_thirty_two_bit_pixels_out_of_display_range_are_refused(tmp_path: Path, value: int) -> None:
    Image.fromarray(np.array([[value]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ContractError, match="32-bit"):
        ImageLoader()(tmp_path / "a.tif")


def test_a_pillow_image_in_memory_is_read_like_a_file() -> None:
    sample = sample_of_image(stripes(RED, BLUE))
    assert sample.array.tolist() == [[list(RED), list(BLUE)]]
    assert (sample.metadata["width_px"], sample.metadata["height_px"]) == (2, 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(LoadError, match="not a file"):
        ImageLoader()(tmp_path / "a.jpg")
