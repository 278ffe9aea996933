"""Keeps what a probe measured, so that the same job on the same machine decides the same way.

Times that were taken while other processes had the cores are used once and not kept: a decision
for bfloat16 or against it would outlast the load that it came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import atomic_path
from fieldguide.errors import StoreError
from fieldguide.models.probing import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

BUSY_LOAD = 1.25
"""Processes that want to run, for each core: one job of our own is about 1."""


def measured_once(
    facts: Mapping[str, Any], measure: Callable[[], Comparison], folder: Path | None
) -> Comparison:
    """Return what was measured before under the same facts, or measure now and keep it.

    Args:
        facts: everything that may change the outcome: model, machine, versions, threads.
        measure: takes a moment.
        folder: where outcomes are kept; None keeps nothing, and so does a busy machine.
    """
    path = None if folder is None else folder / f"{facts_digest(facts)}.json"
    kept = None if path is None else _read(path, facts)
    if kept is not None:
        return kept
    is_quiet = not is_busy()  # asked before: the probe itself is a load
    found = measure()
    if path is not None and is_quiet:
        content = {"facts": facts, "found": asdict(found)}
        # a cache that cannot be written costs time only
        with contextlib.suppress(StoreError), atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2), "utf-8")
    return found


def is_busy() -> bool:
    """Return whether more processes than there are cores wanted to run in the last minute.

    The load is that of the whole machine, so a share of it is judged by all its cores.
    """
    if not hasattr(os, "getloadavg"):  # Windows
        return False
    return os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)


def facts_digest(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of some facts, whatever their order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _read(path: Path, facts: Mapping[str, Any]) -> Comparison | None:
    """Return what a file holds; None when there is none, or it is damaged or of other facts."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["facts"] != facts:
            return None
        found = {field.name: float(content["found"][field.name]) for field in fields(Comparison)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.debug("%s is measured again: %s", path, error)
        return None
    return Comparison(**found)
