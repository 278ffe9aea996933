"""Scientific names taken apart: genus, epithets, author, hybrid, and what is not determined.

By the rules of the International Codes of Zoological Nomenclature (4th ed., articles 4 to 6, 51)
and of Nomenclature for algae, fungi, and plants (Madrid Code, articles 20 to 24, H.1 to H.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HYBRID = "\u00d7"
"""The multiplication sign."""

_LOWER = "a-z\u00df-\u00f6\u00f8-\u00ff\u0101\u0113\u0115\u011b\u012b\u014d\u0153\u016b"
_GENUS = re.compile(rf"[A-Z\u00c0-\u00d6\u00d8-\u00dd\u0152][{_LOWER}]+(?:-[A-Z]?[{_LOWER}]+)*")
_ABBREVIATED = re.compile(r"[A-Z][a-z]{0,2}\.")
_EPITHET = re.compile(rf"(?:\d{{1,2}}-)?[{_LOWER}]+(?:[-'\u2019][{_LOWER}]+)*")
_SUBGENUS = re.compile(rf"\(({_GENUS.pattern})\)")
_CULTIVAR = re.compile(r"['\u2018][^'\u2019]+['\u2019]")
_HYBRID_SIGN = re.compile(r"(?:(?<=\s)|^)[xX](?=\s)|\u00d7")
_AUTHOR = re.compile(r"[^\W\d_a-z]|[(\[&'\u2018]|\d{4}")

_BELOW_GENUS = frozenset(("subg", "subgen", "sect", "subsect", "ser", "subser"))
"""Markers of ranks between genus and species, without the dot."""
_BELOW_SPECIES = frozenset(
    (
        *("subsp", "ssp", "var", "subvar", "f", "fo", "forma", "form", "subf", "convar", "morph"),
        *("nothosubsp", "nothossp", "nothovar", "nothof", "race", "ab", "agg", "prol", "lusus"),
        *("pv", "bv", "mut", "nat"),
    )
)
"""Markers of ranks below the species, without the dot."""
_UNDETERMINED = frozenset(("sp", "spp", "cf", "aff", "indet", "nr", "gr", "species", "spec"))
"""What stands where, or before, an epithet is not certain."""
_PARTICLES = frozenset(
    (
        *("de", "da", "di", "do", "du", "del", "della", "des", "dos", "dal", "van", "von", "vom"),
        *("der", "den", "ten", "ter", "la", "le", "el", "al", "zu", "zur", "af", "av", "et", "ex"),
        *(
            "in",
            "and",
            "y",
            "e",
            "non",
            "nec",
            "not",
            "auct",
            "auctt",
            "auctorum",
            "sensu",
            "emend",
        ),
        *("fil", "filius", "bis", "nom", "ined", "s", "pro", "sic", "hort", "apud", "van't"),
    )
)
"""Words in lower case with which the author, or a remark about the name, begins."""
_NO_GENUS = frozenset(("Candidatus",))
"""Words in front of names that are written like a genus."""


@dataclass(frozen=True, slots=True)
class ParsedName:
    """A name taken apart.

    Attributes:
        canonical: without authors, subgenus and rank markers; a hybrid's sign stands before its
            word. The whole text where it could not be taken apart.
        authorship: all that follows, or empty.
        qualifier: ``sp.``, ``cf.`` ... where the name is not determined that far; ``canonical``
            is then the part that is certain.
        is_formula: a hybrid named by its parents; the canonical name is the formula.
        understood: whether the text has the form of a name.
    """

    canonical: str
    authorship: str = ""
    qualifier: str = ""
    is_formula: bool = False
    understood: bool = True


def parse_name(text: str) -> ParsedName:
    """Take a scientific name apart.

    >>> parse_name("Aedes (Stegomyia) aegypti (Linnaeus, 1762)").canonical
    'Aedes aegypti'
    >>> parse_name("Motacilla alba L. subsp. yarrellii Gould").canonical
    'Motacilla alba yarrellii'
    >>> parse_name("Mentha x piperita L.").canonical
    'Mentha \u00d7piperita'
    >>> found = parse_name("Turdus cf. merula")
    >>> found.canonical, found.qualifier
    ('Turdus', 'cf.')
    """
    words = _HYBRID_SIGN.sub(f" {HYBRID} ", " ".join(text.split())).split()
    if _is_formula(words):
        return ParsedName(" ".join(words), is_formula=True)
    genus, rest = _genus(words)
    if not genus:
        return ParsedName(_joined(words), understood=False)
    if len(rest) == 1 and _SUBGENUS.fullmatch(rest[0]):
        return ParsedName(rest[0].strip("()"))
    if len(rest) > 1 and _bare(rest[0]) in _BELOW_GENUS and _GENUS.fullmatch(rest[1]):
        return ParsedName(rest[1], " ".join(rest[2:]))
    if len(rest) > 1 and _SUBGENUS.fullmatch(rest[0]) and _is_epithet(rest[1]):
        rest = rest[1:]
    return _species_or_genus(genus, rest, _joined(words))


def _species_or_genus(genus: str, rest: list[str], whole: str) -> ParsedName:
    epithets, author = _epithets(rest)
    if author and _bare(author[0]) in _UNDETERMINED:
        return ParsedName(" ".join([genus, *epithets]), qualifier=author[0])
    if _CULTIVAR.fullmatch(" ".join(author)):
        return ParsedName(whole)
    epithets, author = _below_species(epithets, author)
    if author and not _is_author(author[0]):
        return ParsedName(whole, understood=False)
    return ParsedName(" ".join([genus, *epithets]), " ".join(author))


def _below_species(epithets: list[str], author: list[str]) -> tuple[list[str], list[str]]:
    """Return the first and the last epithet; authors may stand before the last one, too."""
    for place in range(len(author) - 1):
        if _bare(author[place]) in _BELOW_SPECIES:
            more, after = _epithets(author[place:])
            if more:
                epithets, author = [*epithets, *more], after
                break
    return (epithets if len(epithets) < 3 else [epithets[0], epithets[-1]]), author


def _epithets(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the epithets at the start, without markers, and the words after them."""
    found: list[str] = []
    place = 0
    while place < len(words):
        word, after = words[place], words[place + 1] if place + 1 < len(words) else ""
        if word == HYBRID and _is_epithet(after):
            found.append(HYBRID + after)
            place += 2
        elif _bare(word) in _BELOW_SPECIES and (_is_epithet(after) or after == HYBRID):
            place += 1
        elif _is_epithet(word):
            found.append(word)
            place += 1
        else:
            break
    return found, words[place:]


def _genus(words: list[str]) -> tuple[str, list[str]]:
    """Return the first word, with its hybrid's sign, and the others; empty where it is no genus."""
    sign, rest = ("", words) if words[:1] != [HYBRID] else (HYBRID, words[1:])
    if not rest or rest[0] in _NO_GENUS:
        return "", rest
    if _GENUS.fullmatch(rest[0]) or (_ABBREVIATED.fullmatch(rest[0]) and len(rest) > 1):
        return sign + rest[0], rest[1:]
    return "", rest


def _is_formula(words: list[str]) -> bool:
    """Return whether two parents stand around a hybrid's sign."""
    if HYBRID not in words[1:-1]:
        return False
    place = words.index(HYBRID, 1)
    before = [word for word in words[:place] if word != HYBRID]
    is_name = _GENUS.fullmatch(words[place + 1]) or _ABBREVIATED.fullmatch(words[place + 1])
    return bool(is_name) or (len(before) > 1 and _is_epithet(before[1]))


def _is_epithet(word: str) -> bool:
    return (
        _EPITHET.fullmatch(word) is not None
        and len(word) > 1
        and word not in _PARTICLES
        and word not in _UNDETERMINED
    )


def _is_author(word: str) -> bool:
    return _AUTHOR.match(word) is not None or _bare(word) in _PARTICLES or word.startswith("d'")


def _bare(word: str) -> str:
    return word.removesuffix(".").lower()


def _joined(words: list[str]) -> str:
    return " ".join(words).replace(f"{HYBRID} ", HYBRID)
