"""The core's loader: JPEG, PNG, TIFF, WebP, BMP and GIF through Pillow."""

from __future__ import annotations

import datetime
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fieldguide.errors import ContractError, LoadError
from fieldguide.samples import RGB, SRGB8, SRGB16, Sample

if TYPE_CHECKING:
    from pathlib import Path

MAX_PIXELS = 250_000_000
"""Larger images are refused: they are not photographs and may be decompression bombs."""

_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


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
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's; what matters is raised below
                with Image.open(path) as image:
                    return sample_of_image(image)
        except FileNotFoundError as error:
            raise LoadError("no such file. Check the path.") from error
        except PermissionError as error:
            raise LoadError("not readable by you. Run: chmod +r on it.") from error
        except UnidentifiedImageError as error:
            raise LoadError("not an image that can be read, or a broken one.") from error
        except Image.DecompressionBombError as error:
            raise LoadError(f"{error} Cut it into tiles.") from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise LoadError(f"broken image: {error}. Copy or export it again.") from error


def sample_of_image(image: Image.Image) -> Sample:
    """Convert an open Pillow image, with its EXIF date and place; raises as the loader does."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise LoadError(
            f"{width} x {height} px is more than {MAX_PIXELS // 10**6} megapixels. "
            "Cut it into tiles."
        )
    repairs = ["first_frame"] if getattr(image, "n_frames", 1) > 1 else []
    metadata = {"width_px": width, "height_px": height, **_exif_metadata(image.getexif())}
    if _stored_bits(image) == 16 and image.mode == "RGB":
        repairs.append("sixteen_bit_to_eight_bit")  # Pillow keeps the high byte
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        repairs.append("exif_orientation")
    array, bands, units = _pixels(upright, repairs)
    return Sample(array, bands, units, metadata, repairs=tuple(repairs))


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
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))[:, :, None], ("gray",), SRGB8
    if "transparency" in image.info or image.has_transparency_data:
        return _on_white(image, repairs), RGB, SRGB8
    if mode != "RGB":
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


def _stored_bits(image: Image.Image) -> int:
    raw_modes = [str(tile[3]) for tile in getattr(image, "tile", [])]
    return 16 if any(";16" in raw for raw in raw_modes) else 8


def _exif_metadata(exif: Image.Exif) -> dict[str, Any]:
    """Return captured_at (ISO 8601), latitude_deg and longitude_deg where EXIF has them."""
    found: dict[str, Any] = {}
    details = exif.get_ifd(ExifTags.IFD.Exif)
    stamp = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    if captured := _iso_time(stamp, details.get(ExifTags.Base.OffsetTimeOriginal)):
        found["captured_at"] = captured
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef))
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef))
    if latitude is not None and longitude is not None and abs(latitude) <= 90:
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
    return moment.isoformat() + (zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else "")


def _degrees(values: object, reference: object) -> float | None:
    """Return decimal degrees from EXIF degrees, minutes and seconds; None when unusable."""
    if not isinstance(values, tuple) or len(values) != 3 or reference not in ("N", "S", "E", "W"):
        return None
    try:
        degrees, minutes, seconds = (float(value) for value in values)
    except (ValueError, ZeroDivisionError, TypeError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if not 0 <= total <= 180:  # also false for NaN
        return None
    return round(-total if reference in ("S", "W") else total, 7)
