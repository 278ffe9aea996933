"""Rasters that refer to other files or to the network; settings of GDAL; threads."""

from __future__ import annotations

import http.server
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
import rasterio
from rasterio.env import get_gdal_config
from rasterio.transform import Affine

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_remote_sensing.geotiff import GeoTiffLoader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = ("GDAL_CACHEMAX", "GDAL_HTTP_PROXY", "CPL_VSIL_CURL_ALLOWED_FILENAME")


class _Recorder(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Any]:
    """Give a local web server that notes in ``asked`` what it was asked for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Recorder) as running:
        running.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def write_rgb(path: Path, size_px: int = 8) -> Path:
    array = np.random.default_rng(3).integers(1, 255, (3, size_px, size_px)).astype("uint8")
    profile = {"driver": "GTiff", "photometric": "RGB", "crs": "EPSG:32632", "dtype": "uint8"}
    grid = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    size = {"height": size_px, "width": size_px, "count": 3}
    with rasterio.open(path, "w", **profile, **size, transform=grid) as target:
        target.write(array)
    return path


def write_vrt(path: Path, source: str, relative: int = 0, kind: str = "") -> Path:
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{place}"{kind}><ColorInterp>{colour}</ColorInterp>'
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{escape(source)}'
        f"</SourceFilename><SourceBand>{place}</SourceBand></SimpleSource></VRTRasterBand>"
        for place, colour in enumerate(("Red", "Green", "Blue"), start=1)
    )
    path.write_text(f'<VRTDataset rasterXSize="8" rasterYSize="8">{bands}</VRTDataset>')
    return path


def test_a_vrt_of_local_files_is_read(tmp_path: Path) -> None:
    scene = write_rgb(tmp_path / "scene.tif")
    inner = write_vrt(tmp_path / "inner.vrt", "scene.tif", relative=1)
    outer = write_vrt(tmp_path / "outer.vrt", str(inner))
    np.testing.assert_array_equal(GeoTiffLoader()(outer).array, GeoTiffLoader()(scene).array)


@pytest.mark.parametrize(
    "source",
    [
        "/vsicurl/{address}/a.tif",
        "{address}/a.tif",
        "/vsizip/a.zip/a.tif",
        "/vsis3/bucket/a.tif",
        "<GDAL_WMS><Service name='TMS'><ServerUrl>{address}</ServerUrl></Service></GDAL_WMS>",
    ],
)
def test_a_vrt_that_points_to_the_network_is_refused_and_asks_nothing(
    tmp_path: Path, server: Any, source: str
) -> None:
    address = f"http://127.0.0.1:{server.server_address[1]}"
    path = write_vrt(tmp_path / "a.vrt", source.format(address=address))
    with pytest.raises(ContractError, match="nothing is downloaded"):
        GeoTiffLoader()(path)
    assert server.asked == []


def test_a_nested_vrt_that_points_to_the_network_is_refused(tmp_path: Path, server: Any) -> None:
    address = f"http://127.0.0.1:{server.server_address[1]}/a.tif"
    hidden = write_vrt(tmp_path / "scene.tif", address)  # a VRT that calls itself a TIFF
    path = write_vrt(tmp_path / "a.vrt", hidden.name, relative=1)
    with pytest.raises(ContractError, match="nothing is downloaded"):
        GeoTiffLoader()(path)
    assert server.asked == []


def test_a_source_that_describes_a_service_is_refused(tmp_path: Path, server: Any) -> None:
    address = f"http://127.0.0.1:{server.server_address[1]}"
    text = f"<GDAL_WMS><Service name='TMS'><ServerUrl>{address}</ServerUrl></Service></GDAL_WMS>"
    (tmp_path / "scene.tif").write_text(text)
    with pytest.raises(ContractError, match="description of a service"):
        GeoTiffLoader()(write_vrt(tmp_path / "a.vrt", "scene.tif", relative=1))
    with pytest.raises(LoadError):
        GeoTiffLoader()(tmp_path / "scene.tif")
    assert server.asked == []


@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_an_overview_on_the_network_is_not_asked_for(
    tmp_path: Path, server: Any, prefix: str
) -> None:
    path = write_rgb(tmp_path / "a.tif", 64)
    address = f"{prefix}http://127.0.0.1:{server.server_address[1]}/o.tif"
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
        f"{address}</MDI></Metadata></PAMDataset>"
    )
    assert GeoTiffLoader()(path).size_px == (64, 64)
    assert server.asked == []


def test_without_the_settings_the_same_vrt_would_ask(tmp_path: Path, server: Any) -> None:
    address = f"http://127.0.0.1:{server.server_address[1]}/a.tif"
    path = write_vrt(tmp_path / "a.vrt", address)
    with pytest.raises(rasterio.errors.RasterioIOError), rasterio.open(path) as dataset:
        dataset.read()
    assert server.asked != []


def test_a_missing_source_is_a_load_error_that_names_it(tmp_path: Path) -> None:
    path = write_vrt(tmp_path / "a.vrt", "gone.tif", relative=1)
    with pytest.raises(LoadError, match=r"its source gone.tif is missing"):
        GeoTiffLoader()(path)


def test_a_vrt_that_contains_itself_is_a_load_error(tmp_path: Path) -> None:
    path = write_vrt(tmp_path / "a.vrt", "a.vrt", relative=1)
    with pytest.raises(LoadError, match="leads back to itself"):
        GeoTiffLoader()(path)


def test_raw_bytes_of_other_files_are_refused(tmp_path: Path) -> None:
    write_rgb(tmp_path / "scene.tif")
    kind = ' subClass="VRTRawRasterBand"'
    path = write_vrt(tmp_path / "a.vrt", "scene.tif", relative=1, kind=kind)
    with pytest.raises(ContractError, match="raw bytes"):
        GeoTiffLoader()(path)


@pytest.mark.parametrize("text", ["", "<VRTDataset", "no xml at all", "<a/>"])
def test_what_is_no_vrt_is_a_load_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.vrt").write_text(text)
    with pytest.raises(LoadError):
        GeoTiffLoader()(tmp_path / "a.vrt")


def test_settings_of_gdal_are_as_before_after_good_and_bad_files(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"II*\x00broken")
    before = [get_gdal_config(name) for name in OPTIONS]
    GeoTiffLoader()(path)
    with pytest.raises(InputError):
        GeoTiffLoader()(tmp_path / "b.tif")
    assert [get_gdal_config(name) for name in OPTIONS] == before
    assert not rasterio.env.hasenv()


def test_threads_read_the_same_as_one_and_leave_the_settings(tmp_path: Path) -> None:
    paths = [write_rgb(tmp_path / f"{i}.tif", 40 + i) for i in range(24)]
    loader = GeoTiffLoader()
    before = [get_gdal_config(name) for name in OPTIONS]
    alone = [loader(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(loader, paths))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first.array, second.array)
        assert first.metadata == second.metadata
    assert [get_gdal_config(name) for name in OPTIONS] == before
