"""Schema and reader of registry.yaml: checkpoints, data sets and defaults; never code.

Three files overlay each other: the core's, one a plugin (named by its DomainSpec), and the
user's own, ``$FIELDGUIDE_REGISTRY`` or ``~/.config/fieldguide/registry.yaml``. A plugin may not
redefine a name; the user may.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import yaml
from pydantic import Field, ValidationError, ValidationInfo, model_validator

from fieldguide.errors import RegistryError, UnknownNameError
from fieldguide.plain_yaml import load_yaml
from fieldguide.registry_files import (
    CoreFile,
    CoreText,
    HubFile,
    LocalFile,
    PackageFile,
    ResourceFile,
    WeightFile,
)
from fieldguide.registry_records import (
    AdapterRecord,
    ArchitectureRecord,
    DatasetRecord,
    ModelRecord,
    ReferenceRecord,
)
from fieldguide.specs import Name, Record, list_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AdapterRecord",
    "ArchitectureRecord",
    "CoreFile",
    "CoreText",
    "DatasetRecord",
    "HubFile",
    "LocalFile",
    "ModelRecord",
    "PackageFile",
    "ReferenceRecord",
    "Registry",
    "RegistryError",
    "ResourceFile",
    "WeightFile",
    "merge_registries",
    "overlay",
    "parse_registry",
    "read_core_registry",
    "read_resource",
    "user_registry_path",
]

NamedT = TypeVar("NamedT", ModelRecord, AdapterRecord, ArchitectureRecord, DatasetRecord)
RECORD_KINDS = ("models", "adapters", "architectures", "datasets", "results")
CHOICES = ("defaults", "recommended")
USER_VARIABLE = "FIELDGUIDE_REGISTRY"


class Registry(Record):
    """The records of one file, or of several merged.

    Attributes:
        defaults: the model that a modality uses when none is named, by modality.
        recommended: a better model for a modality that has to be downloaded, by modality.
        results: published figures.
    """

    version: Literal[1]
    models: tuple[ModelRecord, ...] = ()
    adapters: tuple[AdapterRecord, ...] = ()
    architectures: tuple[ArchitectureRecord, ...] = ()
    datasets: tuple[DatasetRecord, ...] = ()
    results: tuple[ReferenceRecord, ...] = ()
    defaults: dict[Name, Name] = Field(default={}, description="modality: model")
    recommended: dict[Name, Name] = Field(default={}, description="modality: model")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for label in RECORD_KINDS:
            names = [record.name for record in getattr(self, label)]
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{label} has the same name twice: {', '.join(doubled)}")
        return self

    @model_validator(mode="after")
    def _models_that_are_named_exist(self, info: ValidationInfo) -> Self:
        models = {record.name: record for known in self._known(info) for record in known.models}
        for label in CHOICES:
            for modality, name in getattr(self, label).items():
                _check_choice(label, modality, name, models)
        named = [(f"result {r.name!r} is of", r.model) for r in self.results if r.model is not None]
        named += [(f"adapter {a.name!r} changes", a.base_model) for a in self.adapters]
        for what, name in named:
            if name not in models:
                raise ValueError(f"{what} the model {name!r}; models has {sorted(models)}")
        return self

    @model_validator(mode="after")
    def _datasets_that_are_named_exist(self, info: ValidationInfo) -> Self:
        datasets = {record.name for known in self._known(info) for record in known.datasets}
        trained: tuple[ModelRecord | AdapterRecord, ...] = (*self.models, *self.adapters)
        for record in trained:
            if unknown := set(record.trained_on) - datasets:
                kind = "adapter" if isinstance(record, AdapterRecord) else "model"
                raise ValueError(
                    f"{kind} {record.name!r} is trained_on {sorted(unknown)}; "
                    f"datasets has {sorted(datasets)}"
                )
        return self

    def _known(self, info: ValidationInfo) -> tuple[Registry, ...]:
        """Return this registry and the one that its records may refer to."""
        base: Registry | None = (info.context or {}).get("base")
        return (self,) if base is None else (base, self)

    def model(self, name: str) -> ModelRecord:
        """Return the model record of that name.

        Raises:
            UnknownNameError: there is none; near names are told.
        """
        return _find(self.models, "model", name, "\nRun 'fieldguide models'.")

    def adapter(self, name: str) -> AdapterRecord:
        """Return the adapter record of that name, or raise UnknownNameError."""
        return _find(self.adapters, "adapter", name, "\nRun 'fieldguide adapters'.")

    def architecture(self, name: str) -> ArchitectureRecord:
        """Return the architecture record of that name, or raise UnknownNameError."""
        return _find(self.architectures, "architecture", name)

    def dataset(self, name: str) -> DatasetRecord:
        """Return the data set record of that name, or raise UnknownNameError."""
        return _find(self.datasets, "data set", name)

    def results_of(self, model: str) -> tuple[ReferenceRecord, ...]:
        """Return the published figures of one model record."""
        return tuple(result for result in self.results if result.model == model)

    def with_user_overlay(self) -> Registry:
        """Return this registry with the user's own records on top; same names are replaced."""
        path = user_registry_path()
        try:
            if not path.exists() and not os.environ.get(USER_VARIABLE):
                return self
            return overlay(self, _read(path, str(path), base=self))
        except OSError as error:
            raise RegistryError(
                f"{path} cannot be read: {error.strerror}. Correct or unset {USER_VARIABLE}."
            ) from error
        except ValidationError as error:  # each file is valid; together they are not
            raise RegistryError(
                f"{path} does not fit the records it replaces: {list_faults(error)}. Edit the file."
            ) from error


def _check_choice(label: str, modality: str, name: str, models: Mapping[str, ModelRecord]) -> None:
    """Raise ValueError for a model that is not there, not made for the modality or cannot run."""
    if name not in models:
        raise ValueError(
            f"{label}: {modality!r} names the model {name!r}; models has {sorted(models)}"
        )
    record = models[name]
    if modality not in record.scope:
        raise ValueError(
            f"{label}: the scope of {name!r} is {record.scope}, which does not hold {modality!r}"
        )
    if record.unsupported:
        raise ValueError(f"{label}: {modality!r} names {name!r}, which this release cannot run")


def _find(records: tuple[NamedT, ...], kind: str, name: str, hint: str = "") -> NamedT:
    """Return the record of that name, or raise UnknownNameError with near names."""
    for record in records:
        if record.name == name:
            return record
    raise UnknownNameError(_unknown(kind, name, [record.name for record in records]) + hint)


def _unknown(kind: str, name: str, names: list[str]) -> str:
    """Return what to say of a name that no record has: near names, or all there are."""
    message = f"No {kind} is named {name!r}."
    if close := difflib.get_close_matches(name.lower().replace("-", "_"), names):
        return f"{message} Did you mean {', '.join(map(repr, close))}?"
    return f"{message} There are: {', '.join(names) or 'none'}."


def user_registry_path() -> Path:
    """Return where the user's own registry is looked for."""
    if named := os.environ.get(USER_VARIABLE):
        return Path(named)
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    with contextlib.suppress(RuntimeError):  # no HOME and no entry for this user
        return base.expanduser() / "fieldguide" / "registry.yaml"
    return Path(os.devnull, "registry.yaml")


def read_core_registry() -> Registry:
    """Read the core's registry.yaml: in the package of a wheel, at the top of a checkout."""
    package = Path(str(files("fieldguide")))
    for path in (package / "registry.yaml", package.parents[1] / "registry.yaml"):
        if path.is_file():
            return _read(path, str(path))
    raise RegistryError(
        "registry.yaml is missing from the installation. Run: pip install --force-reinstall "
        "fieldguide"
    )


def read_resource(resource: str, owner: str, base: Registry | None = None) -> Registry:
    """Read a plugin's registry.

    Args:
        resource: ``package:path``.
        owner: the plugin's name.
        base: the core's records, which it may refer to; None reads them.

    Raises:
        RegistryError: it is not valid.
        OSError: it cannot be read.
    """
    package, _, relative = resource.partition(":")
    known = read_core_registry() if base is None else base
    return _read(Path(str(files(package))) / relative, f"{owner}'s {relative}", known)


def merge_registries(base: Registry, added: Registry) -> Registry:
    """Return both; a name in both is a RegistryError."""
    for label in RECORD_KINDS:
        ours = {record.name for record in getattr(base, label)}
        theirs = {record.name for record in getattr(added, label)}
        if both := ours & theirs:
            raise RegistryError(f"its registry redefines {label}: {', '.join(sorted(both))}.")
    for label in CHOICES:
        if both := set(getattr(base, label)) & set(getattr(added, label)):
            raise RegistryError(f"its registry redefines {label}: {', '.join(sorted(both))}.")
    return overlay(base, added)


def overlay(base: Registry, top: Registry) -> Registry:
    """Return both, the top's records in place of the base's with the same name."""
    records: dict[str, Any] = {}
    for label in RECORD_KINDS:
        both = (*getattr(base, label), *getattr(top, label))
        records[label] = tuple({record.name: record for record in both}.values())
    for label in CHOICES:
        records[label] = {**getattr(base, label), **getattr(top, label)}
    return Registry(version=1, **records)


def parse_registry(
    content: Any, where: str, folder: Path, base: Registry | None = None
) -> Registry:
    """Check the content of one file.

    Args:
        content: the parsed YAML.
        where: the file's name for messages.
        folder: the folder against which its relative paths are read.
        base: records that this one may refer to without repeating them.

    Raises:
        RegistryError: the content does not fit the schema; every fault is listed.
    """
    if not isinstance(content, dict):
        raise RegistryError(f"{where} is not a registry: it must start with 'version: 1'.")
    for label in ("models", "adapters"):
        records = content.get(label)
        for record in records if isinstance(records, list) else ():
            if isinstance(record, dict):
                record["origin"] = str(folder)
    try:
        return Registry.model_validate(content, context={"base": base})
    except ValidationError as error:
        raise RegistryError(
            f"{where} is not valid: {list_faults(error)}. Edit the file."
        ) from error


def _read(path: Path, where: str, base: Registry | None = None) -> Registry:
    try:
        content = load_yaml(path)
    except yaml.YAMLError as error:
        raise RegistryError(f"{where} is not YAML: {error}. Edit the file.") from error
    return parse_registry(content, where, path.parent, base)
