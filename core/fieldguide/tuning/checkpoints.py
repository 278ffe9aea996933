"""Checkpoints that a kill at any moment cannot damage, and that say so when something else did.

A checkpoint is a pair of files of one name: the tensors (safetensors), and a JSON with everything
else and the digests of both. The JSON comes last, so a checkpoint is there as a whole or not at
all. Each is written beside, flushed to the disk and renamed, and then the folder is flushed.
Nothing is pickled: reading one runs no code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fieldguide.data.files import atomic_path, read_bounded, remove_leftovers, unwritten
from fieldguide.errors import LoadError, TuningError
from fieldguide.tuning.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

logger = logging.getLogger(__name__)

FORMAT = 1
KEPT = 2
MAX_JSON_BYTES = 256 * 2**20
DRAFT = "newest.safetensors"
NOT_SET = "not set"
_NAME = re.compile(r"step-(\d{10})-[0-9a-f]{16}\.(json|safetensors)")


@dataclass(frozen=True)
class Checkpoint:
    """What a training can go on from.

    Attributes:
        step: optimiser steps done.
        state: as it was given to :func:`save_checkpoint`; tensors on the CPU.
        path: its JSON file.
    """

    step: int
    state: dict[str, Any]
    path: Path


class _DamagedError(Exception):
    """A checkpoint is not what was written."""


def save_checkpoint(
    folder: Path, step: int, state: Mapping[str, Any], settings: Mapping[str, Any]
) -> Path:
    """Write a checkpoint, then remove all but the newest two.

    Only one process may write into a folder.

    Args:
        folder: is made.
        step: optimiser steps done. Checkpoints of later steps are removed: a run that did not end
            left them, and this one went on from before.
        state: nested mappings, lists and tuples of tensors, numbers and texts: the trained tensors,
            the states of the optimiser, schedule and random generators, the best so far.
        settings: of the training, in JSON's types; a checkpoint is used only with equal ones.

    Returns:
        The JSON file.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
        TypeError: the state holds something else.
    """
    packed, tensors = pack(dict(state))
    digest = _write_tensors(folder, tensors)
    stem = f"step-{step:010d}-{digest[:16]}"
    body = _as_json({"format": FORMAT, "step": step, "settings": dict(settings),
                     "tensors_sha256": digest, "state": packed})  # fmt: skip
    content = json.dumps({"sha256": _json_digest(body), "body": body})
    path = folder / f"{stem}.json"
    try:
        (folder / DRAFT).replace(path.with_suffix(".safetensors"))
        _flush(folder)
        with atomic_path(path) as temporary:
            temporary.write_text(content, "utf-8")
        _flush(folder)
    except OSError as error:
        raise unwritten(path, error) from error
    _prune(folder, path, step)
    return path


def latest_checkpoint(folder: Path, settings: Mapping[str, Any]) -> Checkpoint | None:
    """Return the newest whole checkpoint; a damaged one is skipped with a warning.

    Args:
        folder: of :func:`save_checkpoint`; it need not exist.
        settings: of the training that wants to go on.

    Returns:
        None where there is none.

    Raises:
        TuningError: none of those there can be read, or the training had other settings.
    """
    paths = _checkpoints(folder)
    for path in paths:
        try:
            body = _body(path)
            _require_equal(body["settings"], settings, folder)
            return Checkpoint(body["step"], unpack(body["state"], _tensors(path, body)), path)
        except _DamagedError as damage:
            logger.warning("The checkpoint %s is not used: %s.", path, damage)
    if paths:
        raise TuningError(
            f"None of the {len(paths)} checkpoints in {folder} can be read. Remove the folder and "
            "run the command without --resume to begin again."
        )
    return None


def _checkpoints(folder: Path) -> list[Path]:
    """Return the JSON files, newest first."""
    found = [
        (int(match[1]), path.stat().st_mtime_ns, path)
        for path in folder.glob("step-*.json")
        if (match := _NAME.fullmatch(path.name))
    ]
    return [path for _, _, path in sorted(found, reverse=True)]


def _write_tensors(folder: Path, tensors: dict[str, Tensor]) -> str:
    """Write the draft of the tensors' file; return its digest."""
    draft = folder / DRAFT
    remove_leftovers(draft)
    with atomic_path(draft) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:  # it has a type of its own for a full disk
            number = errno.ENOSPC if "No space" in str(error) else errno.EIO
            raise OSError(number, str(error)) from error
    return _file_digest(draft)


def _prune(folder: Path, newest: Path, step: int) -> None:
    """Remove what is later than the newest, older than the two newest, or half a pair."""
    later_or_same = [path for path in _checkpoints(folder) if _step(path) >= step]
    for path in later_or_same:
        if path != newest:
            path.unlink(missing_ok=True)
    for path in _checkpoints(folder)[KEPT:]:
        path.unlink(missing_ok=True)
    kept = {path.stem for path in _checkpoints(folder)}
    for path in folder.glob("step-*.safetensors"):
        if _NAME.fullmatch(path.name) and path.stem not in kept:
            path.unlink(missing_ok=True)
    for path in folder.glob(".step-*.json.tmp-*"):
        path.unlink(missing_ok=True)


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def _body(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bounded(path, MAX_JSON_BYTES))
        body: dict[str, Any] = content["body"]
        is_whole = content["sha256"] == _json_digest(body)
    except (LoadError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _DamagedError("its JSON cannot be read") from error
    if not is_whole:
        raise _DamagedError("its JSON differs from what was written")
    if body["format"] != FORMAT:
        raise TuningError(
            f"{path} has the format {body['format']}, and this version of fieldguide reads "
            f"{FORMAT}. Go on with the version that wrote it."
        )
    return body


def _tensors(path: Path, body: dict[str, Any]) -> dict[str, Tensor]:
    file = path.with_suffix(".safetensors")
    try:
        if _file_digest(file) != body["tensors_sha256"]:
            raise _DamagedError("its tensors differ from what was written")
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise _DamagedError(f"its tensors cannot be read ({error})") from error


def _require_equal(then: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    before, wanted = _flat(then), _flat(_as_json(dict(now)))
    differences = "; ".join(
        f"{name} was {before.get(name, NOT_SET)}, is {wanted.get(name, NOT_SET)}"
        for name in sorted(before | wanted)
        if before.get(name, NOT_SET) != wanted.get(name, NOT_SET)
    )
    if differences:
        raise TuningError(
            f"The training in {folder} had other settings: {differences}. Go on with the settings "
            "it had, or begin another one in another folder."
        )


def _flat(settings: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Return every value as JSON, by its names joined with dots."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{place}{name}.")
        else:
            flat[f"{place}{name}"] = json.dumps(value, sort_keys=True)
    return flat


def _as_json(content: dict[str, Any]) -> dict[str, Any]:
    """Return what reading gives back: tuples are lists, keys are texts."""
    read: dict[str, Any] = json.loads(json.dumps(content))
    return read


def _json_digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    """Make renames in a folder last through a loss of power."""
    with contextlib.suppress(PermissionError):  # Windows does not open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
