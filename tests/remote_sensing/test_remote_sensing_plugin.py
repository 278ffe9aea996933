"""What the plugin offers: valid specs, a class set that fits AID, a registry that can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from fieldguide.contract import GRAYSCALE_TO_RGB
from fieldguide.models.repairs import REPAIRS
from fieldguide.registry import read_resource
from fieldguide_remote_sensing import plugin
from fieldguide_remote_sensing.geotiff import GeoTiffLoader

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def class_set() -> dict[str, Any]:
    resource = files("fieldguide_remote_sensing") / "prompts/aid.yaml"
    content: dict[str, Any] = yaml.safe_load(resource.read_text("utf-8"))
    return content


def test_the_domain_reads_rasters_before_plain_images() -> None:
    (domain,) = plugin.register_domains()
    modality, more_bands = domain.modalities
    assert (more_bands.name, more_bands.loader) == ("multispectral_scene", modality.loader)
    assert (more_bands.broader, more_bands.fits_by_suffix) == (modality.name, False)
    assert (domain.name, domain.extra) == ("remote_sensing", "remote-sensing")
    assert modality.name == "rgb_scene"
    assert modality.loader == (*plugin.RASTER_LOADERS, "plain_scene", "image")
    assert [option.name for option in domain.options] == list(plugin.RASTER_OPTIONS)


def test_every_repair_exists_and_gray_never_becomes_colour() -> None:
    for modality in (plugin.RGB_SCENE, plugin.MULTISPECTRAL_SCENE):
        assert set(modality.repairs) <= set(REPAIRS)
        assert GRAYSCALE_TO_RGB not in modality.repairs


def test_every_template_takes_one_label() -> None:
    assert all(template.count("{}") == 1 for template in plugin.RGB_SCENE.templates)


def test_every_loader_spec_makes_the_loader_with_its_option() -> None:
    specs = {spec.name: spec for spec in plugin.register_loaders()}
    assert tuple(specs) == (*plugin.RASTER_LOADERS, "plain_scene")
    assert specs["geotiff"].suffixes == (".tif", ".tiff", ".vrt", ".jp2")
    options = {"bands": "red,green,blue", "sensor": "sentinel2_l2a", "offset": -1000.0}
    for name in plugin.RASTER_LOADERS:
        assert specs[name].options == plugin.RASTER_OPTIONS
        assert isinstance(specs[name].load()(**options), GeoTiffLoader)


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, fieldguide_remote_sensing.plugin as p; "
        "list(p.register_domains()); list(p.register_loaders()); "
        "print({'numpy', 'PIL', 'rasterio', 'torch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_the_registry_is_valid_and_says_where_aid_comes_from() -> None:
    registry = read_resource("fieldguide_remote_sensing:registry.yaml", "remote_sensing")
    record = registry.dataset("aid_rsicd")
    assert record.source == "https://arxiv.org/abs/1608.05167"
    assert sum(record.splits.values()) == 2827


def test_the_class_set_has_thirty_classes_with_names(class_set: dict[str, Any]) -> None:
    labels = [entry["label"] for entry in class_set["classes"]]
    names = [name for entry in class_set["classes"] for name in entry["names"]]
    assert len(labels) == len(set(labels)) == 30
    assert len(names) == len(set(names))
    assert all(1 <= len(entry["names"]) <= 3 for entry in class_set["classes"])
    assert class_set["version"] == "1"
    assert "1608.05167" in class_set["source"]


def test_the_class_set_and_the_modality_use_the_same_templates(class_set: dict[str, Any]) -> None:
    assert tuple(class_set["templates"]) == plugin.RGB_SCENE.templates


@pytest.mark.shared_data
def test_the_labels_are_those_of_the_data_set(shared_data: Path, class_set: dict[str, Any]) -> None:
    manifest = shared_data / "remote_sensing/aid_rsicd/manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
    splits = [row["split"] for row in rows]
    registry = read_resource("fieldguide_remote_sensing:registry.yaml", "remote_sensing")
    assert {entry["label"] for entry in class_set["classes"]} == {row["label"] for row in rows}
    assert registry.dataset("aid_rsicd").splits == {
        name: splits.count(name) for name in set(splits)
    }
