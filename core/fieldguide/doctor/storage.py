"""Cache folders and free space: what is kept where, and whether the next model would fit."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.data.cache import CACHE_VARIABLE, NOWHERE, OFF, cache_folder
from fieldguide.doctor.checks import Check, size_text
from fieldguide.models.text_store import FILE_NAME, MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.plugins import Catalog

HUB_VARIABLES = {
    "HF_HUB_CACHE": "",
    "HUGGINGFACE_HUB_CACHE": "",
    "HF_HOME": "hub",
    "XDG_CACHE_HOME": "huggingface/hub",
}
"""Where the hub's cache lies in the folder that each variable names; the first that is set."""

MOST_FILES = 100_000
"""A folder with more is not counted to its end: the doctor is to be quick."""


def storage_checks(catalog: Catalog | None) -> Iterator[Check]:
    """Yield the caches and the free space where models and temporary files go."""
    yield from cache_checks()
    hub = hub_cache()
    if hub is None:
        yield Check("hub's cache", "warn", "there is no home folder for it",
                    "export HF_HOME=FOLDER")  # fmt: skip
    else:
        yield _folder("hub's cache", hub, "export HF_HOME=FOLDER")
    largest_name, largest_bytes = largest_model(catalog)
    places = {"temporary files": temporary_folder(), "hub's cache": hub}
    places["fieldguide's cache"] = None if cache_folder() == NOWHERE else cache_folder()
    for name, place in places.items():
        if place is not None:
            yield free_space(f"free for {name}", place, largest_name, largest_bytes)
    if places["temporary files"] is None:
        yield Check("temporary files", "fail", "no folder for them can be written",
                    "export TMPDIR=FOLDER")  # fmt: skip


def cache_checks() -> Iterator[Check]:
    """Yield fieldguide's own cache and what its text embeddings take."""
    folder = cache_folder()
    if os.environ.get(CACHE_VARIABLE) == OFF:
        yield Check("fieldguide's cache", "ok", f"switched off by {CACHE_VARIABLE}={OFF}")
        return
    if folder == NOWHERE:
        yield Check("fieldguide's cache", "warn", "there is no home folder for it",
                    f"export {CACHE_VARIABLE}=FOLDER")  # fmt: skip
        return
    yield _folder("fieldguide's cache", folder, f"export {CACHE_VARIABLE}=FOLDER")
    texts = folder / "texts" / FILE_NAME
    with contextlib.suppress(OSError):
        size = size_text(texts.stat().st_size)
        yield Check("text embeddings", "ok", f"{size} of at most {size_text(MAX_BYTES)}")


def hub_cache() -> Path | None:
    """Return where the Hugging Face hub's files go (its documentation, "Environment variables")."""
    try:
        for name, inside in HUB_VARIABLES.items():
            if named := os.environ.get(name):
                return Path(named).expanduser() / inside
        return Path.home() / ".cache" / "huggingface" / "hub"
    except RuntimeError:  # no HOME and no entry for this user
        return None


def temporary_folder() -> Path | None:
    """Return where temporary files go, or None when no folder for them can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def largest_model(catalog: Catalog | None) -> tuple[str, int]:
    """Return the name and download size of the registry's largest model; ("", 0) if unknown."""
    records = catalog.registry.models if catalog is not None else ()
    sizes = [(record.size_bytes or 0, record.name) for record in records if not record.unsupported]
    size, name = max(sizes, default=(0, ""))
    return (name, size) if size else ("", 0)


def free_space(name: str, place: Path, model: str, needed_bytes: int) -> Check:
    """Return whether the largest model would fit where its files would go."""
    try:
        free = shutil.disk_usage(existing_parent(place)).free
    except OSError as error:
        return Check(name, "warn", f"{place}: {error.strerror or error}", f"ls -ld {place}")
    found = f"{size_text(free)} at {place}"
    if free < needed_bytes:
        return Check(name, "warn", f"{found}; {model} alone takes {size_text(needed_bytes)}",
                     f"df -h {existing_parent(place)}, and remove what is not needed")  # fmt: skip
    return Check(name, "ok", found)


def existing_parent(path: Path) -> Path:
    """Return the folder itself or the nearest one above it that exists."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            if folder.is_dir():
                return folder
    return Path(path.anchor or ".")


def folder_bytes(folder: Path) -> tuple[int, bool]:
    """Return how much the files of a folder take, and whether all of them were counted.

    Links are not followed: the hub's cache links each file from every revision that has it.
    """
    total = seen = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            seen += 1
            if seen > MOST_FILES:
                return total, False
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total, True


def _folder(name: str, folder: Path, fix: str) -> Check:
    there = existing_parent(folder)
    if not os.access(there, os.W_OK | os.X_OK) or (there != folder and folder.exists()):
        return Check(name, "warn", f"{folder} cannot be written", fix)
    if there != folder:
        return Check(name, "ok", f"{folder}, made at first use")
    size, is_all = folder_bytes(folder)
    return Check(name, "ok", f"{folder}, {'' if is_all else 'more than '}{size_text(size)}")
