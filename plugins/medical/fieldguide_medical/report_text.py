"""Phrases as they are written in rules, and sentences as they are compared with them.

A sentence is compared without case, hyphens and slashes, word by word, so that "Ground-glass" is
"ground glass". A phrase is words between spaces, with these signs:

==========  ==================================================================
``a/b``     one of several words
``wall*``   a word that begins so
``[word]``  a word that may be missing
``~``       up to six words in between, no punctuation
``...``     up to twelve words or commas in between, no semicolon, colon or bracket
==========  ==================================================================
"""

from __future__ import annotations

import bisect
import functools
import re
from dataclasses import dataclass

MAX_GAP_WORDS = 6
MAX_WIDE_GAP = 12
MAX_SENTENCE_CHARACTERS = 3000
"""Longer ones are no sentences; they are read in pieces of this size."""

_TOKEN = re.compile(r"[^\W_]+(?:[.,'][^\W_]+)*|[,;:()?]")
_GAPS = {
    "~": rf"(?: [^ ,;:()?]+){{0,{MAX_GAP_WORDS}}}?",
    "...": rf"(?: [^ ;:()?]+){{0,{MAX_WIDE_GAP}}}?",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence for comparison.

    Attributes:
        text: its words in lower case, each with a space before it, and one at the end.
        starts: where each word begins in ``text``.
        spans: first and last character of each word in the report.
    """

    text: str
    starts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the report that a part of ``text`` stands for.

        Args:
            start: of the space before its first word.
            end: after its last word.
        """
        first = bisect.bisect_left(self.starts, start)
        last = max(first, bisect.bisect_left(self.starts, end) - 1)
        return self.spans[first][0], self.spans[last][1]


def words_of(report: str, start: int, end: int) -> Words:
    """Return the words of one sentence of a report.

    >>> words_of("No Ground-glass area.", 0, 21).text
    ' no ground glass area '
    """
    tokens = [(t.group().lower(), t.start(), t.end()) for t in _TOKEN.finditer(report, start, end)]
    starts: list[int] = []
    place = 0
    for word, _, _ in tokens:
        starts.append(place + 1)
        place += len(word) + 1
    text = "".join(f" {word}" for word, _, _ in tokens) + " "
    return Words(text, tuple(starts), tuple((first, last) for _, first, last in tokens))


def phrase_pattern(phrase: str) -> str:
    """Return the regular expression of a phrase; it matches a space and then whole words.

    Raises:
        ValueError: it has no word, or begins or ends with a gap.
    """
    parts = phrase.lower().split()
    if not parts or parts[0] in _GAPS or parts[-1] in _GAPS:
        raise ValueError(f"the phrase {phrase!r} must begin and end with a word")
    return "".join(map(_part, parts)) + "(?= )"


@functools.cache
def compile_phrase(phrase: str) -> re.Pattern[str]:
    """Return the compiled phrase.

    >>> bool(compile_phrase("heart ~ enlarge*").search(" the heart is much enlarged . "))
    True
    """
    return re.compile(phrase_pattern(phrase))


def _part(part: str) -> str:
    if part in _GAPS:
        return _GAPS[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        return f"(?:{_part(part[1:-1])})?"
    return f" (?:{'|'.join(map(_word, part.split('/')))})"


def _word(word: str) -> str:
    if word.endswith("*"):
        return re.escape(word[:-1]) + r"[^ ,;:()?]*"
    return re.escape(word)
