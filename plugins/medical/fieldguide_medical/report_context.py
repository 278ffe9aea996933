"""What a sentence says of a finding in it: present, absent, uncertain, or not of this image.

Harkema et al. 2009, "ConText: an algorithm for determining negation, experiencer, and temporal
status from clinical reports" (doi:10.1016/j.jbi.2009.05.002), after Chapman et al. 2001, "A simple
algorithm for identifying negated findings and diseases in discharge summaries" (NegEx,
doi:10.1006/jbin.2001.1029). A trigger rules over the words after or before it until a phrase that
ends its scope, and never beyond its sentence. Lexicon: ``report_rules/context.yaml``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldguide_medical.report_text import phrase_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fieldguide_medical.finding_rules import ContextRules, Meaning, Trigger

_STRENGTH: dict[Meaning, int] = {"uncertain": 0, "absent": 1, "elsewhere": 2}
"""Where the scopes of several triggers hold a finding, the one of the highest counts."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a sentence that one trigger rules over.

    Attributes:
        trigger: id of the trigger.
        meaning: what it makes of a finding.
        cue: where its phrase stands in the text of the words.
        start: of the scope.
        end: of the scope.
    """

    trigger: str
    meaning: Meaning
    cue: tuple[int, int]
    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        """Return whether it rules over a phrase: the phrase lies in it, or around its trigger."""
        inside = self.start <= start and end <= self.end
        around = start <= self.cue[0] and self.cue[1] <= end
        return inside or around


class Context:
    """Finds the scopes of a sentence.

    Args:
        rules: the lexicon.
    """

    def __init__(self, rules: ContextRules) -> None:
        self._triggers: dict[str, Trigger] = {}
        phrases: list[tuple[str, str]] = []
        for trigger in rules.triggers:
            phrases += [(phrase, trigger.id) for phrase in trigger.phrases]
            self._triggers[trigger.id] = trigger
        phrases.sort(key=lambda pair: len(pair[0].split()), reverse=True)
        self._owners = [owner for _, owner in phrases]
        self._cues = _any_of((phrase for phrase, _ in phrases), grouped=True)
        self._pseudo = _any_of(rules.pseudo)
        self._ends = _any_of(rules.ends)
        self._ends_before = _any_of((*rules.ends, *rules.ends_before))

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - one object lives as long as the process
    def scopes(self, text: str) -> tuple[Scope, ...]:
        """Return the scopes of a sentence, given as the text of its ``Words``."""
        return tuple(self._scopes(text))

    def parts(self, text: str, start: int, end: int) -> bool:
        """Return whether a scope would end within a phrase: its words are of two statements."""
        return self._ends.search(text, start, end) is not None

    def _scopes(self, text: str) -> Iterator[Scope]:
        text = self._pseudo.sub(lambda found: re.sub(r"[^ ]", "_", found.group()), text)
        for cue in self._cues.finditer(text):
            owner = self._owners[int(str(cue.lastgroup)[1:])]
            trigger = self._triggers[owner]
            if trigger.scope in ("after", "both"):
                end = self._end_after(text, cue.end(), trigger.max_words)
                yield Scope(owner, trigger.meaning, cue.span(), cue.end(), end)
            if trigger.scope in ("before", "both"):
                start = self._start_before(text, cue.start(), trigger.max_words)
                yield Scope(owner, trigger.meaning, cue.span(), start, cue.start())

    def _end_after(self, text: str, place: int, max_words: int | None) -> int:
        found = self._ends.search(text, place)
        end = len(text) if found is None else found.start()
        if max_words is None:
            return end
        words = list(re.finditer(r" [^ ]+", text[place:end]))[:max_words]
        return place + (words[-1].end() if words else 0)

    def _start_before(self, text: str, place: int, max_words: int | None) -> int:
        start = 0
        for found in self._ends_before.finditer(text, 0, place + 1):
            start = found.end()
        if max_words is None:
            return start
        words = list(re.finditer(r" [^ ]+", text[start:place]))[-max_words:]
        return start + words[0].start() if words else place


def strongest(scopes: Iterable[Scope], start: int, end: int) -> Scope | None:
    """Return the scope that decides about a phrase, or None where none holds it."""
    held = [scope for scope in scopes if scope.holds(start, end)]
    return max(held, key=lambda scope: _STRENGTH[scope.meaning], default=None)


def _any_of(phrases: Iterable[str], grouped: bool = False) -> re.Pattern[str]:
    ordered = list(phrases)
    if not grouped:
        ordered.sort(key=len, reverse=True)
        return re.compile("|".join(f"(?:{phrase_pattern(each)})" for each in ordered) or r"(?!)")
    parts = (f"(?P<g{place}>{phrase_pattern(each)})" for place, each in enumerate(ordered))
    return re.compile("|".join(parts) or r"(?!)")
