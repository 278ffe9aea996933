"""The sections of a radiology report, by their headings.

Reports of one hospital are split by anatomy as Blankemeier et al. 2024, "Merlin: A Vision Language
Foundation Model for 3D Computed Tomography" (arXiv:2406.06512) does it, of which a training draws
one section a step. Words of headings: ``report_rules/sections.yaml``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from fieldguide.captions.sentences import sentence_spans
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record

if TYPE_CHECKING:
    from collections.abc import Collection

FILE = Path(__file__).parent / "report_rules" / "sections.yaml"
MAX_WORDS = 5
"""Of a heading: "As far as can be seen:" is none."""

MAX_SENTENCES_ASIDE = 3
"""Of an indication, history, technique or comparison."""

_WITH_COLON = re.compile(
    r"(?:^|(?<=[\n.!?;\"\u2022])|(?<=[.!?:\"\u2022]\s))[ \t]*"
    r"(?P<heading>[A-Z][A-Za-z/&(), -]{1,60}?)[ \t]*:(?=\s|$)",
    re.MULTILINE,
)
_CAPITALS = re.compile(r"^[ \t]*(?P<heading>[A-Z][A-Z/&(), -]{2,60})[ \t]*$", re.MULTILINE)


class SectionNames(Record):
    """The headings by the section they begin."""

    version: str
    source: str
    licence: str
    sections: dict[str, tuple[str, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _headings_are_of_one_section(self) -> Self:
        headings = [heading for each in self.sections.values() for heading in each]
        if len(set(headings)) < len(headings):
            raise ValueError("a heading begins two sections")
        return self

    def name(self, heading: str) -> str:
        """Return the section that a heading begins; its own words where it is not listed."""
        words = " ".join(re.findall(r"[^\W_]+", heading.lower()))
        return next((name for name, known in self.sections.items() if words in known), words)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report.

    Attributes:
        name: "findings", "impression", "indication" ...; for headings that are not listed, such
            as "LUNGS:", their words in lower case; "" for what stands before the first heading.
        heading: as the report writes it.
        start: first character of the text in the report.
        end: after its last character.
        text: without the heading and the space around.
    """

    name: str
    heading: str
    start: int
    end: int
    text: str


@functools.cache
def section_names() -> SectionNames:
    """Return the headings that come with the plugin."""
    return SectionNames(**load_yaml(FILE))


def split_sections(report: str) -> tuple[Section, ...]:
    r"""Return the sections of a report in order; empty ones are left out.

    Args:
        report: a whole report.

    >>> report = "FINDINGS:\nLUNGS: Clear.\nHeart: Normal.\nIMPRESSION:\n"
    >>> [(section.name, section.text) for section in split_sections(report)]
    [('lungs', 'Clear.'), ('heart', 'Normal.')]
    """
    sections: list[Section] = []
    name, heading, start = "", "", 0
    for found in [*_headings(report), None]:
        end = len(report) if found is None else found.start("heading")
        body = report[start:end]
        text = body.strip().strip('"\u2022').strip()
        if text:
            first = start + body.index(text)
            sections.append(Section(name, heading, first, first + len(text), text))
        if found is not None:
            heading, start = found["heading"].strip(), found.end()
            name = section_names().name(heading)
    return tuple(sections)


def sections_of_the_image(report: str, ignored: Collection[str]) -> tuple[Section, ...]:
    """Return the sections that describe the image.

    Where a report has none, and its last section is longer than an indication or a comparison is,
    the report goes on behind it without a heading: its first sentence is left out, the rest is
    one section without a name.

    Args:
        report: a whole report.
        ignored: names of sections that do not describe the image.

    >>> report = "Comparison: CT of May. Heart normal. Lungs clear. No nodule. No effusion."
    >>> [section.text for section in sections_of_the_image(report, ["comparison"])]
    ['Heart normal. Lungs clear. No nodule. No effusion.']
    """
    sections = split_sections(report)
    kept = tuple(section for section in sections if section.name not in ignored)
    if kept or not sections:
        return kept
    last = sections[-1]
    spans = sentence_spans(report, last.start, last.end)
    if len(spans) <= MAX_SENTENCES_ASIDE:
        return ()
    start = spans[1][0]
    return (Section("", "", start, last.end, report[start : last.end]),)


def _headings(report: str) -> list[re.Match[str]]:
    """Return the headings in order; none lies in another."""
    every = [*_WITH_COLON.finditer(report), *_CAPITALS.finditer(report)]
    kept: list[re.Match[str]] = []
    for found in sorted(every, key=lambda each: each.start("heading")):
        if len(found["heading"].split()) > MAX_WORDS:
            continue
        if not kept or found.start("heading") >= kept[-1].end():
            kept.append(found)
    return kept
