"""Where fieldguide keeps what can be made again: text embeddings, probe results, converted models.

``FIELDGUIDE_CACHE`` names the folder, else it is ``$XDG_CACHE_HOME/fieldguide``, else
``~/.cache/fieldguide`` (XDG Base Directory Specification 0.8). ``FIELDGUIDE_CACHE=off`` keeps
nothing. Everything in it may be deleted at any time.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "FIELDGUIDE_CACHE"
OFF = "off"
NOWHERE = Path(os.devnull) / "fieldguide"
"""A folder that can never be made: the cache is off, or the user has no home."""


def cache_folder() -> Path:
    """Return the cache folder, which need not exist; ``NOWHERE`` when there can be none."""
    named = os.environ.get(CACHE_VARIABLE)
    if named == OFF:
        return NOWHERE
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        if named:
            return Path(named).expanduser().absolute()
        # the specification: a relative path is to be ignored
        return (base if base.is_absolute() else Path.home() / ".cache") / "fieldguide"
    except (RuntimeError, OSError):  # no HOME and no entry for this user; no working folder
        return NOWHERE


def cache_subfolder(name: str) -> Path | None:
    """Return a folder of the cache, made; None when it cannot be written.

    A cache that cannot be written is no error: the reason is logged once, at debug level.

    Args:
        name: one path component, such as "texts" or "probes".
    """
    folder = cache_folder() / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        _say_once(folder, error.strerror or str(error))
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        _say_once(folder, "not writable")
        return None
    return folder


@functools.cache
def _say_once(folder: Path, reason: str) -> None:
    logger.debug("nothing is kept in %s: %s", folder, reason)
