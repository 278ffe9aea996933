"""Gives the items of a private domain their ids, keeps the map, and keeps names out of texts."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fieldguide.data.files import exists
from fieldguide.data.manifest_windows import COLUMNS, VOLUME_COLUMNS
from fieldguide.data.windows import EMPTY
from fieldguide.errors import FieldguideError, UsageError
from fieldguide.privacy.ids import is_item_id, item_id, real_path, value_id
from fieldguide.privacy.logs import keep_out_of_logs
from fieldguide.privacy.salt import read_salt
from fieldguide.privacy.sources import (
    SOURCES,
    Source,
    add_sources,
    merge,
    read_sources,
    state_sources,
)
from fieldguide.privacy.words import HiddenWords

if TYPE_CHECKING:
    from fieldguide.data.inputs import Item

WINDOW_COLUMNS = (*COLUMNS, *VOLUME_COLUMNS)
OPEN_COLUMNS = frozenset({"label", "labels", "split", *WINDOW_COLUMNS})
"""Columns of a manifest that are no one's secret by their meaning."""
ALWAYS_OPEN = frozenset({EMPTY, *WINDOW_COLUMNS})
"""Facts of a window that the core itself gives."""
_SUFFIX = re.compile(r"([:#]\d+(,\d+)*)*")
"""What is put behind a path to tell rows apart: a line, a window."""
_NUMBERED = re.compile(r"image(_[0-9]+)?")
_LINE = re.compile(r"(.*?)(:\d+)?", re.DOTALL)


class PrivateNames:
    """The ids of one guide.

    Args:
        file: where the map from ids to files is kept.
        shown: columns of manifests that the user allows to be shown.
        facts: of files that may be shown, by name.
        salt: by default the user's own, read when the first id is made.

    Attributes:
        words: what is taken out of texts.
        is_beside: whether the map is kept beside an output.
    """

    def __init__(
        self,
        file: Path,
        *,
        shown: Iterable[str] = (),
        facts: Iterable[str] = (),
        salt: bytes | None = None,
    ) -> None:
        self.file = file
        self.shown = OPEN_COLUMNS | frozenset(shown)
        self.facts = ALWAYS_OPEN | frozenset(facts)
        self.words = HiddenWords()
        self.is_beside = False
        self._given = salt
        keep_out_of_logs(self.words)

    @functools.cached_property
    def _salt(self) -> bytes:
        return read_salt() if self._given is None else self._given

    def keep_beside(self, output: Path) -> None:
        """Keep the map from ids to files beside an output from now on.

        Raises:
            UsageError: the output has the map's own name.
        """
        if output.name == SOURCES:
            raise UsageError(
                f"{SOURCES} is the name of the private list of files. Name another --output."
            )
        whole = Path(os.path.abspath(output))  # noqa: PTH100 - '.' has no name
        self.file, self.is_beside = whole.parent / SOURCES, True

    def hide(self, items: Sequence[Item], shown: Iterable[str] = ()) -> list[Item]:
        """Return items under their ids, and keep what they mean.

        Args:
            items: as they were found.
            shown: columns of their manifest that this job names, such as that of the labels.

        Raises:
            StoreError: two files would have one id, or the map cannot be written.
        """
        sources: dict[str, Source] = {}
        hidden = [self._hidden(item, self.shown | set(shown), sources) for item in items]
        if sources:
            add_sources(self.file, sources)
        return hidden

    def name_of(self, path: str | Path) -> str:
        """Return the id of a file or folder, and hide its name from now on."""
        name = item_id(self._salt, real_path(Path(path)))
        for written in (Path(path), Path(os.path.abspath(path)), Path(real_path(Path(path)))):  # noqa: PTH100 - resolve() would follow links
            self.words.add_path(written, name, whole=True)
        return name

    def hide_folder(self, output: Path) -> None:
        """Hide the name of the folder of an output; that of the output is the user's own."""
        for written in (output, Path(os.path.abspath(output))):  # noqa: PTH100 - resolve() would follow links
            self.words.add_path(written.parent, "")

    def hide_paths(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the ids of files, and keep what they mean.

        Raises:
            StoreError: two files would have one id, or the map cannot be written.
        """
        names = {path: self.name_of(path) for path in dict.fromkeys(paths)}
        add_sources(self.file, {name: Source(real_path(Path(p))) for p, name in names.items()})
        return names

    def typed(self, inputs: Any) -> Any:
        """Hide what a user typed as inputs; ids among them become the paths that they mean.

        Raises:
            StoreError: the map cannot be read.
        """
        if isinstance(inputs, str | os.PathLike):
            return self._typed(inputs)
        if isinstance(inputs, list | tuple):
            return [
                self._typed(each) if isinstance(each, str | os.PathLike) else each
                for each in inputs
            ]
        return inputs

    def scrub(self, text: str) -> str:
        """Return a text without private names."""
        return self.words.without(text)

    def scrubbed(self, value: Any) -> Any:
        """Return a record, list or text without private names."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, Mapping):
            return {name: self.scrubbed(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrubbed(inner) for inner in value]
        return value

    @contextlib.contextmanager
    def kept_out_of_errors(self) -> Iterator[None]:
        """Let errors pass only without private names."""
        try:
            yield
        except FieldguideError as error:
            text = self.scrub(str(error))
            if text == str(error):
                raise
            raise type(error)(text) from None
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):  # of click
                error.message = self.scrub(message)  # type: ignore[attr-defined]  # it has one
                raise
            text = self.scrub(f"{type(error).__name__}: {error}")
            if text == f"{type(error).__name__}: {error}":
                raise
            raise RuntimeError(text) from None

    def open_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return those facts of a file that may be shown: all others could tell of a person."""
        return {name: value for name, value in facts.items() if name in self.facts}

    def group_of(self, value: str) -> str:
        """Return what stands for the value of a column that groups rows."""
        return value_id(self._salt, value) if value else value

    def _typed(self, entry: str | os.PathLike[str]) -> str | os.PathLike[str]:
        path = Path(entry)
        if is_item_id(path.name) and not exists(path):
            return self._meant(path)
        if str(entry):
            self.name_of(path)
        return entry

    def _meant(self, path: Path) -> Path:
        """Return the file that an id means, by the maps beside it, of this job and of the user."""
        for file in dict.fromkeys((path.parent / SOURCES, self.file, state_sources())):
            source = read_sources(file).get(path.name)
            if source is not None:
                return Path(source.path)
        return path

    def _hidden(self, item: Item, shown: frozenset[str], sources: dict[str, Source]) -> Item:
        metadata = {
            column: value if column in shown or value in (None, "") else value_id(self._salt, value)
            for column, value in item.metadata.items()
        }
        if item.image is not None:
            return self._hidden_in_memory(item, metadata)
        written = item.id
        if item.path is not None and is_item_id(item.path.name) and not exists(item.path):
            path = self._meant(item.path)
            written = written.replace(item.path.absolute().as_posix(), path.as_posix(), 1)
            item = replace(item, path=path)
        kept = {k: v for k, v in item.metadata.items() if metadata[k] != v}
        place, line = (item.path, "") if item.path is not None else _without_line(item.name)
        meant = real_path(place)
        name = item_id(self._salt, meant)
        if item.name == name:  # it was hidden before
            return item
        for path in (place, Path(os.path.abspath(place)), Path(meant)):  # noqa: PTH100 - resolve() would follow links
            self.words.add_path(path, name)
        self.words.add_values(kept.values())
        identity = self._identity(written, place, name)
        found = {name: Source(meant, kept)}
        if not identity.startswith(name):
            self.words.add_values([written])
            found[identity.partition("#")[0]] = Source(written, kept)
        for key, source in found.items():
            sources |= merge({key: sources.get(key, source)}, {key: source})
        fault = None if item.fault is None else self.scrub(item.fault)
        return replace(item, id=identity, name=name + line, metadata=metadata, fault=fault)

    def _hidden_in_memory(self, item: Item, metadata: dict[str, Any]) -> Item:
        """Return an image in memory, under a number unless its user gave it a name."""
        if _NUMBERED.fullmatch(item.name):
            return replace(item, metadata=metadata)
        name = value_id(self._salt, item.name)
        self.words.add_values([item.name])
        identity = f"memory:{value_id(self._salt, item.id)}"
        return replace(item, id=identity, name=name, metadata=metadata)

    def _identity(self, written: str, place: Path, name: str) -> str:
        """Return the id of a row: that of its file, unless its manifest gives it one of its own."""
        for path in (place.absolute().as_posix(), place.as_posix()):
            rest = written.removeprefix(path)
            if rest != written and _SUFFIX.fullmatch(rest):
                return name + rest
        return item_id(self._salt, f"id:{written}")


def _without_line(name: str) -> tuple[Path, str]:
    """Return the file that a fault is of, and the number of the line where there is one."""
    found = _LINE.fullmatch(name)
    path, line = (name, None) if found is None else found.groups()
    return Path(path), line or ""


MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def names_kept_out(method: MethodT) -> MethodT:
    """Return a method whose errors hold no private names; its object has ``private``."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        private: PrivateNames | None = self.private
        if private is None:
            return method(self, *args, **keywords)
        _hide_files(private, keywords)
        with private.kept_out_of_errors():
            return method(self, *args, **keywords)

    return cast("MethodT", call)


def _hide_files(private: PrivateNames, keywords: Mapping[str, Any]) -> None:
    """Hide the files that keywords of a guide's methods name, beside its inputs."""
    for keyword in ("calibration", "classes"):
        named = keywords.get(keyword)
        if isinstance(named, str | os.PathLike) and Path(named).suffix:
            private.typed(named)
