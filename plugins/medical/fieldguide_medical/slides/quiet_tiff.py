"""Silence for tifffile, whose log and warnings quote what damaged files hold."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fieldguide.data.quiet import quiet_library

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet_tiff() -> Iterator[None]:
    """Hide tifffile's log and warnings; from any thread."""
    log = logging.getLogger("tifffile")

    def nothing(_: logging.LogRecord) -> bool:
        return False  # a function of this call alone, so that another thread's stays

    log.addFilter(nothing)
    try:
        with quiet_library("tifffile"):
            yield
    finally:
        log.removeFilter(nothing)
