"""Salted ids: HMAC-SHA256 of what must not be shown (RFC 2104), the same in every run."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

DIGITS = 16
"""Hexadecimal, 64 bits: among a million files two agree with a chance of 3e-8; that is refused."""
_ITEM = re.compile(rf"item-[0-9a-f]{{{DIGITS}}}")


def item_id(salt: bytes, text: str) -> str:
    """Return the id of a file, by its absolute path, or of what a manifest calls its id."""
    return f"item-{_digest(salt, text)}"


def value_id(salt: bytes, value: object) -> str:
    """Return what stands for a value of a manifest: equal values stay equal."""
    return f"value-{_digest(salt, f'value:{value}')}"


def is_item_id(text: str) -> bool:
    """Return whether a text is an id of :func:`item_id`.

    >>> is_item_id("item-0123456789abcdef"), is_item_id("item-1.png")
    (True, False)
    """
    return _ITEM.fullmatch(text) is not None


def real_path(path: Path) -> str:
    """Return the absolute path with links resolved; what cannot be resolved stays as written."""
    try:
        return Path(os.path.realpath(path)).as_posix()
    except (OSError, ValueError):  # a name that no file can have
        return path.as_posix()


def _digest(salt: bytes, text: str) -> str:
    message = text.encode("utf-8", "surrogateescape")
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:DIGITS]
