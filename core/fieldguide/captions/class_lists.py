"""Which number of an annotation is which class: a text file or a YAML file of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record, list_faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 4 * 2**20
BACKGROUND_NAMES = frozenset({"background", "unlabeled", "unlabelled", "nodata", "void", "ignore"})
"""Names of classes that are no class, in lower case; a YAML file may say ``background`` instead."""


class ClassList(Record):
    """The classes of an annotation.

    Attributes:
        names: of each number.
        background: numbers of a label raster that are no class: background, nodata.
        plurals: of names whose plural is not the usual one.
    """

    names: dict[int, str] = Field(min_length=1)
    background: tuple[int, ...] = ()
    plurals: dict[str, str] = Field(default_factory=dict)

    @field_validator("names", mode="before")
    @classmethod
    def _numbered(cls, names: Any) -> Any:
        """Number a list of names from 0."""
        return dict(enumerate(names)) if isinstance(names, list | tuple) else names

    @field_validator("background", mode="before")
    @classmethod
    def _one_or_more(cls, numbers: Any) -> Any:
        return (numbers,) if isinstance(numbers, int) else numbers

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = list(self.names.values())
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled or not all(name.strip() for name in names):
            raise ValueError(f"a name is empty or there twice: {', '.join(doubled)}")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of what is a class, in the order of their numbers."""
        return tuple(self.objects[number] for number in sorted(self.objects))

    @property
    def objects(self) -> dict[int, str]:
        """The names of the numbers that are no background."""
        return {
            number: name
            for number, name in self.names.items()
            if number not in self.background and name.lower() not in BACKGROUND_NAMES
        }

    def label(self, number: int) -> str:
        """Return the name of a number.

        Raises:
            LoadError: it is no class.
        """
        if number not in self.objects:
            raise LoadError(
                f"the class {number} is not in the list of classes, which has "
                f"{min(self.names)} to {max(self.names)}. Correct it, or the --classes-file."
            )
        return self.objects[number]

    def require(self, label: str) -> str:
        """Return a name that is in the list.

        Raises:
            LoadError: it is not.
        """
        if label not in self.labels:
            raise LoadError(
                f"the class {label!r} is not in the list of classes ({_some(self.labels)}). "
                "Correct it, or the --classes-file."
            )
        return label


def read_class_list(path: Path) -> ClassList:
    """Return the classes of a file.

    A text file has one name a line, from number 0 (YOLO's ``classes.txt``). A YAML file has
    ``names``, a list or numbers with names (as Ultralytics' ``data.yaml``), and maybe
    ``background`` (numbers that are no class) and ``plurals`` (``{ox: oxen}``); what else is in it
    is not read.

    Raises:
        UsageError: it cannot be read, or holds no classes.
    """
    try:
        if path.suffix.lower() in (".yaml", ".yml"):
            content = load_yaml(path)
            known = content if isinstance(content, dict) else {}
            return ClassList(
                **{name: known[name] for name in ClassList.model_fields & known.keys()}
            )
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
        return ClassList(names=dict(enumerate(line.strip() for line in text.strip().splitlines())))
    except ValidationError as error:
        reason = list_faults(error)
    except (LoadError, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error)
    raise UsageError(
        f"{path} is no list of classes: {reason}. Write one name a line, or YAML with 'names'."
    )


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
