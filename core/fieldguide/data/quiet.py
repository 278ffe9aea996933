"""Hides a library's warnings while any thread reads with it; what matters is raised as an error.

``warnings.catch_warnings`` alone is not for threads: where two overlap, the one that leaves last
puts back the filters of the other, for the rest of the process.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_outer = contextlib.ExitStack()
_readers = 0


@contextlib.contextmanager
def quiet_library(module: str = "", category: type[Warning] = Warning) -> Iterator[None]:
    """Ignore some warnings until the last thread that reads has left.

    Args:
        module: pattern of the modules whose warnings are hidden; empty for all.
        category: only warnings of this kind.
    """
    global _readers
    with _lock:
        if _readers == 0:
            _outer.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", category=category, module=module)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _outer.close()
