"""What the installed registries name in the code of the core and the plugins."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from fieldguide.cli import cli
from fieldguide.cli.options import DomainCommand
from fieldguide.models.load import ANY
from fieldguide.models.weights import resource_text
from fieldguide.plugins import Catalog, build_catalog
from fieldguide.registry import USER_VARIABLE
from fieldguide.zeroshot.class_sets import load_class_set


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Catalog:
    """What is installed, without the user's own records."""
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return build_catalog(disabled=())


def modalities(catalog: Catalog) -> list[str]:
    return [modality.name for spec in catalog.domains.usable() for modality in spec.modalities]


def test_all_plugins_of_the_suite_are_well_and_no_name_is_offered_twice(catalog: Catalog) -> None:
    assert catalog.problems() == ()


def test_no_modality_belongs_to_two_domains(catalog: Catalog) -> None:
    names = modalities(catalog)
    assert sorted(set(names)) == sorted(names)


def test_a_wider_modality_and_the_loaders_of_each_are_offered(catalog: Catalog) -> None:
    for domain in catalog.domains.usable():
        for modality in domain.modalities:
            assert set(modality.loader) <= set(catalog.loaders)
            assert modality.broader in {None, *modalities(catalog)}


def test_every_architecture_is_an_offered_model(catalog: Catalog) -> None:
    wanted = {r.architecture for r in catalog.registry.models if not r.unsupported}
    wanted |= {record.spec for record in catalog.registry.architectures}
    assert wanted <= set(catalog.models)


def test_every_default_and_every_scope_is_an_offered_modality(catalog: Catalog) -> None:
    named = {name for record in catalog.registry.models for name in record.scope}
    chosen = {*catalog.registry.defaults, *catalog.registry.recommended}
    assert named | chosen <= {ANY, *modalities(catalog)}


def test_every_data_set_is_of_an_offered_modality(catalog: Catalog) -> None:
    assert {record.modality for record in catalog.registry.datasets} <= set(modalities(catalog))


def test_every_class_set_can_be_read_under_its_own_name(catalog: Catalog) -> None:
    resources = [path for domain in catalog.domains.usable() for path in domain.class_sets]
    names = [Path(resource.partition(":")[2]).stem for resource in resources]

    assert sorted(set(names)) == sorted(names)
    for name in names:
        assert load_class_set(name, catalog).name == name


def test_every_card_and_licence_lies_where_its_model_says(catalog: Catalog) -> None:
    for record in catalog.registry.models:
        for text in filter(None, (record.card, record.licence_file)):
            assert resource_text(record, text).strip()


def test_every_registry_and_class_set_is_in_the_package_of_its_plugin(catalog: Catalog) -> None:
    for domain in catalog.domains.usable():
        for resource in filter(None, (domain.registry, *domain.class_sets)):
            package, _, relative = resource.partition(":")
            assert files(package).joinpath(relative).is_file()


def test_no_option_of_a_domain_takes_the_place_of_one_of_a_command(catalog: Catalog) -> None:
    own = {
        flag
        for command in cli.commands.values()
        if isinstance(command, DomainCommand)
        for parameter in command.params
        for flag in parameter.opts
    }
    added = {
        f"--{option.name.replace('_', '-')}"
        for domain in catalog.domains.usable()
        for option in domain.options
    }
    assert own
    assert own & added == set()
