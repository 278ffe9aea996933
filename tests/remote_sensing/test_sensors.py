"""The catalogue of sensors: what ships, what a user adds, and how faults are said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fieldguide.errors import UnknownNameError, UsageError
from fieldguide_remote_sensing import sensors
from fieldguide_remote_sensing.bands import COMMON_NAMES, naming_tables
from fieldguide_remote_sensing.sensors import find_sensor, read_sensor, shipped_sensors

L2A_IDS = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"

MINE = {
    "version": 1,
    "name": "our_drone",
    "title": "Our drone",
    "sources": ["the maker's data sheet"],
    "bands": [
        {"name": "green", "id": "G560", "wavelength_nm": 560, "gsd_m": 0.05},
        {"name": "red", "id": "R650", "wavelength_nm": 650},
        {"name": "nir", "id": "N840", "aliases": ["NIR 840"]},
    ],
    "scaling": {"scale": 0.001, "offset": 0},
}


def write(path: Path, **changes: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({**MINE, **changes}), "utf-8")
    return path


def test_the_sensors_that_the_docs_promise_ship() -> None:
    promised = {"sentinel2_l1c", "sentinel2_l2a", "naip", "rgb", "hls_landsat", "hls_sentinel2"}
    assert set(shipped_sensors()) == promised | {f"landsat_{n}" for n in (5, 7, 8, 9)}


def test_l2a_has_the_twelve_bands_of_esas_order_and_l1c_has_b10_too() -> None:
    l2a, l1c = find_sensor("sentinel2_l2a"), find_sensor("sentinel2_l1c")
    assert [band.id for band in l2a.bands] == L2A_IDS.split()
    assert [band.id for band in l1c.bands] == L2A_IDS.replace("B11", "B10 B11").split()


@pytest.mark.parametrize("name", sorted(shipped_sensors()))
def test_every_band_that_ships_has_a_stac_common_name(name: str) -> None:
    bands = (*shipped_sensors()[name].bands, *shipped_sensors()[name].others)
    assert {band.name for band in bands} <= set(COMMON_NAMES.values())


@pytest.mark.parametrize("name", sorted(set(shipped_sensors()) - {"rgb"}))
def test_every_band_that_ships_has_a_wavelength_and_a_size(name: str) -> None:
    for band in shipped_sensors()[name].bands:
        assert band.wavelength_nm is not None
        assert 400 < band.wavelength_nm < 2300  # what reflects sunlight
        assert band.gsd_m is not None


@pytest.mark.parametrize(
    ("sensor", "band", "limits_nm"),
    [  # the limits that ESA and USGS publish
        ("sentinel2_l2a", "B8A", (854, 875)),
        ("sentinel2_l2a", "B04", (650, 680)),
        ("landsat_8", "SR_B4", (640, 670)),
        ("landsat_7", "SR_B7", (2090, 2350)),
        ("landsat_5", "SR_B4", (760, 900)),
    ],
)
def test_a_centre_lies_inside_the_published_limits_of_its_band(
    sensor: str, band: str, limits_nm: tuple[float, float]
) -> None:
    (found,) = (b for b in find_sensor(sensor).bands if b.id == band)
    assert found.wavelength_nm is not None
    assert limits_nm[0] < found.wavelength_nm < limits_nm[1]


@pytest.mark.parametrize(
    ("baseline", "offset_dn"),
    [("02.08", 0), ("03.01", 0), ("04.00", -1000), ("05.10", -1000)],
)
def test_the_offset_of_sentinel_2_changed_with_baseline_4(baseline: str, offset_dn: float) -> None:
    scaling = find_sensor("sentinel2_l2a").scaling
    assert scaling is not None
    assert scaling.offset_since(baseline) == offset_dn


def test_b4_is_red_for_sentinel_2_and_landsat_8_and_near_infrared_for_landsat_7() -> None:
    meanings = {family: table["b4"] for family, table in naming_tables().items() if "b4" in table}
    expected = {"Sentinel-2": "red", "Landsat 8 and 9": "red", "Landsat 4 to 7": "nir08"}
    assert meanings == expected


def test_a_file_of_the_users_is_a_sensor(tmp_path: Path) -> None:
    sensor = find_sensor(str(write(tmp_path / "drone.yaml")))
    assert sensor.order == ("green", "red", "nir")
    assert sensor.table["nir840"] == "nir"


def test_a_sensor_beside_the_users_registry_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_REGISTRY", str(tmp_path / "registry.yaml"))
    write(tmp_path / "sensors/our_drone.yaml")
    write(tmp_path / "sensors/naip.yaml", name="naip", title="as we have it")
    assert find_sensor("our_drone").title == "Our drone"
    assert find_sensor("naip").title == "as we have it"  # in place of the one that ships
    with pytest.raises(UnknownNameError, match="Did you mean our_drone"):
        find_sensor("our-dron")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "sentinel2_l2a.yml.txt", "a/b", "~"])
def test_a_name_never_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"--sensor FILE\.yaml"):
        find_sensor(name)


def test_an_unknown_name_tells_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean sentinel2_l2a"):
        find_sensor("Sentinel2-L2A")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"colour": "blue"}, "colour: Extra inputs"),
        ({"bands": []}, "bands"),
        ({"sources": []}, "sources"),
        ({"scaling": {"scale": 0.001}}, "either an offset"),
        ({"scaling": {"scale": 0, "offset": 0}}, "scaling.scale"),
        ({"scaling": {"scale": float("nan"), "offset": 0}}, "scaling.scale"),
        ({"others": [{"name": "red", "id": "R2"}]}, "two bands are named red"),
        ({"others": [{"name": "blue", "id": "r_650"}]}, "'r650' means red and blue"),
        ({"version": 2}, "version"),
    ],
)
def test_a_faulty_file_is_refused_with_the_fault(
    tmp_path: Path, changes: dict[str, object], fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        read_sensor(write(tmp_path / "a.yaml", **changes))


@pytest.mark.parametrize(
    ("text", "fault"),
    [("a: [", "not YAML"), ("- 1", "no names"), ("", "no names"), ("&a [*a]", "not YAML")],
)
def test_what_is_no_sensor_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match=fault):
        read_sensor(tmp_path / "a.yaml")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        find_sensor(str(tmp_path / "gone.yaml"))


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs the source tree")
def test_the_table_of_the_docs_is_the_catalogue() -> None:
    text = (ROOT / "docs/sensors.md").read_text("utf-8")
    rows = [
        line.split(" | ")
        for line in text.splitlines()
        if line.startswith("| `") and "--" not in line
    ]
    listed = {row[0].strip("| `"): (row[1], tuple(row[2].split())) for row in rows}
    assert listed == {name: (s.title, s.order) for name, s in shipped_sensors().items()}


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs the source tree")
def test_the_sensor_that_the_docs_show_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs/sensors.md").read_text("utf-8")
    shown = text.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "our_drone.yaml").write_text(shown, "utf-8")
    assert find_sensor(str(tmp_path / "our_drone.yaml")).order == ("green", "red", "nir")


def test_records_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        sensors.find_sensor("rgb").title = "other"  # type: ignore[misc]  # that is what is tested
