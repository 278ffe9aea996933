"""The sentences of captions from boxes: versioned data with source and licence."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from fieldguide.captions.numbers import WORDS
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Name, Record

FILE = Path(__file__).parent / "templates" / "boxes.yaml"


class Template(Record):
    """One sentence with places for words in braces."""

    id: Name
    text: str = Field(min_length=1)


Group = tuple[Template, ...]


class BoxTemplates(Record):
    """Sentences about objects, by what they say; ``templates/boxes.yaml`` explains the fields."""

    version: str
    source: str
    licence: str
    many_above: int = Field(ge=1, le=len(WORDS))
    many: tuple[str, ...] = Field(min_length=1)
    center_fraction: float = Field(gt=0, lt=1)
    most_classes: int = Field(ge=1)
    center: Group = Field(min_length=2)
    outside: Group = Field(min_length=2)
    image: Group = Field(min_length=3)
    absent: Group = Field(min_length=1)
    absent_beside: Group = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [template.id for _, group in self.groups for template in group]
        if len(set(ids)) < len(ids):
            raise ValueError("two templates have the same id")
        return self

    @property
    def groups(self) -> tuple[tuple[str, Group], ...]:
        """The templates by what they speak of."""
        names = ("center", "outside", "image", "absent", "absent_beside")
        return tuple((name, getattr(self, name)) for name in names)

    def name_of(self, template: Template) -> str:
        """Return what is written beside a caption."""
        return f"boxes/{self.version}:{template.id}"


@functools.cache
def box_templates() -> BoxTemplates:
    """Return the sentences that come with the package."""
    return BoxTemplates(**load_yaml(FILE))
