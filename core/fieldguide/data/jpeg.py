"""The pixels of a JPEG by torchvision's decoder: Pillow's to the last bit, in less time.

Both call libjpeg-turbo, and what Pillow spends on top of it is copies. torchvision takes only files
whose header is plain; whatever it does not decode, Pillow decodes or refuses, so that no outcome
depends on the path; of some damaged files that Pillow loads in silence, libjpeg-turbo prints a line
here. Only the operator is loaded, because importing torchvision takes seconds.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, JpegImagePlugin

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = {"L": 1, "RGB": 3}
AS_STORED = 0  # torchvision's ImageReadMode.UNCHANGED
START_OF_IMAGE = b"\xff\xd8"
# markers after ITU-T T.81, table B.1
FRAME = (0xC0, 0xC1)  # baseline and extended sequential, Huffman
SCAN = 0xDA
PASSED_OVER = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # tables, comments, applications
LONGEST_SIDE = 0xFFFF
FRAME_HEADER = struct.Struct(">BHHB")  # bits, height, width, components


def decode(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return (H, W, C) pixels of an open image that is not loaded, as stored.

    Returns:
        C is 1 or 3; None where Pillow has to load it: it is no JPEG or not a plain one, or is
        damaged, or torchvision's decoder is missing or decodes otherwise than Pillow's.
    """
    if not _is_unloaded_jpeg(image) or not agrees_with_pillow():
        return None
    stream: Any = image.fp  # type: ignore[attr-defined]  # JpegImageFile has it
    stream.seek(0)
    content = bytearray(stream.read())
    if not has_plain_header(content, image.size, CHANNELS[image.mode]):
        return None
    return _decoded(content)


def has_plain_header(content: bytes | bytearray, size: tuple[int, int], channels: int) -> bool:
    """Return whether a JPEG's markers are well-formed up to its first scan.

    One sequential frame of 8 bits with that (width, height) in px and number of channels, all of
    them in the first scan, and nothing between the segments.
    """
    if content[:2] != START_OF_IMAGE or max(size) > LONGEST_SIDE:
        return False
    frame, frames = FRAME_HEADER.pack(8, size[1], size[0], channels), 0
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        segment = content[place + 4 : place + 2 + length]
        if length < 2 or len(segment) != length - 2:
            return False
        if marker == SCAN:
            return frames == 1 and segment[:1] == bytes([channels])
        if marker in FRAME and segment.startswith(frame):
            frames += 1
        elif marker not in PASSED_OVER:
            return False
        place += 2 + length
    return False


@functools.cache
def agrees_with_pillow() -> bool:
    """Return whether torchvision's decoder is there and gives Pillow's pixels in trials."""
    if not _load_operator():
        return False
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    small = Image.fromarray(noise).resize((149, 91), Image.Resampling.BICUBIC)
    for subsampling in (0, 1, 2):
        for picture in (small, small.convert("L")):
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=85, subsampling=subsampling)
            pixels = _decoded(bytearray(stream.getvalue()))
            theirs = np.asarray(Image.open(stream)).reshape(91, 149, -1)
            if pixels is None or not np.array_equal(pixels, theirs):
                return False
    return True


def _is_unloaded_jpeg(image: Image.Image) -> bool:
    """Return whether Pillow would decode the whole of a JPEG file, at full size."""
    if type(image) is not JpegImagePlugin.JpegImageFile or image.mode not in CHANNELS:
        return False
    whole = ("jpeg", (0, 0, *image.size), 0, (image.mode, ""))
    is_drafted = bool(getattr(image, "decoderconfig", ()))
    return image.fp is not None and [*map(tuple, image.tile)] == [whole] and not is_drafted


def _decoded(content: bytearray) -> NDArray[np.uint8] | None:
    try:
        stored = torch.ops.image.decode_jpeg(
            torch.frombuffer(content, dtype=torch.uint8), AS_STORED
        )
    except RuntimeError:  # whatever it says, Pillow decides
        return None
    pixels: NDArray[np.uint8] = stored.permute(1, 2, 0).numpy()  # in memory it is (H, W, C)
    return pixels


def _load_operator() -> bool:
    """Return whether the operator is there, loaded without importing torchvision."""
    if hasattr(torch.ops.image, "decode_jpeg"):
        return True
    found = importlib.util.find_spec("torchvision")
    folders = [] if found is None else found.submodule_search_locations or []
    for path in (path for folder in folders for path in sorted(Path(folder).glob("image*.*"))):
        if path.suffix in (".so", ".pyd", ".dylib"):
            try:
                load: Any = torch.ops.load_library  # torch states no types for it
                load(str(path))
            except OSError:  # made for another release of torch
                return False
    return hasattr(torch.ops.image, "decode_jpeg")
