"""The core's loader: JPEG, PNG, TIFF, WebP, BMP and GIF through Pillow."""

from __future__ import annotations

import contextlib
import datetime
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from fieldguide.data import jpeg
from fieldguide.data.files import require_file
from fieldguide.data.quiet import quiet_library
from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import RGB, SRGB8, SRGB16, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MAX_PIXELS = 250_000_000
"""Larger images are refused: they are not photographs and may be decompression bombs."""

_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation."""
_ON_ITS_SIDE = (5, 6, 7, 8)
_PNG_SECOND_CHUNK = 33
"""Its first byte: behind the signature and the header with its checksum."""
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    EOFError, AssertionError, RuntimeError, MemoryError, struct.error,
)  # fmt: skip
"""What Pillow raises on damaged files, beside its own errors."""


class ImageLoader:
    """Reads one plain image as RGB or gray, upright, on white where it is transparent."""

    def __call__(self, path: Path) -> Sample:
        """Read a file.

        Returns:
            A sample of (H, W, 3) uint8, or (H, W, 1) uint8 or uint16 for gray files.

        Raises:
            LoadError: the file is missing, broken, or too large.
            ContractError: its pixels have no display range (float, 32 bit).
        """
        with _errors_in_our_words(), quiet_library(r"PIL\."):
            if path.exists() and not path.is_file():
                raise LoadError("not a file. Name a file.")  # a pipe would be waited for, forever
            with Image.open(path) as image:
                return sample_of_image(image)


def sample_of_image(image: Image.Image) -> Sample:
    """Convert an open Pillow image, with its EXIF date and place; raises as the loader does."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise LoadError(
            f"{width} x {height} px is more than {MAX_PIXELS // 10**6} megapixels. "
            "Cut it into tiles."
        )
    with _errors_in_our_words():
        repairs = ["first_frame"] if getattr(image, "n_frames", 1) > 1 else []
        if _loses_bits(image):  # asked before loading: Pillow forgets it then
            repairs.append("sixteen_bit_to_eight_bit")  # Pillow keeps the high byte
        exif = image.getexif()
        metadata = _exif_metadata(exif)
        if exif.get(ExifTags.Base.Orientation) in _UPRIGHT:
            repairs.append("exif_orientation")
        decoded = None if "exif_orientation" in repairs else jpeg.decode(image)
        if decoded is None:
            image.load()  # Pillow turns TIFFs here, and then forgets their orientation
            turn = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
            upright = image if turn is None else image.transpose(turn)
            array, bands, units = _pixels(upright, repairs)
        else:
            array, bands, units = decoded, RGB if image.mode == "RGB" else ("gray",), SRGB8
    height, width = array.shape[:2]
    metadata = {"width_px": width, "height_px": height, **metadata}
    return Sample(array, bands, units, metadata, repairs=tuple(repairs))


def image_size_px(path: Path) -> tuple[int, int]:
    """Return the width and height of a file as it is seen, upright, without reading its pixels.

    Raises:
        LoadError: the file is missing or broken.
    """
    with _errors_in_our_words(), quiet_library(r"PIL\."):
        require_file(path)
        if (stated := _png_size_px(path)) is not None:
            return stated
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE
            return image.size[::-1] if turned else image.size


def _png_size_px(path: Path) -> tuple[int, int] | None:
    """Return the upright size that a PNG states before its pixels.

    Scenes of 400 megapixels come as PNG, and Pillow would decode one to tell its orientation.
    """
    with path.open("rb") as stream:
        head = stream.read(24)
        if not (head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR" and len(head) == 24):
            return None
        width, height = struct.unpack(">II", head[16:24])
        stream.seek(_PNG_SECOND_CHUNK)
        while len(chunk := stream.read(8)) == 8 and chunk[4:] not in (b"IDAT", b"IEND"):
            length = int.from_bytes(chunk[:4], "big")
            if chunk[4:] == b"eXIf":
                exif = Image.Exif()
                exif.load(stream.read(length))
                turned = exif.get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE
                return (height, width) if turned else (width, height)
            stream.seek(length + 4, 1)  # the content and its checksum
    return width, height


def read_numbers(path: Path) -> NDArray[Any]:
    """Return the stored numbers (H, W) of a file with one band: of a palette, its entries.

    Raises:
        LoadError: the file is missing, broken or too large.
        ContractError: it has colours, or numbers that are not whole.
    """
    with _errors_in_our_words(), quiet_library(r"PIL\."):
        require_file(path)
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise LoadError(f"more than {MAX_PIXELS // 10**6} megapixels. Cut it into tiles.")
            if image.mode not in ("1", "L", "P", "I", *_SIXTEEN_BIT_MODES):
                raise ContractError(
                    f"its pixels are {image.mode}, not one number each. Save the numbers of the "
                    "classes as an 8-bit or 16-bit image with one band."
                )
            return np.asarray(image).astype(np.int64 if image.mode == "I" else np.int32)


@contextlib.contextmanager
def _errors_in_our_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise LoadError("no such file. Check the path.") from error
    except PermissionError as error:
        raise LoadError("not readable by you. Run: chmod +r on it.") from error
    except UnidentifiedImageError as error:
        raise LoadError(
            "not an image that can be read, or a broken one. Copy or export it again."
        ) from error
    except Image.DecompressionBombError as error:
        raise LoadError(f"{error} Cut it into tiles.") from error
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise LoadError(f"broken image: {reason}. Copy or export it again.") from error


def _pixels(image: Image.Image, repairs: list[str]) -> tuple[Any, tuple[str, ...], str]:
    mode = image.mode
    if mode in _SIXTEEN_BIT_MODES:
        return np.asarray(image).astype(np.uint16)[:, :, None], ("gray",), SRGB16
    if mode == "I":
        return _thirty_two_bit(np.asarray(image))
    if mode == "F":
        raise ContractError(
            "its pixels are floating-point numbers without a display range. Convert it to 8 or "
            "16 bit, or name the domain that knows its units: --domain."
        )
    if "transparency" in image.info or image.has_transparency_data:
        return _on_white(image, repairs), RGB, SRGB8
    if mode in ("1", "L"):
        gray = image if mode == "L" else image.convert("L")
        return np.asarray(gray)[:, :, None], ("gray",), SRGB8
    if mode == "RGB":
        return np.asarray(image), RGB, SRGB8  # converting it to itself would copy it
    repairs.append(f"{'palette' if mode == 'P' else mode.lower()}_to_rgb")
    return np.asarray(image.convert("RGB")), RGB, SRGB8


def _thirty_two_bit(array: Any) -> tuple[Any, tuple[str, ...], str]:
    if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise ContractError("its pixels are 32-bit numbers without a display range. Convert it.")
    return array.astype(np.uint16)[:, :, None], ("gray",), SRGB16


def _on_white(image: Image.Image, repairs: list[str]) -> Any:
    """Return (H, W, 3); recorded only when some pixel really is transparent."""
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() != (255, 255):
        repairs.append("transparency_on_white")
        white = Image.new("RGBA", rgba.size, "white")
        rgba = Image.alpha_composite(white, rgba)
    return np.asarray(rgba.convert("RGB"))


def _loses_bits(image: Image.Image) -> bool:
    """Return whether 16 bit a channel are stored and Pillow has no mode for them."""
    if image.mode in (*_SIXTEEN_BIT_MODES, "I", "F"):
        return False
    raw_modes = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return any(re.search(";16[BLN]", raw) for raw in raw_modes)  # "BGR;16" is 5, 6 and 5 bit


def _exif_metadata(exif: Image.Exif) -> dict[str, Any]:
    """Return captured_at (ISO 8601), latitude_deg and longitude_deg where EXIF has them."""
    found: dict[str, Any] = {}
    details = exif.get_ifd(ExifTags.IFD.Exif)
    tag = ExifTags.Base
    taken = details.get(tag.DateTimeOriginal), details.get(tag.OffsetTimeOriginal)
    changed = exif.get(tag.DateTime), details.get(tag.OffsetTime)
    if captured := _iso_time(*taken) or _iso_time(*changed):
        found["captured_at"] = captured
    gps, place = exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPS
    latitude = _degrees(gps.get(place.GPSLatitude), gps.get(place.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(place.GPSLongitude), gps.get(place.GPSLongitudeRef), "EW", 180)
    if latitude is not None and longitude is not None:
        found["latitude_deg"], found["longitude_deg"] = latitude, longitude
    return found


def _iso_time(stamp: object, offset: object) -> str | None:
    """Return ISO 8601, or None for a missing or impossible date.

    >>> _iso_time("2024:05:17 08:30:00", "+02:00")
    '2024-05-17T08:30:00+02:00'
    """
    text = str(stamp or "").strip("\x00 ")
    try:
        moment = datetime.datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    zone = str(offset or "").strip("\x00 ")
    is_zone = re.fullmatch(r"[+-]([01]\d|2[0-3]):[0-5]\d", zone, re.ASCII)
    return moment.isoformat() + (zone if is_zone else "")


def _degrees(values: object, reference: object, directions: str, limit: int) -> float | None:
    """Return decimal degrees from EXIF degrees, minutes and seconds; None when unusable.

    Args:
        values: degrees, minutes and seconds.
        reference: what EXIF says of the direction.
        directions: the positive and the negative direction, such as "NS".
        limit: the largest possible value.

    >>> _degrees((33, 51, 36), "S", "NS", 90)
    -33.86
    """
    if not isinstance(values, tuple) or len(values) != 3 or reference not in (*directions,):
        return None
    try:
        degrees, minutes, seconds = (float(value) for value in values)
    except (ValueError, ZeroDivisionError, TypeError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if not (degrees >= 0 and 0 <= minutes <= 60 and 0 <= seconds <= 60 and total <= limit):
        return None  # also for NaN
    return round(-total if reference == directions[1] else total, 7)
