"""Plugins, extras, registry files, and whether the default models can be loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fieldguide.doctor.checks import Check
from fieldguide.doctor.software import extra_checks, installed_version
from fieldguide.errors import FieldguideError, RegistryError
from fieldguide.models.weights import weight_paths
from fieldguide.plugins import CORE, DISABLE_VARIABLE, Catalog, get_catalog
from fieldguide.registry import USER_VARIABLE, PackageFile, user_registry_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.plugins import PluginInfo
    from fieldguide.registry import ModelRecord

RESEARCH_VARIABLE = "FIELDGUIDE_RESEARCH_WEIGHTS"


def read_catalog() -> tuple[Catalog | None, str]:
    """Return the catalogue, or None and why its registry files cannot be used."""
    try:
        return get_catalog(), ""
    except RegistryError as error:
        return None, str(error)


def plugin_checks(catalog: Catalog | None, trouble: str) -> Iterator[Check]:
    """Yield the registry files, each plugin and each extra."""
    yield registry_check(trouble)
    if catalog is not None:
        yield Check(CORE, "ok", f"{len(catalog.registry.models)} models known")
        yield from (plugin_check(info) for info in catalog.plugins if info.state != "failed")
        for failure in catalog.failures:
            yield Check(f"plugin {failure.plugin}", "fail", failure.reason,
                        failure.advice.removeprefix("Run: "))  # fmt: skip
        for problem in (line for offers in catalog.kinds() for line in offers.problems()):
            yield Check("doubled name", "warn", problem, "fieldguide plugins, to see both")
    yield from extra_checks()


def plugin_check(info: PluginInfo) -> Check:
    """Return whether a plugin that did not fail is switched on and complete."""
    name, found = f"plugin {info.name}", f"{info.distribution} {info.version}"
    if info.state == "disabled":
        return Check(name, "optional", f"{found}, switched off by {DISABLE_VARIABLE}",
                     f"unset {DISABLE_VARIABLE}")  # fmt: skip
    if info.pip_lines:
        return Check(name, "optional", f"{found}, not complete", "; ".join(info.pip_lines))
    return Check(name, "ok", found)


def registry_check(trouble: str) -> Check:
    """Return whether the user has a registry and whether it can be used."""
    path = user_registry_path()
    named = f"{path} ({USER_VARIABLE})" if os.environ.get(USER_VARIABLE) else str(path)
    if trouble:
        line = f"edit {path}" if path.exists() else f"unset {USER_VARIABLE}"
        return Check("your registry", "fail", " ".join(trouble.split()), line)
    if path.exists():
        return Check("your registry", "ok", f"{named}, over those of the core and the plugins")
    return Check("your registry", "ok", f"none at {named}")


def model_checks(catalog: Catalog | None) -> Iterator[Check]:
    """Yield, for each modality, whether its default model can be loaded: files and checksums."""
    if catalog is None:
        return
    states: dict[str, Check] = {}
    for domain in catalog.domains.usable():
        for modality in domain.modalities:
            defaults = catalog.registry.defaults
            model = defaults.get(modality.name) or defaults.get(modality.broader or "")
            name = f"{domain.name}: {modality.name}"
            if model is None:
                yield Check(name, "optional", "no model of its own",
                            "--model NAME_OR_FOLDER; fieldguide models lists them")  # fmt: skip
                continue
            if model not in states:
                states[model] = model_check(catalog.registry.model(model), catalog)
            state = states[model]
            yield Check(name, state.status, state.found, state.fix)


def model_check(record: ModelRecord, catalog: Catalog) -> Check:
    """Return whether a model's files are there and are those that the registry names."""
    name = record.name
    if record.research_only and os.environ.get(RESEARCH_VARIABLE) == "refuse":
        return Check(name, "optional", f"{name}: refused, its weights are for research use only",
                     f"unset {RESEARCH_VARIABLE}, or --model NAME_OR_FOLDER")  # fmt: skip
    if record.availability != "ready":  # the files of a hub are the hub's own matter
        return Check(name, "ok", f"{name}: downloaded at first use")
    try:
        _ = catalog.models[record.architecture]
        weight_paths(record)
    except FieldguideError as error:
        found, _, fix = str(error).rpartition("Run: ")
        return Check(name, "optional" if lacks_package(record) else "fail",
                     f"{name}: {(found or str(error)).strip()}",
                     fix or "fieldguide models, to see what there is")  # fmt: skip
    return Check(name, "ok", f"{name}: files and checksums are right")


def lacks_package(record: ModelRecord) -> bool:
    """Return whether a package that brings weights of this model is not installed at all."""
    packages = [w.package for w in record.files.values() if isinstance(w, PackageFile)]
    return any(installed_version(package) is None for package in packages)
