"""Files of a named sensor through the loader, the guide and the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window

import fieldguide as fg
from fieldguide import Sample
from fieldguide.cli import main
from fieldguide.contract import InputContract
from fieldguide.errors import ContractError
from fieldguide.models.prepare import prepare
from fieldguide.samples import DIGITAL_NUMBER, REFLECTANCE, RGB, SRGB8
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_remote_sensing.geotiff import GeoTiffLoader
from fieldguide_remote_sensing.plugin import RGB_SCENE

if TYPE_CHECKING:
    from pathlib import Path

GRID = Affine(10, 0, 500_000, 0, -10, 5_000_000)
PRODUCT = "S2A_MSIL2A_20220127T105311_N0400_R051_T31UFU_20220127T141524"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


def write(path: Path, array: np.ndarray[Any, Any], **settings: Any) -> Path:
    """Write (H, W, C) in UTM zone 32 north."""
    tags, scales = settings.pop("tags", {}), settings.pop("scales", None)
    offsets, names = settings.pop("offsets", None), settings.pop("names", None)
    height, width, count = array.shape
    profile = {"driver": "GTiff", "crs": "EPSG:32632", "transform": GRID, **settings}
    size = {"height": height, "width": width, "count": count, "dtype": array.dtype}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile, **size) as target:
        target.write(np.moveaxis(array, -1, 0))
        target.update_tags(**tags)
        if names:
            target.descriptions = names
        if scales:
            target.scales, target.offsets = scales, offsets
    return path


def numbers(bands: int = 12, low: int = 1100, high: int = 5000) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(low, high, (8, 6, bands)).astype(np.uint16)


def test_a_file_in_a_folder_named_as_a_product_becomes_reflectance(tmp_path: Path) -> None:
    array = numbers()
    path = write(tmp_path / PRODUCT / "stack.tif", array)
    sample = GeoTiffLoader(sensor="sentinel2_l2a")(path)
    assert (sample.units, sample.notes) == (REFLECTANCE, ())
    np.testing.assert_allclose(sample.array, (array.astype(float) - 1000) / 10000, atol=1e-6)


def test_a_tag_of_the_file_says_the_baseline(tmp_path: Path) -> None:
    array = numbers()
    path = write(tmp_path / "a.tif", array, tags={"PROCESSING_BASELINE": "02.14"})
    sample = GeoTiffLoader(sensor="sentinel2_l2a")(path)
    np.testing.assert_allclose(sample.array, array / 10000, atol=1e-6)


def test_the_files_own_scale_and_offset_count(tmp_path: Path) -> None:
    array = numbers(3)
    scales, offsets = (0.0001,) * 3, (-0.1,) * 3
    path = write(tmp_path / "a.tif", array, names=RGB, scales=scales, offsets=offsets)
    sample = GeoTiffLoader()(path)
    assert sample.units == REFLECTANCE
    np.testing.assert_allclose(sample.array, (array.astype(float) - 1000) / 10000, atol=1e-6)


def test_metadata_say_the_sensor_and_wavelength_and_size_of_each_band(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers(2), names=("B04", "B8A"))
    metadata = GeoTiffLoader(sensor="sentinel2_l2a")(path).metadata
    assert metadata["sensor"] == "sentinel2_l2a"
    assert metadata["wavelengths_nm"] == {"red": 664.6, "nir08": 864.7}
    assert metadata["band_gsd_m"] == {"red": 10, "nir08": 20}


def test_the_sensors_nodata_counts_where_the_file_states_none(tmp_path: Path) -> None:
    array = numbers()
    array[0, :2] = 0
    array[1, 0, 3] = 0  # one band alone is dark
    path = write(tmp_path / "a.tif", array)
    sample = GeoTiffLoader(sensor="sentinel2_l2a", offset=-1000)(path)
    assert sample.valid is not None
    assert np.argwhere(~sample.valid).tolist() == [[0, 0], [0, 1]]
    with_own = write(tmp_path / "b.tif", array, nodata=65535)
    assert GeoTiffLoader(sensor="sentinel2_l2a", offset=0)(with_own).valid is None


def test_the_same_ground_is_shown_the_same_in_two_files(tmp_path: Path) -> None:
    contract = InputContract(size_px=(8, 6), resize="squash", mean=(127.0,) * 3, std=(128.0,) * 3)
    loader = GeoTiffLoader(sensor="sentinel2_l2a", offset=-1000)
    for name, array in (("dark", numbers(3, 1100, 2000)), ("bright", numbers(3, 3000, 6000))):
        array[4, 4] = (1600, 2200, 2800)  # reflectance 0.06, 0.12 and 0.18, of 0.3
        sample = loader(write(tmp_path / f"{name}.tif", array, names=RGB))
        ready, pixels = prepare(sample, contract, RGB_SCENE.repairs)
        assert ready.repairs == ("reflectance_to_display",)
        assert pixels[4, 4].tolist() == [51, 102, 153]


def test_a_window_reads_as_that_part_of_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers())
    loader = GeoTiffLoader(sensor="sentinel2_l2a", offset=-1000)
    whole = loader(path)
    with loader.open(path) as raster:
        part = raster.read(Window(1, 2, 4, 5))
    assert (part.units, part.bands) == (REFLECTANCE, whole.bands)
    np.testing.assert_array_equal(part.array, whole.array[2:7, 1:5])


def test_no_window_is_read_of_a_raster_that_contradicts_its_sensor(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers(3, 500, 4000), names=RGB)
    with (
        GeoTiffLoader(sensor="landsat_8").open(path) as raster,
        pytest.raises(ContractError, match="too dark"),
    ):
        raster.read(Window(0, 0, 2, 2))


def test_a_dataset_may_say_of_which_sensor_it_is(tmp_path: Path) -> None:
    tags = {"SENSOR": "sentinel2_l2a", "PROCESSING_BASELINE": "04.00"}
    path = write(tmp_path / "a.tif", numbers(), tags=tags)
    sample = GeoTiffLoader()(path)
    assert (sample.units, len(sample.bands)) == (REFLECTANCE, 12)
    with pytest.raises(ContractError, match="says that it is of sentinel2_l2a"):
        GeoTiffLoader(sensor="sentinel2_l1c")(path)


def test_a_tag_that_is_no_name_of_the_catalogue_says_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers(3), names=RGB, tags={"SENSOR": "../MSI"})
    assert GeoTiffLoader()(path).units == DIGITAL_NUMBER


def test_bands_of_a_sample_in_memory_are_taken_by_name(model: str) -> None:
    guide = fg.guide("remote_sensing", model=model, device="cpu")
    array = np.random.default_rng(0).integers(0, 255, (6, 5, 3)).astype(np.uint8)
    plain = Sample(array, RGB, SRGB8)
    turned = Sample(array[..., ::-1], ("blue", "green", "red"), SRGB8)
    first, second = guide.classify([plain, turned], ["a", "b"])
    assert second.reason == "repaired: select_bands_by_name"
    assert first.guesses == second.guesses


@pytest.mark.shared_data
def test_thirteen_bands_in_memory_equal_the_same_bands_in_a_file(
    shared_data: Path, tmp_path: Path, model: str
) -> None:
    scene = np.load(shared_data / "remote_sensing/sentinel2_l2a/eo_learn_13band_scenes.npy")[1]
    path = write(tmp_path / "a.tif", scene)
    guide = fg.guide("remote_sensing", model=model, device="cpu", sensor="sentinel2_l1c")
    names = GeoTiffLoader(sensor="sentinel2_l1c")(path).bands
    of_file, in_memory = guide.classify([path, Sample(scene, names, REFLECTANCE)], ["a", "b"])
    expected = "select_bands_by_name, reflectance_to_display"
    assert of_file.reason == f"repaired: kept_as_reflectance, {expected}"
    assert in_memory.reason == f"repaired: {expected}"
    assert of_file.guesses == in_memory.guesses


@pytest.mark.shared_data
@pytest.mark.parametrize("number", range(5))
def test_real_scenes_in_reflectance_are_never_scaled_twice(
    shared_data: Path, tmp_path: Path, number: int
) -> None:
    scene = np.load(shared_data / "remote_sensing/sentinel2_l2a/eo_learn_13band_scenes.npy")[number]
    sample = GeoTiffLoader(sensor="sentinel2_l1c")(write(tmp_path / "a.tif", scene))
    np.testing.assert_array_equal(sample.array, scene)
    twice = write(tmp_path / "b.tif", (scene * 0.0001).astype(np.float32))
    with pytest.raises(ContractError, match="applied twice"):
        GeoTiffLoader(sensor="sentinel2_l1c")(twice)


@pytest.mark.shared_data
def test_real_files_are_named_by_the_sensor_and_stay_numbers_without_an_offset(
    shared_data: Path,
) -> None:
    files = sorted((shared_data / "remote_sensing/sentinel2_l2a").glob("*.tif"))
    assert len(files) == 5
    for path in files:
        sample = GeoTiffLoader(sensor="sentinel2_l2a")(path)
        assert (len(sample.bands), sample.units) == (12, DIGITAL_NUMBER)
        assert "--offset -1000" in sample.notes[0]
        known = GeoTiffLoader(sensor="sentinel2_l2a", offset=0)(path)
        np.testing.assert_allclose(known.array, sample.array / 10000, atol=1e-6)


@pytest.mark.shared_data
def test_an_offset_under_which_real_water_would_be_black_is_refused(shared_data: Path) -> None:
    path = shared_data / "remote_sensing/sentinel2_l2a/282D_485L_3_3.tif"
    with pytest.raises(ContractError, match="half of red would be below"):
        GeoTiffLoader(sensor="sentinel2_l2a", offset=-1000)(path)


# -- command line ------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
        raise SystemExit(0)
    return int(stopped.value.code or 0)


def test_the_options_reach_the_loader_and_the_note_reaches_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, model: str
) -> None:
    path = write(tmp_path / "a.tif", numbers())
    words = ("classify", path, "--domain", "remote_sensing", "--model", model)
    labels = ("--label", "a", "--label", "b", "--sensor", "sentinel2_l2a")
    assert run(monkeypatch, *words, *labels) == 0
    assert "the offset of sentinel2_l2a is not known" in capsys.readouterr().out
    assert run(monkeypatch, *words, *labels, "--offset", "-1000") == 0
    assert "reflectance_to_display" in capsys.readouterr().out


def test_show_lists_the_bands_with_their_wavelengths(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", numbers(7, 8000, 20000))
    words = ("show", path, "--domain", "remote_sensing", "--sensor", "landsat_8")
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "wavelengths_nm coastal 440.0, blue 480.0" in shown
    assert "units     reflectance, " in shown


def test_a_sensor_that_is_not_there_is_an_error_of_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", numbers())
    words = ("show", path, "--domain", "remote_sensing", "--sensor", "sentinel")
    assert run(monkeypatch, *words) == 2
    assert "No sensor is named 'sentinel'" in capsys.readouterr().err
