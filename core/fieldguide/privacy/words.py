"""Takes names out of texts: what a message quotes of a path becomes an id or a blank.

This is the second line: ids are given to items before they are read, and messages name items by
their id. It catches what a library, or an error about the call itself, repeats of a path.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BLANK = "(hidden)"
MIN_LETTERS = 3
MAX_VALUE = 64
"""Longer texts are prose: their words are no names of files."""
_WORD = re.compile(r"[^\s/\\'\"`:,;()\[\]{}<>=#|]+")
_BESIDE = frozenset("/\\'\"`")
_HARMLESS = re.compile(r"[a-z]+|[0-9]{1,3}")


class HiddenWords:
    """The words of private paths and values, and how a text looks without them."""

    def __init__(self) -> None:
        self._whole: dict[str, str] = {}
        self._words: set[str] = set()
        usual = (*Path.home().parts, *Path(tempfile.gettempdir()).parts)
        self._usual = {word for part in usual for word in _WORD.findall(part)}

    def add_path(self, path: Path, name: str, *, whole: bool = False) -> None:
        """Hide a path and its parts.

        Args:
            path: as it was written, or absolute.
            name: what stands for all of it.
            whole: whether it is looked for as a whole too; for the few that a user typed.
        """
        if whole and len(path.as_posix()) >= MIN_LETTERS:
            self._whole[path.as_posix()] = name
            self._whole[str(path)] = name
        for part in path.parts:
            self._add_part(part)

    def add_values(self, values: Iterable[object]) -> None:
        """Hide values of a manifest that could stand in a message, such as an id."""
        for value in values:
            text = str(value)
            if len(text) <= MAX_VALUE:
                self._words.update(w for w in _WORD.findall(text) if not _is_harmless(w))

    def _add_part(self, part: str) -> None:
        stems = (part, Path(part).stem, part.partition(".")[0])
        words = {word for text in stems for word in _WORD.findall(text)}
        self._words |= {w for w in words - self._usual if len(w.strip(".")) >= MIN_LETTERS}

    def without(self, text: str) -> str:
        """Return a text without what is hidden."""
        if not self._words and not self._whole:
            return text
        for whole in sorted(self._whole, key=len, reverse=True):
            if whole in text:
                text = text.replace(whole, self._whole[whole])
        return _WORD.sub(self._shown, text)

    def _shown(self, found: re.Match[str]) -> str:
        word = found[0]
        bare = word.rstrip(".!?")
        if word not in self._words and bare not in self._words:
            return word
        beside = {found.string[found.start() - 1 : found.start()],
                  found.string[found.end() : found.end() + 1]}  # fmt: skip
        if _is_harmless(bare) and not beside & _BESIDE:
            return word
        return BLANK + word[len(bare) :] if word not in self._words else BLANK


def _is_harmless(word: str) -> bool:
    """Return whether a word alone says nothing: it is hidden only where it is part of a path."""
    return len(word) < MIN_LETTERS or _HARMLESS.fullmatch(word) is not None
