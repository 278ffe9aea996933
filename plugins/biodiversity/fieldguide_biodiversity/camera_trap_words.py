"""The words of camera-trap captions: versioned data with source and licence."""

from __future__ import annotations

import functools
from pathlib import Path

from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record

FILE = Path(__file__).parent / "prompts" / "camera_traps.yaml"


class CameraTrapWords(Record):
    """Sentences and names; ``prompts/camera_traps.yaml`` explains the fields."""

    version: str
    licence: str
    source: str
    animals: str
    sequence: str
    empty: str
    unidentified: str
    light: dict[str, str]
    empty_names: frozenset[str]
    unidentified_names: frozenset[str]

    def is_empty(self, name: str) -> bool:
        """Return whether a class says that nothing is there."""
        return _plain(name) in self.empty_names

    def is_unidentified(self, name: str) -> bool:
        """Return whether a class says that nobody knows what it is."""
        return _plain(name) in self.unidentified_names


@functools.cache
def camera_trap_words() -> CameraTrapWords:
    """Return the words that come with the plugin."""
    return CameraTrapWords(**load_yaml(FILE))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
