"""Files of public data sets: how they are found, read, and told of where they are not whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists, is_folder, read_bounded
from fieldguide.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMED = 5
"""How many folders or files an error names."""


def find_beside(
    root: Path, files: Sequence[str], folders: Sequence[str], title: str, dataset: str
) -> tuple[Path, Path]:
    """Return the file and the folder of a data set that are there.

    Args:
        root: the folder that the user named.
        files: names of the one, the usual one first.
        folders: names of the other, likewise.
        title: of the data set.
        dataset: its name in the registry.

    Raises:
        UsageError: one of them is not there.
    """
    file = next((root / name for name in files if exists(root / name)), None)
    folder = next((root / name for name in folders if is_folder(root / name)), None)
    if file is None or folder is None:
        expected = f"{files[0]} beside the folder {folders[0]}/"
        raise UsageError(absent(root, title, expected, dataset))
    return file, folder


def read_json(file: Path, max_bytes: int) -> Any:
    """Return what a published JSON file holds.

    Raises:
        UsageError: it cannot be read, is larger than it can be, or is not JSON.
    """
    try:
        return json.loads(read_bounded(file, max_bytes).decode("utf-8-sig"))
    except LoadError as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON: {error}. Get the published file again.") from error


def absent(root: Path, title: str, expected: str, dataset: str) -> str:
    """Return what to say of a folder that holds nothing of a data set.

    Args:
        root: the folder.
        title: of the data set.
        expected: what should be there.
        dataset: its name in the registry.
    """
    if not is_folder(root):
        found = "it is no folder"
    else:
        names = sorted(names_in(root))
        found = f"it holds {_some(names)}" if names else "it is empty"
    return (
        f"{root} holds no copy of {title}: {found}; expected is {expected}. How to get it: "
        f"fieldguide benchmark {dataset} --how-to-get"
    )


def incomplete(
    root: Path, title: str, found: str, missing: Sequence[str] = (), *, more: bool = False
) -> str:
    """Return what to say of a data set that is not as it was published.

    Args:
        root: the folder.
        title: of the data set.
        found: how much is there.
        missing: names of what is not, of which some are told.
        more: there are images that the published set does not have.
    """
    if missing:
        found += f" ({_some(missing)} not there)"
    if more:
        return f"{root} is not {title} as it was published: {found}. Remove what was added."
    return (
        f"{root} is a part of {title}: {found}. Get the rest, or measure on the part, which is "
        "then named as such: --subset"
    )


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder; none where it cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except (OSError, ValueError):
        return []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")
