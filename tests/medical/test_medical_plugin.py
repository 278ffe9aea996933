"""What the medical plugin offers, and that offering it costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
import yaml

from fieldguide.registry import read_resource
from fieldguide.zeroshot.class_sets import ClassSet
from fieldguide_medical import plugin

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("numpy", "PIL", "torch", "pydicom", "nibabel", "monai")


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fieldguide_medical import plugin; "
        "list(plugin.register_domains()); list(plugin.register_loaders()); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"


def test_every_target_exists() -> None:
    (domain,) = plugin.register_domains()
    targets = [modality.check for modality in domain.modalities]
    targets += [modality.preview for modality in domain.modalities]
    for target in filter(None, (*targets, domain.demo)):
        assert callable(domain.import_target(target))
    for loader in plugin.register_loaders():
        given = {option.name: True for option in domain.options if option.type == "flag"}
        assert callable(loader.load()(**{k: v for k, v in given.items() if k in loader.options}))


def test_options_of_loaders_are_options_of_the_domain() -> None:
    (domain,) = plugin.register_domains()
    offered = {option.name for option in domain.options}
    assert {name for loader in plugin.register_loaders() for name in loader.options} <= offered


def test_a_tile_may_not_be_repaired_into_colour() -> None:
    (domain,) = plugin.register_domains()
    repairs = {modality.name: modality.repairs for modality in domain.modalities}
    assert repairs["histology_tile"] == ("sixteen_bit_to_eight_bit",)


def lung_set() -> ClassSet:
    text = (files("fieldguide_medical") / "prompts/lung_histology.yaml").read_text("utf-8")
    return ClassSet.model_validate(yaml.safe_load(text))


def test_the_class_set_is_valid() -> None:
    assert lung_set().name == "lung_histology"
    assert all(1 <= len(entry.names) <= 3 for entry in lung_set().classes)


def test_the_registry_is_valid_and_names_modalities_of_the_domain() -> None:
    (domain,) = plugin.register_domains()
    registry = read_resource(str(domain.registry), "medical")
    names = {modality.name for modality in domain.modalities}
    assert {record.modality for record in registry.datasets} <= names


@pytest.mark.shared_data
def test_labels_and_splits_are_those_of_the_data(shared_data: Path) -> None:
    manifest = shared_data / "medical/lc25000_lung/manifest.jsonl"
    rows = [json.loads(line) for line in manifest.open()]
    registry = read_resource("fieldguide_medical:registry.yaml", "medical")
    (record,) = (each for each in registry.datasets if each.name == "lc25000_lung")
    assert set(lung_set().labels) == {row["label"] for row in rows}
    assert record.splits == Counter(row["split"] for row in rows)
    assert record.classes == len(lung_set().labels)
