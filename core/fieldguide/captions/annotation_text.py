"""What annotation files of all formats share: bounded text, JSON and numbers, and one error."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.captions.boxes import AnnotatedImage, Annotations

MAX_BYTES = 2**30


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of an annotation file.

    Raises:
        LoadError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        return read_bounded(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LoadError(f"not UTF-8 text ({error.reason}). Save it as UTF-8.") from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        LoadError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # a number of too many digits, a deep nest
        raise LoadError(f"not JSON: {error}. Export it again.") from error


def is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def number(value: Any, what: str) -> float:
    """Return a finite number, from a number or from text.

    Raises:
        LoadError: it is none.
    """
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found = float(value)
            if math.isfinite(found):
                return found
    except (ValueError, OverflowError):
        pass
    raise LoadError(f"its {what} is {str(value)[:40]!r}, no number. Correct it.")


def whole_number(value: Any, what: str) -> int:
    """Return a whole number, from a number or from text.

    Raises:
        LoadError: it is none.
    """
    found = number(value, what)
    if found != int(found):
        raise LoadError(f"its {what} is {found:g}, no whole number. Correct it.")
    return int(found)


def take(into: Annotations, source: str, read: Callable[[], AnnotatedImage]) -> None:
    """Add an image to those that can be used, or its reason to those that cannot."""
    try:
        into.images.append(read())
    except LoadError as error:
        into.skipped.append((source, str(error)))
