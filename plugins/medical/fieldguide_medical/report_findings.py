"""Findings that a report states: present, absent, uncertain, or not mentioned. For research only.

Rules, not a model: each answer names its sentence, its phrase and the trigger that decided it.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from fieldguide.captions.sentences import sentence_spans
from fieldguide_medical.finding_rules import context_rules
from fieldguide_medical.report_context import Context, strongest
from fieldguide_medical.report_sections import sections_of_the_image
from fieldguide_medical.report_text import (
    MAX_SENTENCE_CHARACTERS,
    Words,
    compile_phrase,
    phrase_pattern,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fieldguide_medical.finding_rules import FindingRule, FindingRules, Term
    from fieldguide_medical.report_context import Scope


class State(IntEnum):
    """What is said of a finding; the numbers are those that tables hold."""

    PRESENT = 1
    ABSENT = 0
    UNCERTAIN = -1


_RANK = {State.ABSENT: 0, State.UNCERTAIN: 1, State.PRESENT: 2}
"""A finding has the state of its strongest mention: one effusion is enough."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One place of a report that speaks of a finding.

    Attributes:
        label: of the finding.
        state: what is said of it there.
        sentence: first and last character of the sentence in the report.
        phrase: first and last character of the phrase that names the finding.
        term: the rule's phrase that fits.
        trigger: id of the trigger that decided, "" where none did.
        cue: first and last character of the trigger's phrase, or None.
    """

    label: str
    state: State
    sentence: tuple[int, int]
    phrase: tuple[int, int]
    term: str
    trigger: str = ""
    cue: tuple[int, int] | None = None


def find_mentions(report: str, rules: FindingRules) -> tuple[Mention, ...]:
    """Return every place of a report that speaks of a finding, in the order of the sentences.

    Sentences of sections that do not describe the image (indication, history, technique,
    comparison) are not read.

    Args:
        report: a whole report, or a part of one.
        rules: a set of findings.
    """
    return tuple(
        mention
        for start, end in _sentences(report)
        for mention in _mentions(words_of(report, start, end), (start, end), rules)
    )


def findings(report: str, rules: FindingRules) -> dict[str, State | None]:
    """Return what a report says of each finding of a set; None where it says nothing.

    Args:
        report: a whole report, or a part of one.
        rules: a set of findings: ``finding_rules("ct_rate_18")``.
    """
    return strongest_states(find_mentions(report, rules), rules)


def strongest_states(mentions: Iterable[Mention], rules: FindingRules) -> dict[str, State | None]:
    """Return the state of each finding of a set: that of its strongest mention, or None."""
    found: dict[str, State | None] = dict.fromkeys(rules.labels)
    for mention in mentions:
        known = found[mention.label]
        if known is None or _RANK[mention.state] > _RANK[known]:
            found[mention.label] = mention.state
    return found


@functools.cache
def _context() -> Context:
    return Context(context_rules())


def _sentences(report: str) -> Iterator[tuple[int, int]]:
    """Return the sentences of the sections that describe the image."""
    for section in sections_of_the_image(report, context_rules().ignored_sections):
        for start, end in sentence_spans(report, section.start, section.end):
            for first in range(start, end, MAX_SENTENCE_CHARACTERS):
                yield first, min(end, first + MAX_SENTENCE_CHARACTERS)


def _mentions(words: Words, sentence: tuple[int, int], rules: FindingRules) -> Iterator[Mention]:
    if not words.spans:
        return
    scopes = _context().scopes(words.text)
    for finding in rules.findings:
        yield from _mentions_of(finding, words, sentence, scopes)


def _mentions_of(
    finding: FindingRule, words: Words, sentence: tuple[int, int], scopes: tuple[Scope, ...]
) -> Iterator[Mention]:
    if not _any_term(finding).search(words.text):
        return
    text = _masked(words.text, finding.masked)
    for term in finding.terms:
        for found in compile_phrase(term.phrase).finditer(text):
            scope = strongest(scopes, *found.span())
            state = _state(term, scope)
            if state is None or not _counts(term, text) or _context().parts(text, *found.span()):
                continue
            cue = None if scope is None else words.place(*scope.cue)
            yield Mention(
                finding.label, state, sentence, words.place(*found.span()), term.phrase,
                "" if scope is None else scope.trigger, cue,
            )  # fmt: skip


@functools.cache
def _any_term(finding: FindingRule) -> re.Pattern[str]:
    """Return what fits where any term of a finding does: most sentences have none."""
    return re.compile("|".join(f"(?:{phrase_pattern(term.phrase)})" for term in finding.terms))


def _masked(text: str, phrases: tuple[str, ...]) -> str:
    """Return a sentence whose words of some phrases are blanked, each place as it was."""
    for phrase in phrases:
        text = compile_phrase(phrase).sub(lambda found: re.sub(r"[^ ]", "_", found.group()), text)
    return text


def _counts(term: Term, text: str) -> bool:
    """Return whether the rest of the sentence lets a term count."""
    if term.together and not any(compile_phrase(each).search(text) for each in term.together):
        return False
    return not any(compile_phrase(each).search(text) for each in term.unless)


def _state(term: Term, scope: Scope | None) -> State | None:
    """Return the state of a mention, or None where it is not about this image now."""
    if scope is not None and scope.meaning == "elsewhere":
        return None
    if term.meaning == "absent":  # "not normal" says nothing of what is there
        return None if scope is not None and scope.meaning == "absent" else State.ABSENT
    if scope is None:
        return State.PRESENT
    return State.ABSENT if scope.meaning == "absent" else State.UNCERTAIN
