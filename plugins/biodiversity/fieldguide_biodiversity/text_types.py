"""The text types of BioCLIP, by name, and one for models that know few Latin names.

Stevens et al. 2023, "BioCLIP: A Vision Foundation Model for the Tree of Life" (arXiv:2311.18803),
section 3.2: common, scientific and taxonomic name, and the latter two with the common name; in
training one of the five is drawn for each image and step, each with the same chance.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.errors import UnknownNameError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FILE = Path(__file__).parent / "prompts" / "known_groups.yaml"
MIX = "mix"
"""All five of BioCLIP: a training draws one of them each time."""
NAMES = "names"
"""Every common name and the well-known group, each a text: for models that know no Latin."""


@dataclass(frozen=True, slots=True)
class TaxonNames:
    """What one taxon is called; an empty text where that is not known.

    Attributes:
        common: in one language.
        scientific: genus and epithet, or the name of a higher taxon.
        taxonomic: the names of the seven ranks from kingdom to epithet, as far as known.
        group: the well-known group it belongs to, or "".
        more_common: further common names in that language.
    """

    common: str = ""
    scientific: str = ""
    taxonomic: str = ""
    group: str = ""
    more_common: tuple[str, ...] = ()


def com(names: TaxonNames) -> str:
    """Return the common name; else the scientific, else the taxonomic one, as BioCLIP does.

    >>> com(TaxonNames(scientific="Pica hudsonia", taxonomic="Animalia Pica hudsonia"))
    'Pica hudsonia'
    """
    return names.common or names.scientific or names.taxonomic


def sci(names: TaxonNames) -> str:
    """Return the scientific name; else what else it is called."""
    return names.scientific or names.taxonomic or names.common


def taxon(names: TaxonNames) -> str:
    """Return the names of all ranks; else what else it is called."""
    return names.taxonomic or names.scientific or names.common


def sci_com(names: TaxonNames) -> str:
    """Return the scientific name with the common name, where there is one.

    BioCLIP repeats the scientific name in place of a common name that is missing; here it stands
    once.

    >>> sci_com(TaxonNames("black-billed magpie", "Pica hudsonia"))
    'Pica hudsonia with common name black-billed magpie'
    """
    return _with_common(sci(names), names)


def taxon_com(names: TaxonNames) -> str:
    """Return the names of all ranks with the common name, where there is one."""
    return _with_common(taxon(names), names)


def kind(names: TaxonNames) -> str:
    """Return the common name and the nearest well-known group, for models that know no Latin.

    A group that the name itself says is not said again.

    >>> kind(TaxonNames("European robin", "Erithacus rubecula", group="bird"))
    'European robin, a kind of bird'
    >>> kind(TaxonNames("whale shark", "Rhincodon typus", group="shark or ray"))
    'whale shark'
    """
    name = com(names)
    said = {word.casefold() for word in re.findall(r"\w+", name)}
    if not names.group or said & set(re.findall(r"\w+", names.group)) - {"or"}:
        return name
    return f"{name}, a kind of {names.group}" if name else names.group


FIVE: Mapping[str, Callable[[TaxonNames], str]] = {
    "com": com,
    "sci": sci,
    "taxon": taxon,
    "sci_com": sci_com,
    "taxon_com": taxon_com,
}
"""Of BioCLIP."""
TEXT_TYPES: Mapping[str, Callable[[TaxonNames], str]] = {**FIVE, "kind": kind}


def texts_of(names: TaxonNames, text_type: str) -> tuple[str, ...]:
    """Return what a text type says of a taxon: one text, or those of the mix or of all names.

    Raises:
        UnknownNameError: there is no such text type.

    >>> texts_of(TaxonNames("magpie", "Pica pica", "Animalia Pica pica"), "mix")[:2]
    ('magpie', 'Pica pica')
    >>> texts_of(TaxonNames("magpie", "Pica pica", group="bird", more_common=("pie",)), "names")
    ('magpie', 'pie', 'bird')
    """
    if text_type == MIX:
        made = [write(names) for write in FIVE.values()]
        return tuple(dict.fromkeys(text for text in made if text))
    if text_type == NAMES:
        texts = (com(names), *names.more_common, names.group)
        return tuple(dict.fromkeys(text for text in texts if text))
    if text_type not in TEXT_TYPES:
        there = ", ".join((*TEXT_TYPES, MIX, NAMES))
        raise UnknownNameError(f"No text type is named {text_type!r}. There are: {there}.")
    text = TEXT_TYPES[text_type](names)
    return (text,) if text else ()


class KnownGroups(Record):
    """Usual words for the members of taxa; see ``prompts/known_groups.yaml``."""

    version: str
    source: str
    licence: str
    groups: dict[str, str]


@functools.cache
def known_groups() -> KnownGroups:
    """Return the groups that come with the plugin."""
    return KnownGroups(**load_yaml(FILE))


def group_of(lineage: Iterable[str]) -> str:
    """Return the well-known group of a taxon, or "".

    Args:
        lineage: names of the taxa above it, wide to narrow, and its own.

    >>> group_of(["Animalia", "Chordata", "Aves", "Passeriformes"])
    'bird'
    """
    groups = known_groups().groups
    return next((groups[name] for name in reversed(list(lineage)) if name in groups), "")


def _with_common(name: str, names: TaxonNames) -> str:
    """Return a name with the common name; once where they are the same."""
    apart = names.common and names.common.casefold() != name.casefold()
    return f"{name} with common name {names.common}" if apart else name
