"""The folder of an adapter: tensors, a record with the SHA-256 of every file, card and pictures.

``adapter.safetensors`` holds tensors only; ``adapter.json`` the :class:`AdapterConfig` and the
SHA-256 of every other file. It is written last, so that a folder whose writing was cut is seen to
be none. What is read is hashed first, and what was hashed is what is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from fieldguide.data.files import atomic_path, exists, is_folder, unwritten
from fieldguide.errors import AdapterError, UnknownNameError
from fieldguide.models.weights import locate
from fieldguide.specs import list_faults
from fieldguide.tuning.adapter import FORMAT, Adapter, AdapterConfig, Probe, tensors_of
from fieldguide.tuning.adapter_sources import (
    GET_AGAIN,
    FolderSource,
    Source,
    ZipSource,
    is_plain_name,
)
from fieldguide.tuning.changes import Change, LowRank, Offset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from fieldguide.plugins import Catalog

TENSORS = "adapter.safetensors"
RECORD = "adapter.json"
ZIP_SUFFIX = ".zip"
BESIDE = (".md", ".png", ".json", ".jsonl", ".txt")
"""Endings of what belongs to an adapter beside its tensors: card, pictures, history, licence."""

MAX_RECORD_BYTES = 16 * 2**20
MAX_BESIDE_BYTES = 64 * 2**20
_DATE = (1980, 1, 1, 0, 0, 0)  # of every member: the same adapter gives the same archive


def save_adapter(adapter: Adapter, folder: str | Path) -> Path:
    """Write an adapter into a folder, with the SHA-256 of what else lies there: card, pictures.

    A folder that is not there yet appears whole or not at all; in one that is, the record comes
    last. Write the card first: a file that changes later is found to be changed.

    Raises:
        AdapterError: a figure or setting of its record is no plain JSON.
        StoreError: the folder cannot be written.
    """
    folder = Path(folder).absolute()
    if is_folder(folder):
        _write(adapter, folder)
        return folder
    draft = folder.parent / f".{folder.name}.tmp-{os.getpid()}"
    try:
        draft.mkdir(parents=True)
        _write(adapter, draft)
        draft.rename(folder)
    except OSError as error:
        raise unwritten(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def load_adapter(name: str | Path, catalog: Catalog | None = None) -> Adapter:
    """Read an adapter, its hashes checked, on the CPU.

    Args:
        name: a registered adapter, a folder or a zip archive; ``./NAME`` is a folder for sure.
        catalog: whose registry knows adapters; None for paths alone.

    Raises:
        UnknownNameError: there is none of that name.
        AdapterError: it is damaged, hostile or of another format.
        WeightsError: a registered one is missing or changed.
    """
    adapter = read_adapter(find_source(name, catalog))
    place = str(name) if catalog is not None and is_registered(name, catalog) else _absolute(name)
    return replace(adapter, place=place)


def find_source(name: str | Path, catalog: Catalog | None = None) -> Source:
    """Return where the files of a named adapter are; see :func:`load_adapter`."""
    records = () if catalog is None else catalog.registry.adapters
    for record in records:
        if record.name == str(name):
            return _checked(locate(record.weights, record), record.weights.sha256)
    path = Path(name).expanduser()
    if is_folder(path) and exists(path / RECORD):
        return FolderSource(path)
    if is_folder(path):
        raise AdapterError(
            f"{path} has no {RECORD}: it is no adapter, or writing it was cut. Name a folder that "
            "'fieldguide tune' wrote; 'fieldguide adapters' lists the installed ones."
        )
    if exists(path):
        return _of_file(path)
    known = ", ".join(record.name for record in records) or "none is installed"
    raise UnknownNameError(
        f"No adapter is named {str(name)!r}, and no folder or .zip. There are: {known}.\n"
        "Run 'fieldguide adapters'."
    )


def read_adapter(source: Source) -> Adapter:
    """Read an adapter from its files, each compared with its SHA-256.

    Raises:
        AdapterError: it is damaged, hostile or of another format.
    """
    config, files, labels = read_record(source)
    for name, expected in files.items():
        if name != TENSORS:
            _matching(source, name, expected, MAX_BESIDE_BYTES)
    if TENSORS not in files:
        raise AdapterError(f"{source.place}: {RECORD} names no {TENSORS}. {GET_AGAIN}")
    content = _matching(source, TENSORS, files[TENSORS])
    changes, probe = _parts(source, _tensors(source, content), labels)
    if set(changes) != set(config.parameters):
        raise AdapterError(
            f"{source.place} changes other parameters than {RECORD} names: {TENSORS} belongs to "
            f"another adapter. {GET_AGAIN}"
        )
    return Adapter(config, changes, probe)


def read_record(source: Source) -> tuple[AdapterConfig, dict[str, str], tuple[str, ...]]:
    """Return the record, the SHA-256 of each file, and the labels of a probe; () for no probe.

    Raises:
        AdapterError: it cannot be read, or is of another format.
    """
    try:
        content = json.loads(source.read(RECORD, MAX_RECORD_BYTES).decode("utf-8"))
        found = content["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AdapterError(f"{source.place}: {RECORD} cannot be read. {GET_AGAIN}") from error
    if found != FORMAT:
        raise AdapterError(
            f"{source.place} has the format {str(found)[:20]} of adapters, and this fieldguide "
            f"reads {FORMAT}. Run: pip install --upgrade fieldguide"
        )
    try:
        config = AdapterConfig.model_validate(content["config"])
        files = {str(name): str(digest) for name, digest in content["files"].items()}
        labels = tuple(map(str, content.get("labels", ())))
    except ValidationError as error:
        raise AdapterError(
            f"{source.place}: {RECORD} is not valid: {list_faults(error)}. {GET_AGAIN}"
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise AdapterError(f"{source.place}: {RECORD} is not complete. {GET_AGAIN}") from error
    return config, files, labels


def export_adapter(name: str | Path, output: Path, catalog: Catalog | None = None) -> Path:
    """Write a checked adapter to a zip archive or a folder; a zip becomes a folder, and back.

    Raises:
        AdapterError: the adapter is damaged, or there is something at the output.
        StoreError: the output cannot be written.
    """
    source = find_source(name, catalog)
    read_adapter(source)
    names = (*read_record(source)[1], RECORD)  # nothing else goes along
    if exists(output):
        raise AdapterError(f"{output} exists. Name another --output.")
    if output.suffix.lower() == ZIP_SUFFIX:
        _write_zip(source, names, output)
    else:
        _copy(source, names, output)
    return output


def is_registered(name: str | Path, catalog: Catalog) -> bool:
    """Return whether a registry knows an adapter of that name."""
    return any(record.name == str(name) for record in catalog.registry.adapters)


def _absolute(name: str | Path) -> str:
    return str(Path(name).expanduser().resolve())


def _write(adapter: Adapter, folder: Path) -> None:
    parameters = tuple(sorted(adapter.changes))
    config = adapter.config.model_copy(update={"parameters": parameters})
    tensors = {
        name: tensor.detach().float().cpu().contiguous().clone()
        for name, tensor in tensors_of(adapter).items()
    }
    with atomic_path(folder / TENSORS) as temporary:
        save_file(tensors, temporary)
    files = {name: _digest((folder / name).read_bytes()) for name in _belonging(folder)}
    labels = {} if adapter.classifier is None else {"labels": adapter.classifier.labels}
    content = {"format": FORMAT, "config": config.model_dump(), "files": files, **labels}
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AdapterError(
            f"The record of {config.name!r} cannot be written as JSON: {error}. A figure that is "
            "not finite says that the training went wrong."
        ) from error
    with atomic_path(folder / RECORD) as temporary:
        temporary.write_text(text, "utf-8")


def _belonging(folder: Path) -> list[str]:
    """Return the names of the files at the top of a folder that are part of the adapter."""
    found = []
    for path in sorted(folder.iterdir()):
        known = path.suffix in BESIDE or path.name == TENSORS or path.name.startswith("LICENSE")
        if known and path.name != RECORD and path.is_file() and is_plain_name(path.name):
            found.append(path.name)
    return found


def _of_file(path: Path) -> Source:
    if path.name in (RECORD, TENSORS):
        return FolderSource(path.parent)
    if path.suffix.lower() == ZIP_SUFFIX:
        return ZipSource(path)
    raise AdapterError(
        f"{path} is no adapter. Name the folder that 'fieldguide tune' wrote, or a .zip of "
        "'fieldguide adapters export'."
    )


def _checked(path: Path, expected: str | None) -> Source:
    """Return a registered adapter's files; the registry's digest is of its record or archive."""
    content = path.read_bytes()
    if expected is not None and _digest(content) != expected:
        raise AdapterError(
            f"{path} has SHA-256 {_digest(content)[:12]}... where the registry says "
            f"{expected[:12]}.... Run: pip install --force-reinstall fieldguide, or correct the "
            "sha256 in your registry."
        )
    return _of_file(path)


def _matching(source: Source, name: str, expected: str, max_bytes: int | None = None) -> bytes:
    content = source.read(name) if max_bytes is None else source.read(name, max_bytes)
    if _digest(content) != expected:
        raise AdapterError(
            f"{source.place}: {name} is not the file that was saved (SHA-256 "
            f"{_digest(content)[:12]}..., expected {expected[:12]}...). {GET_AGAIN}"
        )
    return content


def _tensors(source: Source, content: bytes) -> Mapping[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise AdapterError(f"{source.place}: {TENSORS} cannot be read. {GET_AGAIN}") from error
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or not torch.isfinite(tensor).all():
            raise AdapterError(
                f"{source.place}: {name} holds numbers that are not finite or not float32. The "
                "training went wrong: train again, with a lower --learning-rate."
            )
    return tensors


def _parts(
    source: Source, tensors: Mapping[str, Tensor], labels: tuple[str, ...]
) -> tuple[dict[str, Change], Probe | None]:
    """Return the changes and the classifier that the tensors of a file make."""
    left = dict(tensors)
    changes: dict[str, Change] = {}
    probe = None
    try:
        if labels:
            probe = Probe(labels, left.pop("classifier/weights"), left.pop("classifier/bias"))
        for name in [name for name in left if name.endswith("/offset")]:
            changes[name.removesuffix("/offset")] = Offset(left.pop(name))
        for name in [name for name in left if name.endswith("/low_rank_a")]:
            base = name.removesuffix("/low_rank_a")
            changes[base] = LowRank(left.pop(name), left.pop(f"{base}/low_rank_b"))
    except KeyError as error:
        raise AdapterError(f"{source.place}: {TENSORS} lacks {error}. {GET_AGAIN}") from error
    if left:
        raise AdapterError(f"{source.place}: {TENSORS} holds {min(left)[:80]!r}. {GET_AGAIN}")
    return changes, probe


def _write_zip(source: Source, names: tuple[str, ...], output: Path) -> None:
    with atomic_path(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, _DATE)
            member.external_attr = 0o644 << 16
            packed = zipfile.ZIP_STORED if name == TENSORS else zipfile.ZIP_DEFLATED
            archive.writestr(member, source.read(name), compress_type=packed)


def _copy(source: Source, names: tuple[str, ...], output: Path) -> None:
    for name in names:  # the record comes last
        with atomic_path(output / name) as temporary:
            temporary.write_bytes(source.read(name))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
