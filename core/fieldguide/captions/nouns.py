"""Names of classes as nouns of a sentence: in words, in singular and in plural."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.errors import ContractError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = Path(__file__).parent / "templates" / "nouns.yaml"

_JOINT = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HISSING = ("s", "x", "z", "ch", "sh")
_ADDS_ES = ("x", "ch", "sh", "ss", "us")
"""Before "es" in a plural; others end in "e" themselves, as house does."""
_NO_PLURAL = ("ss", "us", "is")


class Grammar(Record):
    """The exceptions of English; see ``templates/nouns.yaml``."""

    version: str
    source: str
    licence: str
    invariable: frozenset[str]
    irregular: dict[str, str]
    singular_in_s: frozenset[str]
    not_men: frozenset[str]
    uncounted: frozenset[str]


@functools.cache
def grammar() -> Grammar:
    """Return the exceptions that come with the package."""
    return Grammar(**load_yaml(FILE))


@dataclass(frozen=True, slots=True)
class Noun:
    """A class in a sentence: "one ``singular``", "two ``plural``"."""

    singular: str
    plural: str

    def counted(self, count: object) -> str:
        """Return the form behind a number or "many"."""
        return self.singular if count == 1 else self.plural


def words_of(label: str) -> str:
    """Return a label in words, in lower case but for abbreviations.

    >>> [words_of(label) for label in ("ground_track_field", "StorageTank", "RBC", "small-vehicle")]
    ['ground track field', 'storage tank', 'RBC', 'small vehicle']
    """
    printable = "".join(each if each.isprintable() else " " for each in label)
    parted = _JOINT.sub(" ", printable).replace("_", " ").replace("-", " ")
    return " ".join(w if _is_abbreviation(w) else w.lower() for w in parted.split())


@functools.lru_cache(maxsize=4096)  # the same classes stand in every row
def noun_of(label: str, plural: str | None = None) -> Noun:
    """Return a class as a noun; a label that is a plural already gives both forms as well.

    Args:
        label: of the class.
        plural: where the rules would be wrong.

    Raises:
        ContractError: the label has no letter or digit.

    >>> noun_of("ground_track_field")
    Noun(singular='ground track field', plural='ground track fields')
    >>> noun_of("people"), noun_of("water").plural, noun_of("RBC").plural
    (Noun(singular='person', plural='people'), 'areas of water', 'RBCs')
    """
    text = words_of(label)
    if not any(character.isalnum() for character in text):
        raise ContractError(f"the class {label!r} has no name. Give it one.")
    if plural is not None:
        return Noun(text, " ".join(plural.split()))
    if text in grammar().uncounted:
        return Noun(f"area of {text}", f"areas of {text}")
    before, space, last = text.rpartition(" ")
    one = _singular(last) or last
    return Noun(before + space + one, before + space + _plural(one))


def nouns_of(labels: Iterable[str], plurals: Mapping[str, str] | None = None) -> dict[str, Noun]:
    """Return the noun of each class.

    Raises:
        ContractError: two classes read alike, so that a caption could not tell them apart.
    """
    given = plurals or {}
    nouns = {label: noun_of(label, given.get(label)) for label in labels}
    owners: dict[str, str] = {}
    for label, noun in nouns.items():
        for form in (noun.singular.casefold(), noun.plural.casefold()):
            if owners.setdefault(form, label) != label:
                raise ContractError(
                    f"the classes {owners[form]!r} and {label!r} are both {form!r} in a sentence. "
                    "Rename one, or give it another name in the --classes-file."
                )
    return nouns


def _is_abbreviation(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _plural(word: str) -> str:
    """Return the plural of one word."""
    rules = grammar()
    if word in rules.invariable:
        return word
    if word in rules.irregular:
        return rules.irregular[word]
    if _is_abbreviation(word) or word[-1].isdigit():
        return f"{word}s"
    if word.endswith("man") and word not in rules.not_men:
        return f"{word[:-3]}men"
    if word.endswith(_HISSING):
        return f"{word}es"
    is_y = word.endswith("y") and word[-2:-1] not in set("aeiou") and len(word) > 1
    return f"{word[:-1]}ies" if is_y else f"{word}s"


def _singular(word: str) -> str | None:
    """Return the singular of a word that is a plural, else None."""
    rules = grammar()
    for one, many in rules.irregular.items():
        if word == many:
            return one
    if word in rules.invariable | rules.singular_in_s or _is_abbreviation(word):
        return None
    if word.endswith("men") and word not in ("men", "women"):
        return _if_regular(f"{word[:-3]}man", word)
    if not word.endswith("s") or word.endswith(_NO_PLURAL):
        return None
    stem = word.removesuffix("es")
    with_es = stem != word and stem.endswith(_ADDS_ES) and not stem.endswith("ous")
    guesses = (
        f"{word[:-3]}y" if word.endswith("ies") else "",
        stem if with_es else word[:-1],
    )
    return next((found for guess in guesses if (found := _if_regular(guess, word))), None)


def _if_regular(one: str, many: str) -> str | None:
    return one if len(one) > 1 and _plural(one) == many else None
