"""Scenes of more bands: the shipped record, real Sentinel-2 files, and tuning on near infrared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.plugins import get_catalog
from fieldguide.samples import REFLECTANCE, RGB, Sample
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.changes import Offset
from fieldguide_remote_sensing.sensors import find_sensor

if TYPE_CHECKING:
    from pathlib import Path

NIR_ONLY = (*RGB, "nir")
LABELS = ("healthy crop", "dry crop")
SPLITS = ("train", "train", "train", "val", "test")
SIDE_PX = 32
L2A = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09",
    "swir16", "swir22",
)  # fmt: skip
QUICK: dict[str, Any] = {
    "method": "lora", "batch_size": 16, "epochs": 8, "projection_epochs": 4, "learning_rate": 3e-3,
    "projection_rate": 1e-2, "checks": 2, "measure": False,
}  # fmt: skip


def write_tile(path: Path, pixels: np.ndarray, names: tuple[str, ...]) -> None:
    """Write (C, H, W) pixels with the names of their bands."""
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=pixels.dtype,
        crs="EPSG:32632", transform=place,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
        dataset.descriptions = names


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write tiles that look alike in colours and differ in near infrared; the manifest."""
    folder = tmp_path_factory.mktemp("fields")
    generator = np.random.default_rng(0)
    rows = []
    for label, level in zip(LABELS, (190, 60), strict=True):
        for number in range(50):
            pixels = generator.integers(20, 120, (4, SIDE_PX, SIDE_PX)).astype(np.uint8)
            pixels[3] = level + generator.integers(-50, 51, (SIDE_PX, SIDE_PX))
            name = f"{label.split()[0]}_{number}.tif"
            write_tile(folder / name, pixels, NIR_ONLY)
            rows.append({"image": name, "label": label, "split": SPLITS[number % len(SPLITS)]})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="module")
def sensor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model of colours, and a file beside it that gives it a fourth band."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(folder / "base", architecture="vit")
    path = folder / "sensor.yaml"
    path.write_text(
        "base: ./base\nbands:\n"
        + "".join(f"  - {{name: {name}, range: [0, 0.3]}}\n" for name in RGB)
        + "  - {name: nir, range: [0, 0.55], mean: 118, std: 69, optional: true}\n"
    )
    return path


def of_colours(sensor: Path) -> Guide:
    return Guide("remote_sensing", modality="rgb_scene", model=str(sensor.parent / "base"))


def of_more_bands(sensor: Path) -> Guide:
    return Guide("remote_sensing", modality="multispectral_scene", model=str(sensor))


def test_a_class_that_shows_in_near_infrared_alone_is_learned_by_the_widened_model_only(
    fields: Path, sensor: Path, tmp_path: Path
) -> None:
    test = 'split == "test"'
    colours = of_colours(sensor)
    colours.tune(fields, tmp_path / "colours", **QUICK)
    chance = colours.with_adapter(tmp_path / "colours").evaluate(fields, where=test).accuracy
    assert chance.low < 0.5 < chance.high or chance.value == 0.5
    bands = of_more_bands(sensor)
    before = bands.evaluate(fields, where=test).accuracy
    assert before.low < 0.5 < before.high or before.value == 0.5
    outcome = bands.tune(fields, tmp_path / "bands", **QUICK)
    after = bands.with_adapter(tmp_path / "bands").evaluate(fields, where=test).accuracy
    assert after.value >= 0.9
    assert outcome.adapter is not None
    stem = outcome.adapter.changes["visual.conv1.weight"]
    assert isinstance(stem, Offset)
    assert stem.values.shape[1] == len(NIR_ONLY)
    assert stem.values[:, 3].abs().max() > 0


def test_the_command_line_tunes_and_uses_a_widened_model(
    fields: Path, sensor: Path, tmp_path: Path
) -> None:
    common = ["--domain", "remote_sensing", "--modality", "multispectral_scene", "--quiet"]
    place = tmp_path / "made"
    quick = ["--epochs", "1", "--projection-epochs", "1", "--no-measure", "--no-compare",
             "--set", "new_rate=0.01"]  # fmt: skip
    tuned = CliRunner().invoke(
        cli, ["tune", str(fields), "--model", str(sensor), "-o", str(place), *quick, *common]
    )
    assert tuned.exit_code == 0, tuned.output
    answer = tmp_path / "answer.csv"
    used = CliRunner().invoke(
        cli, ["classify", str(fields.parent / "dry_0.tif"), "--adapter", str(place), *common,
              "-o", str(answer)]
    )  # fmt: skip
    assert used.exit_code == 0, used.output
    assert "dry crop" in answer.read_text()


def test_a_scene_without_the_optional_band_is_used_and_its_row_says_so(
    sensor: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40)).astype(np.uint8)
    write_tile(tmp_path / "colours.tif", pixels, RGB)
    (row,) = of_more_bands(sensor).classify(tmp_path / "colours.tif", list(LABELS))
    assert row.status == "ok"
    assert row.reason == "repaired: fill_missing_bands_with_mean"
    assert row.metadata["filled_bands"] == "nir"


def test_a_scene_without_a_colour_is_refused(sensor: Path, tmp_path: Path) -> None:
    pixels = np.zeros((3, 40, 40), np.uint8)
    write_tile(tmp_path / "infrared.tif", pixels, ("nir", "red", "green"))
    (row,) = of_more_bands(sensor).classify(tmp_path / "infrared.tif", list(LABELS))
    assert row.status == "refused"
    assert "needs blue" in row.reason


def test_colours_stay_the_default_and_more_bands_are_named() -> None:
    guide = Guide("remote_sensing")
    modality, record = guide.planner.text_model()
    assert (modality.name, record.name) == ("rgb_scene", "embedded_aid")
    named = Guide("remote_sensing", modality="multispectral_scene")
    assert named.planner.text_model()[1].name == "embedded_aid_sentinel2"


def test_the_shipped_ranges_and_means_follow_from_the_published_statistics() -> None:
    # IBM/MS-CLIP, msclip/inference/utils.py, pretrained_data_stats["ms_all"]; reflectance x 10,000
    means = (794.311, 925.161, 1183.128, 1338.041, 1667.254, 2233.633, 2460.96, 2555.569, 2619.542,
             2703.298, 2406.497, 1841.645)  # fmt: skip
    deviations = (1164.883, 1205.586, 1223.713, 1399.638, 1403.298, 1378.513, 1434.924, 1491.141,
                  1454.089, 1660.395, 1473.248, 1365.08)  # fmt: skip
    bands = get_catalog().registry.model("embedded_aid_sentinel2").settings["bands"]
    assert tuple(band["name"] for band in bands) == L2A
    for band, mean, deviation in zip(bands, means, deviations, strict=True):
        low, high = band["range"]
        assert low == 0
        if band["name"] in RGB:
            assert high == 0.3
            continue
        assert high == pytest.approx((mean + 2 * deviation) / 10_000, abs=0.025)
        assert band["mean"] == round(255 * mean / 10_000 / high)
        assert band["std"] == round(255 * deviation / 10_000 / high)
        assert band["optional"]


def test_the_shipped_bands_are_those_of_the_sensor_in_its_order() -> None:
    bands = get_catalog().registry.model("embedded_aid_sentinel2").settings["bands"]
    sensor = find_sensor("sentinel2_l2a")
    assert tuple(band["name"] for band in bands) == sensor.order
    for band in bands:
        known = sensor.band(band["name"])
        assert known is not None
        assert band["wavelength_nm"] == known.wavelength_nm


def test_a_sample_in_memory_says_its_bands_and_reflectance(sensor: Path) -> None:
    array = np.full((40, 40, 4), 0.15, np.float32)
    scene = Sample(array, bands=("nir", "blue", "green", "red"), units=REFLECTANCE)
    (row,) = of_more_bands(sensor).classify([scene], list(LABELS))
    assert row.status == "ok"
    assert row.reason == "repaired: select_bands_by_name, reflectance_to_ranges"


@pytest.mark.shared_data
@pytest.mark.parametrize("options", [{"bands": ",".join(L2A)},
                                     {"sensor": "sentinel2_l2a", "offset": 0}],
                         ids=["stretched", "reflectance"])  # fmt: skip
def test_real_scenes_get_the_vectors_of_the_model_of_colours_until_it_is_tuned(
    options: dict[str, Any], shared_data: Path
) -> None:
    scenes = sorted((shared_data / "remote_sensing/sentinel2_l2a").glob("*.tif"))
    assert len(scenes) == 5
    vectors = []
    for modality in ("rgb_scene", "multispectral_scene"):
        guide = Guide("remote_sensing", modality=modality, options=options)
        items = guide.find(scenes)
        plan = guide.planner.plan(items, thumbnails=False)
        (batch,) = guide.encode(items, plan)
        assert [row.status for row in batch.rows] == ["ok"] * 5
        assert batch.embeddings is not None
        vectors.append(batch.embeddings.vectors)
    assert abs(vectors[0] - vectors[1]).max() <= 1e-6
    assert abs(vectors[0][0] - vectors[0][1]).max() > 1e-2


def test_a_name_that_is_no_file_is_not_taken_for_one() -> None:
    with pytest.raises(UsageError, match="sensor_that_is_not_there"):
        Guide("remote_sensing", model="./sensor_that_is_not_there.yaml").classify(
            np.zeros((8, 8, 3), np.uint8), list(LABELS)
        )
