"""Rasters whose headers claim far more than the file holds; VRTs that parsers read differently."""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from fieldguide.errors import InputError, LoadError
from fieldguide_remote_sensing import cost
from fieldguide_remote_sensing.geotiff import GeoTiffLoader
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 5.0


def write(path: Path, **options: Any) -> Path:
    """Write 40 x 48 px of red, green and blue."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 48), np.uint8)
    profile = {"driver": "GTiff", "height": 40, "width": 48, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", **{**profile, "photometric": "RGB", **options}) as target:
        target.write(pixels)
    return path


def sparse(path: Path, width: int, height: int, **options: Any) -> Path:
    """Write the header of a huge raster of which no pixel is stored."""
    size = {"width": width, "height": height, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open(
        path, "w", driver="GTiff", SPARSE_OK="TRUE", BIGTIFF="YES", **size, **options
    ):
        pass
    return path


def vrt(path: Path, source: str, width: int = 48, height: int = 40) -> Path:
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}"><ColorInterp>{colour}</ColorInterp>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename>'
        f"<SourceBand>{n}</SourceBand></SimpleSource></VRTRasterBand>"
        for n, colour in enumerate(("Red", "Green", "Blue"), start=1)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{bands}</VRTDataset>'
    )
    return path


def with_tag(path: Path, tag: int, value: int) -> Path:
    """Change the value of one tag of a little-endian classic TIFF."""
    content = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    for place in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", content, place)[0] == tag:
            struct.pack_into("<HII", content, place + 2, 4, 1, value)
    path.write_bytes(content)
    return path


WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT = 256, 257, 322, 323


def claims_one_huge_tile(path: Path) -> Path:
    write(path, compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    for tag in (WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT):
        with_tag(path, tag, 30_000 // 16 * 16)
    return path


def test_one_tile_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(LoadError, match=r"take \d+ MiB of memory each.*TILED=YES"):
        GeoTiffLoader()(claims_one_huge_tile(tmp_path / "a.tif"))
    assert time.process_time() - began < SECONDS


def test_a_vrt_does_not_hide_the_tiles_of_its_sources(tmp_path: Path) -> None:
    claims_one_huge_tile(tmp_path / "a.tif")
    with pytest.raises(LoadError, match=r"MiB of memory each.*a\.tif"):
        GeoTiffLoader()(vrt(tmp_path / "a.vrt", "a.tif"))


def test_a_large_raster_of_which_nothing_is_stored_is_refused(tmp_path: Path) -> None:
    large_tiles = {"blockxsize": 8192, "blockysize": 8192}
    began = time.process_time()
    with pytest.raises(LoadError, match="it is empty or broken"):
        GeoTiffLoader()(sparse(tmp_path / "a.tif", 60_000, 60_000, tiled=True, **large_tiles))
    assert time.process_time() - began < SECONDS


def test_overviews_count_only_when_they_are_small_enough(tmp_path: Path) -> None:
    class Dataset:
        count = 3

        def __init__(self, *factors: int) -> None:
            self.overviews = lambda _: list(factors)

    whole = Grid(None, Affine.identity(), 1_000_000, 1_000_000)
    assert cost._pixels_read(Dataset(), whole) == 1e12
    assert cost._pixels_read(Dataset(2), whole) == 1e12 / 4
    assert cost._pixels_read(Dataset(2, 64), whole) == 1e12 / 64**2
    assert cost._pixels_read(Dataset(2, 512), whole) == 1e12 / 4  # 512 is beyond what is read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_vrt_with_a_document_type_is_refused(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "a.tif")
    text = vrt(tmp_path / "a.vrt", "a.tif").read_text()
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]>'
    (tmp_path / "a.vrt").write_bytes((bomb + text).encode(encoding))
    with pytest.raises(LoadError):
        GeoTiffLoader()(tmp_path / "a.vrt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(LoadError, match="not a file"):
        GeoTiffLoader()(tmp_path / "a.tif")
    with pytest.raises(LoadError, match="is missing"):
        GeoTiffLoader()(vrt(tmp_path / "b.vrt", "a.tif"))


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(["a.tif", "a.vrt"]),
    changes=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=12),
    length=st.integers(0, 7000),
)
def test_changed_bytes_are_a_sample_or_an_error_about_one_input(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    changes: list[tuple[int, int]],
    length: int,
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    write(folder / "a.tif", tiled=True, blockxsize=16, blockysize=16)
    vrt(folder / "a.vrt", "a.tif")
    content = bytearray((folder / kind).read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (folder / kind).write_bytes(content[:length] if length % 3 == 0 else content)
    try:
        assert GeoTiffLoader()(folder / kind).array.ndim == 3
    except InputError as error:
        assert str(error)
