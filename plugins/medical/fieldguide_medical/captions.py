"""Captions from reports: a sentence at a time, a section, or the sentences that state findings.

Sections that do not describe the image (indication, history, technique, comparison) give none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.captions.caption import Caption
from fieldguide.captions.sentences import report_sentences
from fieldguide.errors import ContractError
from fieldguide_medical.finding_rules import context_rules, finding_rules
from fieldguide_medical.report_findings import State, find_mentions
from fieldguide_medical.report_sections import Section, sections_of_the_image

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTIONS = ("findings", "impression")
"""What describes the image; history, technique and comparison do not."""
WHOLE = ("report", "report_text")
"""Read where a row has neither section in a column of its own."""
FINDINGS = "ct_rate_18"
_SAID = {State.PRESENT: "present", State.ABSENT: "absent"}


def report_captions(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sentences of a row's report, of which a training draws one each time.

    The sampling is that of Zhang et al. 2020, "Contrastive Learning of Medical Visual
    Representations from Paired Images and Text" (arXiv:2010.00747).

    Args:
        record: a manifest row with columns ``findings`` and ``impression``, or ``report`` or
            ``report_text``; capitals do not matter.

    Raises:
        ContractError: there is no sentence in them.

    >>> report_captions({"Findings": "Heart size is normal. Lungs clear.", "impression": None})
    ('Heart size is normal.',)
    >>> report_captions({"report": "INDICATION: Pain in the chest. FINDINGS: No nodule is seen."})
    ('No nodule is seen.',)
    """
    for texts in _texts(record):
        sections = [section for text in texts for section in _of_the_image(text)]
        sentences = [each for section in sections for each in report_sentences(section.text)]
        if sentences:
            return tuple(dict.fromkeys(sentences))
    raise _nothing()


def section_captions(record: Mapping[str, Any]) -> tuple[Caption, ...]:
    """Return the sections of a row's report, of which a training draws one each time.

    Reports with a heading for each organ give a text an organ, as Blankemeier et al. 2024 draw
    them: "Merlin: A Vision Language Foundation Model for 3D Computed Tomography"
    (arXiv:2406.06512).

    Args:
        record: a row as :func:`report_captions` reads it.

    Raises:
        ContractError: there is no section with a sentence.

    >>> [(str(text), text.template) for text in section_captions(
    ...     {"report": "FINDINGS: LUNGS: No nodule is seen. Heart: Normal in size."})]
    [('No nodule is seen.', 'section:lungs'), ('Normal in size.', 'section:heart')]
    """
    for texts in _texts(record):
        captions = [
            Caption(" ".join(section.text.split()), f"section:{section.name or 'report'}")
            for text in texts
            for section in _of_the_image(text)
            if report_sentences(section.text)
        ]
        if captions:
            return tuple(captions)
    raise _nothing()


def finding_captions(record: Mapping[str, Any]) -> tuple[Caption, ...]:
    """Return the sentences of a row's report that state one of the 18 findings of CT-RATE.

    Sentences in which a finding is uncertain are left out. Each caption's ``template`` names the
    first finding and whether it is present or absent.

    Args:
        record: a row as :func:`report_captions` reads it.

    Returns:
        None where the report states no finding.

    Raises:
        ContractError: there is no text.

    >>> found = finding_captions({"report": "Clear airways are seen. No nodule is seen."})
    >>> [(str(text), text.template) for text in found]
    [('No nodule is seen.', 'ct_rate_18/1:lung_nodule_absent')]
    """
    every = list(_texts(record))
    if not any(every):
        raise _nothing()
    rules = finding_rules(FINDINGS)
    captions: dict[str, Caption] = {}
    for text in (text for texts in every for text in texts):
        mentions = find_mentions(text, rules)
        doubtful = {each.sentence for each in mentions if each.state is State.UNCERTAIN}
        for mention in mentions:
            sentence = " ".join(text[slice(*mention.sentence)].split())
            if mention.sentence in doubtful or not report_sentences(sentence):
                continue
            said = f"{mention.label.lower().replace(' ', '_')}_{_SAID[mention.state]}"
            template = f"{rules.name}/{rules.version}:{said}"
            captions.setdefault(sentence, Caption(sentence, template))
    return tuple(captions.values())


def _texts(record: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the texts of the sections' own columns, and those of whole reports."""
    cells = {str(column).lower(): value for column, value in record.items()}
    own, whole = (
        [cells[name] for name in columns if isinstance(cells.get(name), str)]
        for columns in (SECTIONS, WHOLE)
    )
    return own, whole


def _of_the_image(text: str) -> tuple[Section, ...]:
    return sections_of_the_image(text, context_rules().ignored_sections)


def _nothing() -> ContractError:
    return ContractError(
        "its row has no sentence of three words in the columns findings, impression, report or "
        "report_text. Fill one of them."
    )
