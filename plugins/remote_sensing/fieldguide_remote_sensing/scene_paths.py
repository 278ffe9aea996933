"""Paths that the files of a scene name: only plain files inside the scene's own folder."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from fieldguide.data.files import read_bounded
from fieldguide.errors import ContractError, LoadError

MAX_BYTES = 16 * 2**20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_address(href: str) -> bool:
    """Return whether a text is an address or a place inside of GDAL, and not a path.

    >>> is_address("https://example.org/B04.tif"), is_address("./B04.tif")
    (True, False)
    """
    text = href.strip()
    return bool(_SCHEME.match(text)) or text.startswith(("//", "/vsi"))


def local_file(folder: Path, href: str, what: str) -> Path:
    """Return the file that a scene's own file names.

    Paths are compared as they are written; a link inside the folder may lead out of it.

    Args:
        folder: the scene's own, absolute.
        href: relative to the folder, as whoever made the scene wrote it.
        what: the thing it is of, for the message.

    Raises:
        ContractError: it is an address, or leads out of the folder.
    """
    text = href.strip()
    if is_address(text):
        raise ContractError(
            f"{what} is at {text[:80]!r}, not on this machine, and nothing is downloaded. Fetch it "
            "yourself, put it beside the item and write its relative path into it."
        )
    if not text or any(ord(character) < 32 for character in text):
        raise ContractError(f"{what} names no file: {text[:80]!r}. Correct the item.")
    path = Path(os.path.normpath(folder / text))
    if not path.is_relative_to(folder):
        raise ContractError(
            f"{what} is at {text[:80]!r}, outside the scene's own folder. Copy the file into it."
        )
    return path


def read_text(path: Path) -> str:
    """Return the text of a scene's metadata file.

    Raises:
        LoadError: it cannot be read, is too large or is not UTF-8.
    """
    try:
        return read_bounded(path, MAX_BYTES).decode("utf-8-sig")
    except LoadError as error:
        raise LoadError(f"its file {path.name}: {error}") from error
    except UnicodeDecodeError as error:
        raise LoadError(f"its file {path.name} is not UTF-8 text. Copy it again.") from error


def finite(value: object) -> float:
    """Return a number of a scene's metadata, given as a number or as text.

    Raises:
        ValueError: it is no number, not finite, or larger than any product has.
    """
    number = float(value) if isinstance(value, int | float | str) else math.nan
    if not abs(number) < 1e12:  # also for NaN
        raise ValueError(f"{value!r} is not a number that a product can have")
    return number
