"""Names of taxa, labels and files as names of folders and files, wherever they came from."""

from __future__ import annotations

import re

MAX_BYTES = 120
"""Of one name: file systems take 255, and a suffix may follow."""
UNNAMED = "unnamed"

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]+')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that no file can have on Windows."""


def safe_name(text: str) -> str:
    r"""Return a text as one name that stays in its folder on every system.

    >>> [safe_name(t) for t in ("Turdus merula", "../../etc", "a/b\\c", " .. ", "CON", "_sure")]
    ['Turdus merula', 'etc', 'a_b_c', 'unnamed', '-CON', 'sure']
    """
    name = _UNSAFE.sub("_", text.encode("utf-8", "replace").decode())
    name = name.strip(" ._")
    name = name.encode()[:MAX_BYTES].decode("utf-8", "ignore").rstrip(" .") or UNNAMED
    return f"-{name}" if _DEVICES.fullmatch(name) else name
