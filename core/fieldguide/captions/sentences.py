"""Sentences of a report, of which a training draws one at a time.

Zhang et al. 2020, "Contrastive Learning of Medical Visual Representations from Paired Images and
Text" (arXiv:2010.00747), pairs an image with one randomly chosen sentence of its report in each
step. What is never drawn: headings, numbers of lists, and fragments of fewer than three words.
"""

from __future__ import annotations

import re

MIN_WORDS = 3

_HEADING = re.compile(r"(?:^|(?<=[\n.!?]))[ \t]*[A-Z][A-Za-z/&(), -]{1,40}:(?=\s|$)")
_NUMBERING = re.compile(r"(?:^|(?<=\s))\(?\d{1,2}[.)]\s+(?=[A-Z])")
_BREAK = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])"  # a stop, a space, a capital or number
    r"|(?<=[a-z]\.)(?=[A-Z][a-z])"  # the space is missing: "lungs.There"
    r"|\s*\"+\s+(?=[A-Z0-9])"  # quotation marks between sentences, as in CT-RATE
    r"|\n\s*\n|\n(?=\s*[-*\u2022])"  # a paragraph, an entry of a list
    r"|\s+[\u2022\u00b7]\s+"  # a bullet within a line, as in CT-RATE
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Dr|Drs|Mr|Mrs|Ms|Prof|St|vs|cf|ca|approx|e\.g|i\.e|resp|Fig|No|incl)\.$",
    re.IGNORECASE,
)
_AROUND = "\"'*-\u2022\u00b7\u201c\u201d"
_WORD = re.compile(r"[^\W\d_]{2,}")
_MASK = re.compile(r"^(?:X{2,}|_+)$")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Return where the sentences of a text stand, in order: first character, and after the last.

    Headings and the numbers of lists are in none of them; abbreviations and decimals end none.

    Args:
        text: one section or a whole report; lines may be wrapped.
        start: of the part that is read.
        end: of the part that is read; None for the end of the text.

    >>> text = "Seen by Dr. Smith. A cyst of 2.5 cm."
    >>> [text[first:last] for first, last in sentence_spans(text)]
    ['Seen by Dr. Smith.', 'A cyst of 2.5 cm.']
    """
    part = text[start:end]
    spans: list[tuple[int, int]] = []
    place = 0
    for first, last in [*_cuts(part), (len(part), len(part))]:
        span = _stripped(part, place, first)
        place = max(place, last)
        if span is None:
            continue
        if spans and _ABBREVIATION.search(part[spans[-1][0] : spans[-1][1]]):
            span = (spans.pop()[0], span[1])
        spans.append(span)
    return [(start + first, start + last) for first, last in spans]


def report_sentences(text: str, min_words: int = MIN_WORDS) -> tuple[str, ...]:
    r"""Return the distinct sentences of a report, in order.

    Args:
        text: one section or a whole report; lines may be wrapped.
        min_words: shorter ones are left out; words that were masked (``XXXX``, ``___``) do not
            count.

    >>> report_sentences("FINDINGS: The lungs are clear. No effusion is seen.\nIMPRESSION:\n1. OK.")
    ('The lungs are clear.', 'No effusion is seen.')
    """
    sentences = (" ".join(text[first:last].split()) for first, last in sentence_spans(text))
    return tuple(dict.fromkeys(s for s in sentences if _words(s) >= min_words))


def _cuts(text: str) -> list[tuple[int, int]]:
    """Return what stands between sentences: headings, numbers of lists, space after a stop."""
    patterns = (_HEADING, _NUMBERING, _BREAK)
    return sorted(found.span() for each in patterns for found in each.finditer(text))


def _stripped(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a part without quotation marks, bullets and spaces around it, or None if empty."""
    while start < end and (text[start].isspace() or text[start] in _AROUND):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in _AROUND):
        end -= 1
    return (start, end) if start < end else None


def _words(sentence: str) -> int:
    return sum(1 for word in _WORD.findall(sentence) if not _MASK.match(word))
