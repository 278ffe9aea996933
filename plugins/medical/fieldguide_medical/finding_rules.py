"""The rules of report findings: versioned data with source and licence."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fieldguide.errors import UnknownNameError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Name, Record
from fieldguide.yaml_records import read_record
from fieldguide_medical.report_text import phrase_pattern

FOLDER = Path(__file__).parent / "report_rules"
SETS = FOLDER / "sets"


def _readable(phrase: str) -> str:
    phrase_pattern(phrase)
    return phrase


Phrase = Annotated[str, AfterValidator(_readable)]
Phrases = tuple[Phrase, ...]
Meaning = Literal["absent", "uncertain", "elsewhere"]


class Trigger(Record):
    """Phrases that change what is said of the findings in their scope.

    Attributes:
        id: by which an explanation names it.
        meaning: the finding is absent; is uncertain; or is not one of this image now: history,
            family, a question, a recommendation.
        scope: the words after the phrase, those before it, or both.
        max_words: how far the scope reaches; as far as the clause where it is not given.
    """

    id: Name
    meaning: Meaning
    scope: Literal["after", "before", "both"]
    max_words: int | None = Field(default=None, ge=1)
    phrases: Phrases = Field(min_length=1)


class ContextRules(Record):
    """What Harkema et al. 2009 call the lexicon of ConText, in the words of radiology.

    Attributes:
        pseudo: phrases that hold a trigger but are none.
        ends: phrases that end every scope.
        ends_before: phrases that end a scope that reaches backwards: what stands before them has
            a verb of its own.
        ignored_sections: whose sentences do not describe the image.
    """

    version: str
    source: str
    licence: str
    triggers: tuple[Trigger, ...] = Field(min_length=1)
    pseudo: Phrases = ()
    ends: Phrases = ()
    ends_before: Phrases = ()
    ignored_sections: tuple[str, ...] = ()


class Term(Record):
    """A phrase that names a finding.

    Attributes:
        phrase: as ``report_text`` explains.
        together: it counts only in a sentence with one of these.
        unless: it does not count in a sentence with one of these.
        meaning: present, or what the phrase itself says: "heart size is normal" is absent.
    """

    phrase: Phrase
    together: Phrases = ()
    unless: Phrases = ()
    meaning: Literal["present", "absent"] = "present"


class FindingRule(Record):
    """One finding.

    Attributes:
        label: as results and data sets write it.
        terms: what names it.
        masked: longer phrases that hold a term and mean something else.
    """

    label: str = Field(min_length=1)
    terms: tuple[Term, ...] = Field(min_length=1)
    masked: Phrases = ()

    @model_validator(mode="before")
    @classmethod
    def _plain_terms(cls, value: object) -> object:
        """Take ``terms: [effusion]`` for ``terms: [{phrase: effusion}]``."""
        if not isinstance(value, dict) or not isinstance(value.get("terms"), list):
            return value
        terms = [{"phrase": each} if isinstance(each, str) else each for each in value["terms"]]
        return value | {"terms": terms}


class FindingRules(Record):
    """The findings of one set.

    Attributes:
        name: of the set.
        version: changes when any rule does.
        source: of the labels, and what the rules were written on.
    """

    name: Name
    version: str
    source: str
    licence: str
    findings: tuple[FindingRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("two findings have the same label")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in order."""
        return tuple(finding.label for finding in self.findings)


@functools.cache
def context_rules() -> ContextRules:
    """Return the triggers that come with the plugin."""
    return ContextRules(**load_yaml(FOLDER / "context.yaml"))


def finding_rules(name: str) -> FindingRules:
    """Return a set of findings by its name, or from a YAML file of the user's.

    Raises:
        UnknownNameError: there is no such set.
        UsageError: the file cannot be read or does not fit.
    """
    if name.endswith((".yaml", ".yml")):
        return read_record(Path(name), FindingRules, "It needs name, version and findings.")
    known = sorted(path.stem for path in SETS.glob("*.yaml"))
    if name not in known:
        raise UnknownNameError(
            f"No set of report findings is named {name!r}. There are: {', '.join(known)}. "
            "A file of your own ends in .yaml."
        )
    return _own_rules(name)


@functools.cache
def _own_rules(name: str) -> FindingRules:
    return FindingRules(**load_yaml(SETS / f"{name}.yaml"))
