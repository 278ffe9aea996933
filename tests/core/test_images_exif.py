from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from fieldguide.data.images import ImageLoader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TAG, PLACE = ExifTags.Base, ExifTags.GPS
QUARTERS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255), "d": (255, 255, 255)}


def four_quarters() -> Image.Image:
    """A picture of 64 x 32 px: a top left, b top right, c bottom left, d bottom right."""
    image = Image.new("RGB", (64, 32))
    for name, corner in zip("abcd", [(0, 0), (32, 0), (0, 16), (32, 16)], strict=True):
        image.paste(QUARTERS[name], (*corner, corner[0] + 32, corner[1] + 16))
    return image


def read_quarters(pixels: NDArray[np.uint8]) -> str:
    """Name the colours in the middle of the quarters, in reading order."""
    height, width = pixels.shape[:2]
    names = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            distance = {
                name: np.abs(pixels[y, x].astype(int) - colour).max()
                for name, colour in QUARTERS.items()
            }
            names += min(distance, key=lambda name: distance[name])
    return names


def save(path: Path, **fields: Any) -> Path:
    """Write a picture with some EXIF fields, named as in the EXIF standard."""
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    for name, value in fields.items():
        if name.startswith("GPS"):
            gps[PLACE[name]] = value
        elif name in ("Orientation", "DateTime"):
            exif[TAG[name]] = value
        else:
            details[TAG[name]] = value
    options = {"lossless": True} if path.suffix == ".webp" else {}
    four_quarters().save(path, exif=exif, **options)
    return path


def metadata(path: Path, **fields: Any) -> dict[str, Any]:
    return dict(ImageLoader()(save(path / "a.jpg", **fields)).metadata)


# The standard says where the stored first row and first column belong (Exif 2.3, tag 0x0112):
# 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top,
# 7 right bottom, 8 left bottom. The letters follow from this by hand.
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, "abcd"), (2, "badc"), (3, "dcba"), (4, "cdab"),
        (5, "acbd"), (6, "cadb"), (7, "dbca"), (8, "bdac"),
    ],
)  # fmt: skip
def test_a_picture_is_turned_upright(
    tmp_path: Path, suffix: str, orientation: int, upright: str
) -> None:
    sample = ImageLoader()(save(tmp_path / f"a{suffix}", Orientation=orientation))
    size = (32, 64) if orientation < 5 else (64, 32)
    assert read_quarters(sample.array) == upright
    assert sample.size_px == size
    assert (sample.metadata["height_px"], sample.metadata["width_px"]) == size
    assert sample.repairs == (() if orientation == 1 else ("exif_orientation",))


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_changes_nothing(
    tmp_path: Path, orientation: int
) -> None:
    sample = ImageLoader()(save(tmp_path / "a.jpg", Orientation=orientation))
    assert read_quarters(sample.array) == "abcd"
    assert sample.repairs == ()


def test_sixteen_bit_gray_is_turned_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[TAG.Orientation] = 6
    stored = np.array([[1, 2, 3]], dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    sample = ImageLoader()(tmp_path / "a.png")
    assert sample.array[:, :, 0].tolist() == [[1], [2], [3]]  # the first row goes to the right


def test_the_date_of_taking_comes_with_its_offset(tmp_path: Path) -> None:
    found = metadata(
        tmp_path,
        DateTimeOriginal="2024:05:17 08:30:00",
        OffsetTimeOriginal="-03:30",
        DateTime="2024:06:01 00:00:00",
    )
    assert found["captured_at"] == "2024-05-17T08:30:00-03:30"


def test_without_a_date_of_taking_the_date_of_the_file_counts_with_its_own_offset(
    tmp_path: Path,
) -> None:
    found = metadata(
        tmp_path,
        DateTime="2024:06:01 12:00:00",
        OffsetTime="+02:00",
        OffsetTimeOriginal="+09:00",
    )
    assert found["captured_at"] == "2024-06-01T12:00:00+02:00"


@pytest.mark.parametrize("offset", ["+99:00", "+02:75", "2", "Z", "   :  ", ""])
def test_an_impossible_offset_is_left_out(tmp_path: Path, offset: str) -> None:
    found = metadata(tmp_path, DateTimeOriginal="2024:05:17 08:30:00", OffsetTimeOriginal=offset)
    assert found["captured_at"] == "2024-05-17T08:30:00"


@pytest.mark.parametrize(
    "stamp", ["0000:00:00 00:00:00", "2024:02:30 10:00:00", "    :  :     :  :  ", "yesterday", ""]
)
def test_an_impossible_date_is_left_out(tmp_path: Path, stamp: str) -> None:
    assert "captured_at" not in metadata(tmp_path, DateTimeOriginal=stamp)


@pytest.mark.parametrize(
    ("latitude", "north_south", "longitude", "east_west", "expected"),
    [
        # degrees + minutes / 60 + seconds / 3600
        ((48.0, 51.0, 29.6), "N", (2.0, 17.0, 40.2), "E", (48.8582222, 2.2945)),
        ((33.0, 51.0, 36.0), "S", (151.0, 12.0, 54.0), "E", (-33.86, 151.215)),
        ((22.0, 54.5, 0.0), "S", (43.0, 11.0, 47.0), "W", (-22.9083333, -43.1963889)),
        ((0.0, 0.0, 0.0), "N", (180.0, 0.0, 0.0), "W", (0.0, -180.0)),
    ],
)
def test_a_place_becomes_decimal_degrees(
    tmp_path: Path,
    latitude: tuple[float, ...],
    north_south: str,
    longitude: tuple[float, ...],
    east_west: str,
    expected: tuple[float, float],
) -> None:
    found = metadata(
        tmp_path,
        GPSLatitude=latitude,
        GPSLatitudeRef=north_south,
        GPSLongitude=longitude,
        GPSLongitudeRef=east_west,
    )
    assert (found["latitude_deg"], found["longitude_deg"]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"GPSLatitude": (91.0, 0.0, 0.0)},
        {"GPSLatitude": (90.0, 0.0, 1.0)},
        {"GPSLongitude": (180.0, 0.0, 1.0)},
        {"GPSLatitude": (40.0, 75.0, 0.0)},
        {"GPSLatitude": (40.0, 0.0, 99.0)},
        {"GPSLatitude": (40.0, 30.0)},
        {"GPSLatitude": 40.0},
        {"GPSLatitudeRef": "E"},  # a latitude to the east
        {"GPSLongitudeRef": "N"},
        {"GPSLatitudeRef": ""},
        {"GPSLatitude": (IFDRational(0, 0), 0.0, 0.0)},
    ],
    ids=str,
)
def test_a_place_that_cannot_be_is_left_out(tmp_path: Path, change: dict[str, Any]) -> None:
    sound = {
        "GPSLatitude": (40.0, 30.0, 0.0),
        "GPSLatitudeRef": "N",
        "GPSLongitude": (3.0, 40.0, 0.0),
        "GPSLongitudeRef": "W",
    }
    assert "latitude_deg" in metadata(tmp_path, **sound)
    found = metadata(tmp_path, **{**sound, **change})
    assert "latitude_deg" not in found
    assert "longitude_deg" not in found


def test_a_picture_without_exif_has_only_its_size(tmp_path: Path) -> None:
    assert metadata(tmp_path) == {"width_px": 64, "height_px": 32}
