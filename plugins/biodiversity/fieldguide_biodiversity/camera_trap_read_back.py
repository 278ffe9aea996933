"""Reads captions of camera traps back: which animals they name, how many, when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide.captions.nouns import nouns_of
from fieldguide.captions.seasons import NORTHERN
from fieldguide.errors import UsageError
from fieldguide_biodiversity.camera_trap_caption import in_words
from fieldguide_biodiversity.camera_trap_words import camera_trap_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SEASONS = "|".join(sorted(set(NORTHERN)))
_COUNTED = re.compile(r"(?:(\d+|one|two|three|four|five|six|seven|eight|nine|ten) )?(.+)")
_LINK = re.compile("(, | and )")
_NUMBERS = {in_words(count): count for count in range(1, 11)}


@dataclass(frozen=True, slots=True)
class Said:
    """What a caption of a camera trap says.

    Attributes:
        counts: of each animal by its label; None where it gives no number.
        of_sequence: whether they are of the whole sequence.
        unidentified: whether an animal is there that nobody knows.
        light: "day", "night", "twilight", or "" where it does not say.
        hour: such as "23:30", or "".
        season: or "".
    """

    counts: Mapping[str, int | None]
    of_sequence: bool = False
    unidentified: bool = False
    light: str = ""
    hour: str = ""
    season: str = ""


class CameraTrapReader:
    """Reads captions about known animals.

    Args:
        labels: the animals, as the annotation writes them.

    Raises:
        ContractError: two labels read alike.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        words = camera_trap_words()
        self._words = words
        self._one: dict[str, str] = {}
        self._many: dict[str, str] = {}
        for label, noun in nouns_of(labels).items():
            self._one[noun.singular] = label
            self._many[noun.plural] = label
            self._one.setdefault(label, label)  # scientific names have no plural
            self._many.setdefault(label, label)
        lights = "|".join(map(re.escape, words.light.values()))
        sentences = (
            (re.escape(words.empty), False),
            (re.escape(words.sequence).replace(r"\{animals\}", "(?P<animals>.+?)"), True),
            (re.escape(words.animals).replace(r"\{animals\}", "(?P<animals>.+?)"), False),
        )
        end = (
            rf"(?: (?:(?P<light>{lights})|at (?P<hour>\d\d:\d\d)))?"
            rf"(?: in (?P<season>{_SEASONS}))?\."
        )
        self._patterns = [(re.compile(said + end), sequence) for said, sequence in sentences]

    def read(self, caption: str) -> Said:
        """Return what a caption says.

        Raises:
            UsageError: it is none of ours, or speaks of other animals.
        """
        for pattern, sequence in self._patterns:
            if (found := pattern.fullmatch(caption)) is None:
                continue
            parts = found.groupdict()
            pieces = _LINK.split(parts["animals"]) if parts.get("animals") else []
            listed = self._listed(pieces)
            if listed is None:
                continue
            lights = {said: light for light, said in self._words.light.items()}
            return Said(
                {label: count for label, count in listed if label},
                of_sequence=sequence,
                unidentified=("", None) in listed,
                light=lights.get(parts["light"] or "", ""),
                hour=parts["hour"] or "",
                season=parts["season"] or "",
            )
        raise UsageError(f"{caption!r} is no caption of a camera trap with these animals.")

    def _listed(self, pieces: list[str]) -> list[tuple[str, int | None]] | None:
        """Return animals with their numbers, or None where the text is no such list.

        Args:
            pieces: the list cut at each comma and "and", which stand between; a name may hold one.
        """
        if not pieces:
            return []
        for end in range(len(pieces), 0, -2):
            first = self._animal("".join(pieces[:end]))
            rest = self._listed(pieces[end + 1 :])
            if first is not None and rest is not None:
                return [first, *rest]
        return None

    def _animal(self, text: str) -> tuple[str, int | None] | None:
        """Return label and number; the label is "" for one that nobody knows."""
        if text == self._words.unidentified:
            return "", None
        found = _COUNTED.fullmatch(text)
        said, name = (found[1], found[2]) if found else (None, text)
        count = None if said is None else _NUMBERS.get(said) or int(said)
        label = (self._one if count in (None, 1) else self._many).get(name)
        return None if label is None else (label, count)
