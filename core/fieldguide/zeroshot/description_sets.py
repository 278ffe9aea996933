"""Sentences about classes: what they look like, where they live. Read from files, matched by name.

Menon and Vondrick 2022, "Visual Classification via Description from Large Language Models"
(arXiv:2210.07183), and Pratt et al. 2023, "What does a platypus look like? Generating customized
prompts for zero-shot image classification" (CuPL, arXiv:2209.03320), describe classes in sentences;
Saha et al. 2024, "Improved Zero-Shot Classification by Adapting VLMs with Text Descriptions"
(arXiv:2401.02460), train with sentences on appearance, habitat and location.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from fieldguide.specs import Name, Record
from fieldguide.zeroshot.class_sets import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

UNSORTED = "description"
"""The kind of sentences whose file names none."""


class Described(Record):
    """One class with its sentences.

    Attributes:
        label: the class, as the file writes it.
        names: what else it is called; matched like the label.
        sentences: by kind, such as ``appearance`` or ``habitat``.
    """

    label: str = Field(min_length=1)
    names: tuple[str, ...] = ()
    sentences: dict[Name, tuple[str, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _sentences_say_something(self) -> Self:
        texts = [text for group in self.sentences.values() for text in group]
        if not texts or not all(text.strip() for text in texts):
            raise ValueError(f"{self.label!r} has no sentence, or an empty one")
        return self

    def texts(self, kinds: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the sentences of some kinds, or of all, in the order of the file."""
        wanted = set(self.sentences if kinds is None else kinds)
        return tuple(
            text for kind, texts in self.sentences.items() if kind in wanted for text in texts
        )


class DescriptionSet(Record):
    """Classes with sentences about each, as a file has them.

    Attributes:
        name: of the set.
        version: changes when any sentence does; "" where the file does not say.
        source: who wrote the sentences, or what; "" where the file does not say.
        licence: of the sentences; "" where the file does not say.
        classes: each with its sentences.
    """

    name: str
    version: str = ""
    source: str = ""
    licence: str = ""
    classes: tuple[Described, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_of_one_class(self) -> Self:
        self.by_name()
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in order."""
        return tuple(entry.label for entry in self.classes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of sentences, in the order in which they come first."""
        return tuple(dict.fromkeys(kind for entry in self.classes for kind in entry.sentences))

    def by_name(self) -> dict[str, Described]:
        """Return the classes by the :func:`~fieldguide.zeroshot.class_sets.bare` names they have.

        Raises:
            ValueError: two classes share a name.
        """
        found: dict[str, Described] = {}
        for entry in self.classes:
            for name in (entry.label, *entry.names):
                owner = found.setdefault(bare(name), entry)
                if owner is not entry:
                    raise ValueError(f"{name!r} names both {owner.label!r} and {entry.label!r}")
        return found

    def match(self, names: Mapping[str, Sequence[str]]) -> Matched:
        """Return the sentences of labels, found by any of their names.

        Names are compared without case, spaces and signs: ``Black_footed_Albatross`` is
        "black-footed albatross". Nothing else counts as the same: a near name is no match.

        Args:
            names: what each label is called, the surest first.
        """
        known = self.by_name()
        found: dict[str, Described] = {}
        for label, called in names.items():
            for name in (label, *called):
                if (entry := known.get(bare(name))) is not None:
                    found[label] = entry
                    break
        used = {entry.label for entry in found.values()}
        return Matched(
            found=found,
            without=tuple(label for label in names if label not in found),
            unused=tuple(label for label in self.labels if label not in used),
        )


@dataclass(frozen=True)
class Matched:
    """Labels with the sentences that a set has of them.

    Attributes:
        found: the entry of each label that has one.
        without: labels that the set does not describe.
        unused: classes of the set that no label asks for.
    """

    found: Mapping[str, Described]
    without: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the labels, how many have sentences: 0 to 1."""
        total = len(self.found) + len(self.without)
        return len(self.found) / total if total else 0.0
