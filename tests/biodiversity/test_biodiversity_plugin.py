from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
import yaml

from fieldguide import plugins
from fieldguide.registry import read_resource
from fieldguide.testing import check_plugin
from fieldguide.zeroshot.class_sets import ClassSet
from fieldguide_biodiversity import plugin

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.specs import DomainSpec


@pytest.fixture
def domain() -> DomainSpec:
    (spec,) = plugin.register_domains()
    return spec


@pytest.fixture
def class_set() -> ClassSet:
    path = files("fieldguide_biodiversity").joinpath("prompts/fish4knowledge.yaml")
    return ClassSet.model_validate(yaml.safe_load(path.read_text("utf-8")))


def test_the_plugin_loads_without_a_failure() -> None:
    catalog = plugins.get_catalog()
    assert [f for f in catalog.failures if f.plugin == "biodiversity"] == []
    assert catalog.domains.owners("biodiversity") == ("biodiversity",)
    assert catalog.caption_converters.owners("taxon") == ("biodiversity",)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'PIL', 'torch', 'skimage', 'sklearn', 'pandas'}"
    code = f"import sys, fieldguide_biodiversity.plugin; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_fish_are_classified_as_fish_only_when_the_modality_is_named(domain: DomainSpec) -> None:
    by_name = {modality.name: modality for modality in domain.modalities}
    assert by_name["organism_photo"].fits_by_suffix
    assert not by_name["underwater_fish"].fits_by_suffix


def test_every_template_has_one_place_for_the_label(domain: DomainSpec) -> None:
    for modality in domain.modalities:
        assert [t for t in modality.templates if t.count("{}") != 1] == []


def test_the_plugin_keeps_the_rules_for_plugins() -> None:
    assert check_plugin(plugin) == []


def test_every_caption_converter_and_format_of_annotations_loads() -> None:
    by_name = {spec.name: spec.load() for spec in plugin.register_caption_converters()}
    assert by_name["taxon"]({"genus": "Pica", "species": "pica"}) == ("a photo of Pica pica.",)
    assert all(map(callable, by_name.values()))
    assert all(callable(spec.load()) for spec in plugin.register_methods())


def test_the_registry_is_valid_and_names_a_modality_of_the_domain(domain: DomainSpec) -> None:
    registry = read_resource(domain.registry, "biodiversity")
    names = {record.name for record in registry.datasets}
    assert names >= {"fish4knowledge", "inquire_fullrank", "inquire_rerank"}
    offered = {modality.name for modality in domain.modalities}
    assert {record.modality for record in registry.datasets} <= offered


def test_the_class_set_has_23_labels_named_first_by_themselves(class_set: ClassSet) -> None:
    assert len(class_set.labels) == 23
    assert [entry.names[0] for entry in class_set.classes] == list(class_set.labels)
    names = [name for entry in class_set.classes for name in entry.names]
    assert len(set(names)) == len(names)


@pytest.mark.shared_data
def test_the_class_set_has_the_labels_of_the_data(shared_data: Path, class_set: ClassSet) -> None:
    rows = _fish_rows(shared_data)
    assert set(class_set.labels) == {row["label"] for row in rows}


@pytest.mark.shared_data
def test_the_registry_counts_the_splits_of_the_data(shared_data: Path, domain: DomainSpec) -> None:
    record = read_resource(domain.registry, "biodiversity").datasets[0]
    rows = _fish_rows(shared_data)
    assert record.splits == Counter(row["split"] for row in rows)
    assert record.classes == len({row["label"] for row in rows})


def _fish_rows(shared_data: Path) -> list[dict[str, str]]:
    path = shared_data / "biodiversity" / "fish4knowledge" / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
