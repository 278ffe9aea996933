"""What reports state of findings: present, absent, uncertain, or nothing."""

from __future__ import annotations

import random
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import UnknownNameError, UsageError
from fieldguide_medical.finding_rules import FindingRule, Term, context_rules, finding_rules
from fieldguide_medical.report_findings import State, find_mentions, findings
from fieldguide_medical.report_text import compile_phrase, words_of

if TYPE_CHECKING:
    from pathlib import Path

RULES = finding_rules("ct_rate_18")
PRESENT, ABSENT, UNCERTAIN = State.PRESENT, State.ABSENT, State.UNCERTAIN
TERMS = [
    (rule, term) for rule in RULES.findings for term in rule.terms if term.meaning == "present"
]
UNRELATED = (
    "The liver is normal in size.",
    "Vertebral heights are preserved.",
    "No fracture was observed.",
    "The gallbladder was removed.",
    "Is there possibly a cyst in the liver?",
)


def said(text: str) -> dict[str, State]:
    """Return what is mentioned, by finding."""
    return {label: state for label, state in findings(text, RULES).items() if state is not None}


def written(term: Term, chance: random.Random) -> str:
    """Return words that a term fits, with one of the words it must stand with."""
    phrase = term.phrase
    if term.together:
        phrase += f" {term.together[0]}"
    parts = [part for part in phrase.split() if part not in ("~", "...") and part[0] != "["]
    return " ".join(chance.choice(part.split("/")).rstrip("*") for part in parts)


@pytest.mark.parametrize(
    ("text", "label", "state"),
    [
        ("Heart size is enlarged.", "Cardiomegaly", PRESENT),
        ("The cardiothoracic index increased in favor of the heart.", "Cardiomegaly", PRESENT),
        ("Heart contour and size are normal.", "Cardiomegaly", ABSENT),
        ("The heart is not enlarged.", "Cardiomegaly", ABSENT),
        ("Pericardial effusion-thickening was not observed.", "Pericardial effusion", ABSENT),
        ("No evidence of pleural effusion.", "Pleural effusion", ABSENT),
        ("Pleural effusion cannot be excluded.", "Pleural effusion", UNCERTAIN),
        ("A small nodule may represent scarring.", "Lung nodule", PRESENT),
        ("Consolidation in the left lower lobe?", "Consolidation", PRESENT),
        ("Area in the left lobe (consolidation?).", "Consolidation", UNCERTAIN),
        ("No effusion, but a nodule is seen in the right lobe.", "Lung nodule", PRESENT),
        ("A nodule is seen and consolidation was not observed.", "Lung nodule", PRESENT),
        ("A nodule is seen and consolidation was not observed.", "Consolidation", ABSENT),
        ("No mass was detected, and there are emphysematous changes.", "Emphysema", PRESENT),
        ("No significant increase in the size of the nodule.", "Lung nodule", PRESENT),
        ("Mosaic attenuation, unlikely.", "Mosaic attenuation pattern", ABSENT),
        ("Ground-glass densities have disappeared.", "Lung opacity", ABSENT),
    ],
)  # fmt: skip
def test_sentences_are_read_as_a_person_reads_them(text: str, label: str, state: State) -> None:
    assert said(text)[label] is state


@pytest.mark.parametrize(
    "text",
    [
        "Rule out consolidation.",
        "History of emphysema.",
        "Family history of bronchiectasis.",
        "INDICATION: Emphysema and a nodule. COMPARISON: Atelectasis. TECHNIQUE: Catheter.",
        "CLINICAL HISTORY: Known pleural effusion.",
        "Subcutaneous emphysema is seen.",
        "A hypodense nodule is seen in the thyroid gland.",
        "The sternum is intact.",
        "",
    ],
)
def test_what_is_not_of_this_image_is_not_mentioned(text: str) -> None:
    assert said(text) == {}


def test_a_report_that_goes_on_behind_a_comparison_without_a_heading_is_read() -> None:
    text = ("Comparison: CT of last May, nodule. The airways are open. The liver is normal. "
            "Pleural effusion is seen. Bones are intact.")  # fmt: skip
    assert said(text) == {"Pleural effusion": PRESENT}


def test_one_effusion_is_enough_whatever_other_sentences_say() -> None:
    text = "No pleural effusion on the right. Minimal pleural effusion is seen on the left."
    assert said(text)["Pleural effusion"] is PRESENT


def test_a_mention_names_its_sentence_phrase_and_trigger() -> None:
    text = "FINDINGS: The lungs are clear. No evidence of pleural effusion."
    mention = find_mentions(text, RULES)[0]
    assert text[slice(*mention.sentence)] == "No evidence of pleural effusion."
    assert text[slice(*mention.phrase)] == "pleural effusion"
    assert mention.cue is not None
    assert text[slice(*mention.cue)] == "No evidence of"
    assert mention.trigger == "negated_before_finding"


@pytest.mark.parametrize(
    ("rule", "term"), TERMS, ids=[f"{rule.label}: {term.phrase}" for rule, term in TERMS]
)
def test_every_term_is_present_alone_absent_after_no_and_uncertain_after_possible(
    rule: FindingRule, term: Term
) -> None:
    words = written(term, random.Random(0))
    assert findings(f"{words.capitalize()} is seen.", RULES)[rule.label] is PRESENT
    assert findings(f"No evidence of {words}.", RULES)[rule.label] is ABSENT
    assert findings(f"Possible {words}.", RULES)[rule.label] is UNCERTAIN


@given(st.sampled_from(TERMS), st.sampled_from(TERMS), st.randoms(use_true_random=False))
def test_no_scope_crosses_a_sentence(
    negated: tuple[FindingRule, Term], stated: tuple[FindingRule, Term], chance: random.Random
) -> None:
    first, second = written(negated[1], chance), written(stated[1], chance)
    before = findings(f"No evidence of {first}. {second.capitalize()} is seen.", RULES)
    after = findings(f"{second.capitalize()} is seen. {first.capitalize()} is absent.", RULES)
    assert before[stated[0].label] is PRESENT
    assert after[stated[0].label] is PRESENT


@given(
    st.lists(st.sampled_from(TERMS), min_size=1, max_size=3),
    st.sampled_from(UNRELATED),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_an_unrelated_sentence_changes_nothing(
    terms: list[tuple[FindingRule, Term]], other: str, place: int, chance: random.Random
) -> None:
    starts = ("No ", "Possible ", "There is ")
    sentences = [f"{chance.choice(starts)}{written(term, chance)}." for _, term in terms]
    longer = [*sentences[:place], other, *sentences[place:]]
    assert findings(" ".join(longer), RULES) == findings(" ".join(sentences), RULES)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader_and_places_lie_in_the_text(text: str) -> None:
    for mention in find_mentions(f"{text} no nodule {text}", RULES):
        start, end = mention.phrase
        assert 0 <= mention.sentence[0] <= start < end <= mention.sentence[1]


def test_hostile_lengths_are_read_in_time() -> None:
    text = "no nodule was heart of the " * 2000
    assert find_mentions(text, RULES)


def test_places_of_words_are_those_in_the_report() -> None:
    words = words_of("A Ground-glass area.", 0, 20)
    found = compile_phrase("ground glass").search(words.text)
    assert found is not None
    assert words.place(*found.span()) == (2, 14)


def test_labels_are_those_of_the_class_set() -> None:
    path = files("fieldguide_medical") / "prompts/ct_rate_18.yaml"
    entries = yaml.safe_load(path.read_text("utf-8"))["classes"]
    assert set(RULES.labels) == {entry["label"] for entry in entries}


def test_triggers_are_distinct() -> None:
    ids = [trigger.id for trigger in context_rules().triggers]
    assert len(set(ids)) == len(ids)


def test_rules_of_ones_own_are_read_and_faults_are_named(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: mine\nversion: '1'\nsource: me\nlicence: MIT\n"
                   "findings:\n  - {label: Cyst, terms: [cyst*]}\n")  # fmt: skip
    assert findings("No cysts are seen.", finding_rules(str(own))) == {"Cyst": ABSENT}
    own.write_text("name: mine\nversion: '1'\nsource: me\nlicence: MIT\n"
                   "findings:\n  - {label: Cyst, terms: ['~ cyst']}\n")  # fmt: skip
    with pytest.raises(UsageError, match="begin and end with a word"):
        finding_rules(str(own))
    with pytest.raises(UnknownNameError, match="ct_rate_18"):
        finding_rules("ct_rate")
