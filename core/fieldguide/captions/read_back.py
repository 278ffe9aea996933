"""Reads captions from boxes back: which classes they name, how many, where, and which are absent.

Captions that a program can read are captions that a program can check against their boxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fieldguide.captions.caption_templates import BoxTemplates, Template, box_templates
from fieldguide.captions.nouns import nouns_of
from fieldguide.captions.numbers import FORMS, MANY
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fieldguide.captions.numbers import Many

_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Said:
    """What a caption says.

    Attributes:
        where: "image", "center" or "outside" (the centre).
        counts: of each class that it names.
        absent: the class that is said not to be there, or None.
    """

    where: str
    counts: Mapping[str, int | Many]
    absent: str | None = None


class CaptionReader:
    """Reads captions about known classes.

    Args:
        labels: the classes.
        plurals: of labels whose plural the user gave.

    Raises:
        ContractError: two classes read alike.
    """

    def __init__(self, labels: Iterable[str], plurals: Mapping[str, str] | None = None) -> None:
        self._nouns = nouns_of(labels, plurals)
        self._templates: BoxTemplates = box_templates()

    def read(self, caption: str) -> Said:
        """Return what a caption says.

        Raises:
            UsageError: it is none of ours, or speaks of other classes.
        """
        for name, group in self._templates.groups:
            for template in group:
                found = self._pattern(template).fullmatch(caption)
                said = None if found is None else self._said(name, found.groupdict())
                if said is not None:
                    return said
        raise UsageError(f"{caption!r} is no caption from boxes of these classes.")

    @cached_property
    def _phrases(self) -> dict[str, tuple[str, int | Many]]:
        """Every phrase of a number and a noun, with what it means."""
        known: dict[str, tuple[str, int | Many]] = {}
        for label, noun in self._nouns.items():
            for form in FORMS:
                for count, word in enumerate(form[: self._templates.many_above], start=1):
                    known[f"{word} {noun.counted(count)}"] = (label, count)
            for word in self._templates.many:
                known[f"{word} {noun.plural}"] = (label, MANY)
        return known

    @cached_property
    def _plurals(self) -> dict[str, str]:
        return {noun.plural: label for label, noun in self._nouns.items()}

    def _pattern(self, template: Template) -> re.Pattern[str]:
        """Return a pattern of the sentence; its first letter may be a capital."""
        parts = _PLACE.split(template.text)
        written = [re.escape(part) if i % 2 == 0 else _GROUPS[part] for i, part in enumerate(parts)]
        return re.compile("".join(written))

    def _said(self, group: str, found: Mapping[str, str | None]) -> Said | None:
        listed, absent = found.get("objects"), found.get("absent")
        counts = {} if listed is None else self._counts(listed)
        if counts is None or (absent is not None and absent not in self._plurals):
            return None
        where = group if group in ("center", "outside") else "image"
        return Said(where, counts, None if absent is None else self._plurals[absent])

    def _counts(self, listed: str) -> dict[str, int | Many] | None:
        """Return what a list of objects means, or None where it is no such list."""
        counts: dict[str, int | Many] = {}
        for listed_first in (listed, listed[:1].lower() + listed[1:]):
            if self._take(listed_first, counts):
                return counts
        return None

    def _take(self, rest: str, counts: dict[str, int | Many]) -> bool:
        """Fill the counts from a list, its longest phrases first; return whether it fits."""
        for phrase, (label, count) in self._phrases.items():
            if rest == phrase:
                counts[label] = count
                return True
            for link in (", ", " and "):
                if rest.startswith(phrase + link) and self._take(
                    rest[len(phrase + link) :], counts
                ):
                    counts[label] = count
                    return True
        return False


_GROUPS = {"objects": "(?P<objects>.+)", "is": "(?:is|are)", "absent": "(?P<absent>.+)"}
