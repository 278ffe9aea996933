"""Files of the Hugging Face hub: from its cache, or downloaded, or a line that says what to do.

What is in the cache is used without asking the network, so that a model does not change under an
index; ``hf-hub:ORG/NAME@REVISION`` names another state. ``--offline`` and ``HF_HUB_OFFLINE`` are
read at each call: huggingface_hub itself reads its variables only when it is imported.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import (
    _CACHED_NO_EXIST,
    HfApi,
    constants,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from fieldguide.errors import WeightsError
from fieldguide.models.weights import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
DENIED = {401, 403}
IN_A_FOLDER = "put them into one folder. Then name it: --model FOLDER"
_REPOSITORY = re.compile(r"([\w][\w.-]*/)?[\w][\w.-]*")
_REVISION = re.compile(r"[\w][\w./-]*")


@dataclass(frozen=True)
class HubRepository:
    """A repository in one state.

    Attributes:
        name: ``org/name``.
        revision: branch, tag or commit; None for the main branch.
        then: what a user does with files that were downloaded by hand, for messages.
    """

    name: str
    revision: str | None = None
    then: str = field(default=IN_A_FOLDER, compare=False)

    def __post_init__(self) -> None:
        """Check that neither can lead elsewhere.

        Raises:
            WeightsError: they are no names of a hub.
        """
        revision = self.revision
        bad_revision = revision is not None and not _REVISION.fullmatch(revision)
        if bad_revision or not _REPOSITORY.fullmatch(self.name) or ".." in f"{self}":
            raise WeightsError(
                f"{self} is no name on the hub. Write hf-hub:ORG/NAME, or hf-hub:ORG/NAME@REVISION."
            )

    def __str__(self) -> str:
        """Return ``org/name`` or ``org/name@revision``."""
        return self.name if self.revision is None else f"{self.name}@{self.revision}"

    def url(self, path: str) -> str:
        """Return the address at which a browser downloads a file."""
        return hf_hub_url(self.name, path, revision=self.revision)

    def page(self) -> str:
        """Return the address of the repository itself."""
        return f"{constants.ENDPOINT}/{self.name}"


@dataclass(frozen=True)
class HubEntry:
    """What the hub says of a file.

    Attributes:
        size_bytes: its size, or None where the hub does not say.
        sha256: of its content; the hub knows it for large files.
    """

    size_bytes: int | None
    sha256: str | None


def is_offline() -> bool:
    """Return whether the user forbade the network, asked at each call."""
    stated = any(
        os.environ.get(name, "").upper() in constants.ENV_VARS_TRUE_VALUES
        for name in OFFLINE_VARIABLES
    )
    return stated or bool(constants.HF_HUB_OFFLINE)


def cached(repository: HubRepository, path: str) -> Path | None:
    """Return a file of the hub's cache, or None."""
    try:
        found = hf_hub_download(
            repository.name, path, revision=repository.revision, local_files_only=True
        )
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return Path(found)


def fetch(repository: HubRepository, path: str, said: Sequence[str] = ()) -> Path:
    """Return a file, downloaded unless it is in the cache.

    Args:
        repository: where it is.
        path: inside the repository.
        said: all that will be wanted of this repository, for messages.

    Raises:
        WeightsError: it cannot be had; the message says what to do.
    """
    return fetch_first(repository, [path], said)


def fetch_first(repository: HubRepository, paths: Sequence[str], said: Sequence[str] = ()) -> Path:
    """Return the first of several files that the repository has; raises as :func:`fetch` does."""
    for path in paths:
        if found := cached(repository, path):
            return found
    entries = _entries_online(repository, said or paths[:1])
    for path in paths:
        if path in entries:
            return _download(repository, path, entries[path])
    listed = ", ".join(sorted(entries)[:8]) or "nothing"
    raise WeightsError(
        f"{repository} has none of {', '.join(paths)}; it has {listed}. It may be no open_clip "
        f"model: see {repository.page()}"
    )


def fetch_group(
    repository: HubRepository, settings: Sequence[str], contents: Sequence[str],
    said: Sequence[str] = (),
) -> Path | None:  # fmt: skip
    """Return the folder with every one of these files that the repository has.

    Args:
        repository: where they are.
        settings: small files, downloaded first.
        contents: the files without which the settings are of no use, best first; once one of
            these is in the cache, the settings are too.
        said: all that will be wanted of this repository, for messages.

    Returns:
        The folder, or None when the repository has none of the contents.

    Raises:
        WeightsError: the hub cannot be asked.
    """
    for path in contents:
        if found := cached(repository, path):
            return found.parent
    if all(_known_absent(repository, path) for path in contents):
        return None
    entries = _entries_online(repository, said or [contents[0], *settings[:1]])
    present = [path for path in contents if path in entries]
    if not present:
        for path in contents:
            _remember_absent(repository, path)
        return None
    folder = None
    for path in (*settings, *reversed(present)):
        if path in entries:
            folder = _download(repository, path, entries[path]).parent
    return folder


def _known_absent(repository: HubRepository, path: str) -> bool:
    known = try_to_load_from_cache(repository.name, path, revision=repository.revision)
    return known is _CACHED_NO_EXIST


def _remember_absent(repository: HubRepository, path: str) -> None:
    """Ask for a file that is not there: the hub's library notes in its cache that it is not."""
    with contextlib.suppress(EntryNotFoundError, OSError):
        hf_hub_download(repository.name, path, revision=repository.revision)


def _entries_online(repository: HubRepository, wanted: Sequence[str]) -> dict[str, HubEntry]:
    if is_offline():
        raise WeightsError(
            f"{repository} is not in the cache {constants.HF_HUB_CACHE}, and the network is "
            f"switched off (--offline or HF_HUB_OFFLINE).\n{by_hand(repository, wanted)}"
        )
    with _said_plainly(repository, wanted):
        return _entries(repository)


@functools.lru_cache(maxsize=64)
def _entries(repository: HubRepository) -> dict[str, HubEntry]:
    found = HfApi().model_info(repository.name, revision=repository.revision, files_metadata=True)
    return {
        entry.rfilename: HubEntry(entry.size, getattr(entry.lfs, "sha256", None))
        for entry in found.siblings or ()
    }


def by_hand(repository: HubRepository, paths: Sequence[str]) -> str:
    """Return lines that say which files to download by hand and where to put them."""
    which = "download" if len(paths) == 1 else "download those of these that it has"
    lines = [f"  {repository.url(path)}" for path in paths]
    return "\n".join([f"Where there is a network, {which}", *lines, f"and {repository.then}"])


def _download(repository: HubRepository, path: str, entry: HubEntry) -> Path:
    _check_space(repository, path, entry.size_bytes)
    size = "" if entry.size_bytes is None else f" ({_readable(entry.size_bytes)})"
    is_heard = logger.isEnabledFor(logging.WARNING)  # --quiet raises the level
    if is_heard:
        logger.warning("Downloading %s%s of %s", path, size, repository)
    with _said_plainly(repository, [path]), _bars(shown=is_heard):
        found = Path(hf_hub_download(repository.name, path, revision=repository.revision))
    if entry.sha256 is not None and file_digest(found) != entry.sha256:
        found.resolve().unlink()
        found.unlink(missing_ok=True)
        raise WeightsError(
            f"{path} of {repository} arrived damaged: its SHA-256 is not the hub's. It was "
            "removed; run the same command again."
        )
    return found


@contextlib.contextmanager
def _bars(*, shown: bool) -> Iterator[None]:
    """Hide the hub's progress bars when nothing is to be shown."""
    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _check_space(repository: HubRepository, path: str, size_bytes: int | None) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size_bytes is not None and size_bytes > free:
        raise WeightsError(
            f"{path} of {repository} needs {_readable(size_bytes)}, and {_readable(free)} are free "
            f"in {constants.HF_HUB_CACHE}. Make room, or name another folder: export HF_HOME=FOLDER"
        )


@contextlib.contextmanager
def _said_plainly(repository: HubRepository, paths: Sequence[str]) -> Iterator[None]:
    """Turn each way in which the hub fails into one message with what to do."""
    try:
        yield
    except LocalEntryNotFoundError as error:
        raise _no_network(repository, paths, error) from error
    except (HfHubHTTPError, EntryNotFoundError) as error:
        refusal = _refused(repository, paths, error)
        raise refusal or _no_network(repository, paths, error) from error
    except OSError as error:
        raise _disk_or_network(repository, paths, error) from error
    except Exception as error:
        # the HTTP library below the hub's differs between its releases (requests, httpx)
        raise _no_network(repository, paths, error) from error


def _refused(
    repository: HubRepository, paths: Sequence[str], error: Exception
) -> WeightsError | None:
    """Return what to say of an answer of the hub, or None when it has broken down."""
    tokens = f"{constants.ENDPOINT}/settings/tokens"
    code = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError):
        return WeightsError(
            f"{repository} is given only to those who accepted its licence. Log in at "
            f"{repository.page()}, accept it there, make a token at {tokens} and run: "
            "export HF_TOKEN=TOKEN"
        )
    if isinstance(error, RepositoryNotFoundError):
        return WeightsError(
            f"There is no model {repository.name} on {constants.ENDPOINT}, or it is private. "
            "Correct the name; for a private one run: export HF_TOKEN=TOKEN"
        )
    if isinstance(error, RevisionNotFoundError):
        return WeightsError(
            f"{repository.name} has no revision {repository.revision!r}. See "
            f"{repository.page()}/commits/main"
        )
    if isinstance(error, EntryNotFoundError):
        return WeightsError(f"{repository} has no {', '.join(paths)}. See {repository.page()}")
    if code in DENIED:
        return WeightsError(
            f"The hub refuses {repository} ({code}). Your token may be wrong or may not cover it: "
            f"make one at {tokens} and run: export HF_TOKEN=TOKEN"
        )
    return None


def _disk_or_network(
    repository: HubRepository, paths: Sequence[str], error: OSError
) -> WeightsError:
    cache = constants.HF_HUB_CACHE
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WeightsError(
            f"The disk is full: {', '.join(paths)} of {repository} does not fit into {cache}. Make "
            "room, or name another folder: export HF_HOME=FOLDER"
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
        return WeightsError(
            f"The cache {cache} cannot be written ({error.strerror}). Name another folder: "
            "export HF_HOME=FOLDER"
        )
    return _no_network(repository, paths, error)


def _no_network(repository: HubRepository, paths: Sequence[str], error: Exception) -> WeightsError:
    cause = error.__cause__ or error
    line = (str(cause).splitlines() or [""])[0][:160].rstrip(".")
    return WeightsError(
        f"{', '.join(paths)} of {repository} could not be downloaded from {constants.ENDPOINT} "
        f"({type(cause).__name__}: {line}). Run the same command again when there is a network; "
        f"or get it by hand.\n{by_hand(repository, paths)}"
    )


def _readable(size_bytes: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:.1f} {unit}"
    return f"{size_bytes} bytes"
