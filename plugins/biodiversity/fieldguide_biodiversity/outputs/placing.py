"""Copies or links pictures into folders; what is there is never overwritten."""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fieldguide.errors import LoadError, StoreError, UsageError
from fieldguide_biodiversity.outputs.folder_names import safe_name
from fieldguide_biodiversity.outputs.sorting import FAILED, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide_biodiversity.outputs.sorting import Wish

LOG_NAME = "sorted.csv"
COLUMNS = ("path", "label", "probability", "action", "folder", "file", "why")
KEPT = "kept"
PLANNED = "planned"
HASH_CHARACTERS = 8
LONGEST_HEADER = 1000


class Placing(Protocol):
    """How a picture comes into a folder."""

    done: str
    """What a log calls it."""

    def place(self, source: Path, target: Path) -> None:
        """Put a picture where nothing is.

        Raises:
            OSError: something is there, or it cannot be done.
        """
        ...

    def is_there(self, source: Path, target: Path) -> bool:
        """Return whether a target that exists is this picture."""
        ...


class Copies:
    """Copies, with the time of their last change. A copy that is killed leaves no target."""

    done = "copied"

    def place(self, source: Path, target: Path) -> None:
        """Copy a picture to where nothing is; see :class:`Placing`."""
        temporary = target.parent / f".{target.name}.tmp-{os.getpid()}"
        try:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()  # it may be a link that leads elsewhere
            shutil.copy2(source, temporary)
            _give_name(temporary, target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def is_there(self, source: Path, target: Path) -> bool:
        """Return whether a target has the same bytes."""
        return target.is_file() and filecmp.cmp(source, target, shallow=False)


class Links:
    """Symbolic links to where pictures are."""

    done = "linked"

    def place(self, source: Path, target: Path) -> None:
        """Link to a picture from where nothing is; see :class:`Placing`."""
        target.symlink_to(whole(source))

    def is_there(self, source: Path, target: Path) -> bool:
        """Return whether a target is a link to the picture."""
        return target.is_symlink() and Path(os.readlink(target)) == whole(source)  # noqa: PTH115 - readlink() of a path adds a prefix on Windows


def place_all(wishes: Iterable[Wish], output: Path, placing: Placing) -> list[dict[str, Any]]:
    """Put pictures into their folders, and say what became of each.

    A picture that is there already is kept; where another one has its name, the picture gets a
    name with a hash of its path.

    Args:
        wishes: where rows want their pictures.
        output: the folder in which the folders are.
        placing: how pictures come into them.

    Returns:
        One row a wish, by COLUMNS.

    Raises:
        UsageError: the output has a log that another program wrote.
        StoreError: the output cannot be written.
    """
    _check_output(output)
    return [
        _row(wish, wish.no_source, why=wish.why)
        if wish.source is None
        else _row(wish, *_placed(wish.source, wish.folder, output, placing))
        for wish in wishes
    ]


def planned(wishes: Iterable[Wish]) -> list[dict[str, Any]]:
    """Return where pictures would go; nothing is written."""
    return [
        _row(wish, wish.no_source, why=wish.why)
        if wish.source is None
        else _row(wish, PLANNED, wish.source.name)
        for wish in wishes
    ]


def _check_output(output: Path) -> None:
    log = output / LOG_NAME
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not log.exists():
            return
        with log.open(encoding="utf-8", errors="replace") as stream:
            first = stream.readline(LONGEST_HEADER)
    except OSError as error:
        raise StoreError(
            f"{output} cannot be used: {error.strerror or error}. Choose another --output."
        ) from error
    if first.strip() != ",".join(COLUMNS):
        raise UsageError(f"{log} was not written by this command. Choose another --output.")


def _placed(
    source: Path, folder: tuple[str, ...], output: Path, placing: Placing
) -> tuple[str, str, str]:
    """Put one picture into its folder; returns action, name and why."""
    try:
        for target in _targets(source, _made(output, folder)):
            if not os.path.lexists(target):
                placing.place(source, target)
                return placing.done, target.name, ""
            if placing.is_there(source, target):
                return KEPT, target.name, ""
    except LoadError as error:
        return FAILED, "", str(error)
    except OSError as error:
        return FAILED, "", f"{error.strerror or error}."
    return FAILED, "", f"other files have its names in {'/'.join(folder)}. Move them."


def _targets(source: Path, inside: Path) -> tuple[Path, Path]:
    """Return the names that a picture may get: its own, else with a hash of its path."""
    suffix = f".{safe_name(source.suffix)}" if source.suffix else ""
    stem = safe_name(source.stem)
    digest = hashlib.sha256(os.fsencode(whole(source))).hexdigest()[:HASH_CHARACTERS]
    return inside / f"{stem}{suffix}", inside / f"{stem}-{digest}{suffix}"


def _made(output: Path, folder: tuple[str, ...]) -> Path:
    """Return a folder below the output, which is made where it is not there.

    Raises:
        LoadError: a link would lead out of the output.
        OSError: it cannot be made.
    """
    inside = output
    for name in folder:
        inside = inside / name
        if inside.is_symlink():
            raise LoadError(f"{inside} is a link, which may lead elsewhere. Remove it.")
        inside.mkdir(exist_ok=True)
    return inside


def _give_name(temporary: Path, target: Path) -> None:
    """Name a file, which fails where something has that name already."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(f"{target} is there") from None
        temporary.rename(target)


def _row(wish: Wish, action: str, file: str = "", why: str = "") -> dict[str, Any]:
    about = {"path": wish.path, "label": wish.label, "probability": wish.probability}
    return {**about, "action": action, "folder": "/".join(wish.folder), "file": file, "why": why}
