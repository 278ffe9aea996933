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
    r"|\x00"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Dr|Drs|Mr|Mrs|Ms|Prof|St|vs|cf|ca|approx|e\.g|i\.e|resp|Fig|No|incl)\.$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_MASK = re.compile(r"^(?:X{2,}|_+)$")


def report_sentences(text: str, min_words: int = MIN_WORDS) -> tuple[str, ...]:
    r"""Return the distinct sentences of a report, in order.

    Args:
        text: one section or a whole report; lines may be wrapped.
        min_words: shorter ones are left out; words that were masked (``XXXX``, ``___``) do not
            count.

    >>> report_sentences("FINDINGS: The lungs are clear. No effusion is seen.\nIMPRESSION:\n1. OK.")
    ('The lungs are clear.', 'No effusion is seen.')
    """
    marked = _NUMBERING.sub("\x00", _HEADING.sub("\x00", text))
    sentences: list[str] = []
    for part in _BREAK.split(marked):
        sentence = " ".join(part.split()).strip("\"'*-\u2022 ")
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentence = f"{sentences.pop()} {sentence}".strip()
        if sentence:
            sentences.append(sentence)
    return tuple(dict.fromkeys(s for s in sentences if _words(s) >= min_words))


def _words(sentence: str) -> int:
    return sum(1 for word in _WORD.findall(sentence) if not _MASK.match(word))
