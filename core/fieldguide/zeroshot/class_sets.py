"""Class and prompt sets: versioned data files with labels, names, prompts and their source.

A set of *findings* has sentences that say a class is there and sentences that say it is not; any
number of its classes may be there at once.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UnknownNameError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Name, Record, list_faults, stays_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fieldguide.plugins import Catalog


MAX_LABELS_BYTES = 16 * 2**20


class PromptPair(NamedTuple):
    """What is said of one finding.

    Attributes:
        present: sentences that say it is there.
        absent: sentences that say it is not there.
    """

    present: tuple[str, ...]
    absent: tuple[str, ...]


class ClassEntry(Record):
    """One class.

    Attributes:
        label: what is written into results.
        names: phrases that stand for it in prompts; the first is the canonical one.
        aliases: how data sets write it: names of folders or of labels in their files.
        present: whole sentences that say it is there, for findings.
        absent: whole sentences that say it is not there.
    """

    label: str = Field(min_length=1)
    names: tuple[str, ...] = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def written_names(self) -> frozenset[str]:
        """The :func:`bare` names that data sets may write for it: its label and aliases."""
        return frozenset(bare(name) for name in (self.label, *self.aliases))


class ClassSet(Record):
    """Classes that belong together, with the prompts around their names.

    Attributes:
        version: changes when any prompt does.
        source: the paper or data set that defines the classes.
        templates: prompts, each with one ``{}``. A file may name another one beside it that
            holds them: ``templates_file: NAME.yaml``, a list.
        present_templates: sentences, each with one ``{}``, that say a class is there.
        absent_templates: sentences, each with one ``{}``, that say a class is not there.
        finding_classifier: name of the method that judges findings by these sentences.
    """

    name: Name
    version: str
    source: str
    licence: str
    templates: tuple[str, ...] = Field(min_length=1)
    present_templates: tuple[str, ...] = ()
    absent_templates: tuple[str, ...] = ()
    finding_classifier: Name = "pair_softmax"
    classes: tuple[ClassEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Self:
        labels = [entry.label for entry in self.classes]
        doubled = sorted({label for label in labels if labels.count(label) > 1})
        if doubled:
            raise ValueError(f"the same label twice: {', '.join(doubled)}")
        return self

    @model_validator(mode="after")
    def _templates_have_one_place(self) -> Self:
        check_templates((*self.templates, *self.present_templates, *self.absent_templates))
        return self

    @model_validator(mode="after")
    def _aliases_are_of_one_class(self) -> Self:
        owners: dict[str, str] = {}
        for entry in self.classes:
            for alias in entry.aliases:
                owner = owners.setdefault(bare(alias), entry.label)
                if owner != entry.label:
                    raise ValueError(f"{alias!r} is an alias of {owner!r} and of {entry.label!r}")
        return self

    @model_validator(mode="after")
    def _pairs_are_whole(self) -> Self:
        for entry in self.classes:
            pair = self._pair(entry)
            if bool(pair.present) != bool(pair.absent):
                lacking = "absent" if pair.present else "present"
                raise ValueError(f"{entry.label!r} has no sentence that says it is {lacking}")
            both = sorted(set(pair.present) & set(pair.absent))
            if both:
                raise ValueError(f"{both[0]!r} says both that {entry.label!r} is there and is not")
        return self

    @property
    def has_findings(self) -> bool:
        """Whether every class has sentences that say it is there and that it is not."""
        return all(self._pair(entry).present for entry in self.classes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in order."""
        return tuple(entry.label for entry in self.classes)

    @property
    def written_names(self) -> frozenset[str]:
        """The :func:`bare` names that data sets may write for any class."""
        return frozenset(name for entry in self.classes for name in entry.written_names)

    def by_alias(self) -> dict[str, str]:
        """Return labels by the :func:`bare` aliases; a class without any goes by its label."""
        return {
            bare(alias): entry.label
            for entry in self.classes
            for alias in entry.aliases or (entry.label,)
        }

    def prompts(self, templates: Sequence[str] | None = None) -> dict[str, list[str]]:
        """Return all prompts of each label: every template around every name."""
        used = self.templates if templates is None else templates
        return {entry.label: fill(used, entry.names) for entry in self.classes}

    def pairs(self) -> dict[str, PromptPair]:
        """Return what is said of each finding: its own sentences, then templates around its names.

        Raises:
            UsageError: a class has no such sentences.
        """
        found = {entry.label: self._pair(entry) for entry in self.classes}
        lacking = [label for label, pair in found.items() if not pair.present]
        if lacking:
            raise UsageError(
                f"The class set {self.name} does not say how {lacking[0]!r} is present or absent. "
                "Give it 'present' and 'absent' sentences."
            )
        return found

    def _pair(self, entry: ClassEntry) -> PromptPair:
        """Return the distinct sentences of one class."""
        present = (*entry.present, *fill(self.present_templates, entry.names))
        absent = (*entry.absent, *fill(self.absent_templates, entry.names))
        return PromptPair(tuple(dict.fromkeys(present)), tuple(dict.fromkeys(absent)))


def bare(name: str) -> str:
    """Return a name without case, spaces and signs, which copies of a data set write differently.

    >>> bare("Bare_Land") == bare("BareLand") == bare("bare land")
    True
    """
    return "".join(character for character in name.casefold() if character.isalnum())


def fill(templates: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return every template around every name.

    >>> fill(["a photo of {}.", "{}"], ["cat"])
    ['a photo of cat.', 'cat']
    """
    names = list(names)
    return [template.replace("{}", name) for template in templates for name in names]


def check_templates(templates: Iterable[str]) -> None:
    """Raise UsageError unless every template has exactly one ``{}``."""
    for template in templates:
        if template.count("{}") != 1:
            raise UsageError(
                f"The template {template!r} needs exactly one {{}} where the label goes, "
                "as in 'a photo of {}.'"
            )


def prompts_of_labels(labels: Sequence[str], templates: Sequence[str]) -> dict[str, list[str]]:
    """Return the prompts of labels that the user typed; underscores are read as spaces.

    Raises:
        UsageError: fewer than two labels, an empty or a doubled one.
    """
    check_templates(templates)
    cleaned = [label.strip() for label in labels]
    if not all(cleaned):
        raise UsageError("A label is empty. Give each --label a text.")
    doubled = sorted({label for label in cleaned if cleaned.count(label) > 1})
    if doubled:
        raise UsageError(f"The same label twice: {', '.join(doubled)}. Give each label once.")
    if len(cleaned) < 2:
        raise UsageError(
            "One label alone always has probability 1. Give two or more: --label A --label B."
        )
    return {label: fill(templates, [label.replace("_", " ")]) for label in cleaned}


def load_class_set(name: str, catalog: Catalog) -> ClassSet:
    """Return a class set by its name, from any domain, or from a YAML file of the user's.

    Raises:
        UnknownNameError: no domain has it and no such file exists.
        UsageError: the file is not a class set.
    """
    if name.endswith((".yaml", ".yml")):
        return _read(Path(name))
    known: list[str] = []
    for domain in catalog.domains.usable():
        for resource in domain.class_sets:
            package, _, relative = resource.partition(":")
            path = Path(str(files(package))) / relative
            if path.stem == name:
                return _read(path)
            known.append(path.stem)
    raise UnknownNameError(
        f"No class set is named {name!r}. There are: {', '.join(sorted(known)) or 'none'}. "
        "A file of your own ends in .yaml; or type labels: --label A --label B."
    )


def read_labels(path: Path) -> list[str]:
    """Return the labels of a text file, one a line; lines that start with # are left out.

    Raises:
        UsageError: the file cannot be read or has no label.
    """
    try:
        lines = read_bounded(path, MAX_LABELS_BYTES).decode("utf-8-sig").splitlines()
    except (LoadError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text: {error}") from error
    labels = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not labels:
        raise UsageError(f"{path} has no label. Write one a line.")
    return labels


def _read(path: Path) -> ClassSet:
    try:
        return ClassSet.model_validate(_with_templates(path))
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):  # its own text writes out what aliases stand for
            raise UsageError(
                f"{path} is not a class set: {list_faults(error)}. Edit the file."
            ) from error
        raise UsageError(f"{path} cannot be read: {error}. Check the path.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Edit the file.") from error


def _with_templates(path: Path) -> Any:
    """Return the content of a class set's file, with the templates of the file that it names.

    Raises:
        ValueError: the name could lead out of the folder.
        OSError: one of the two cannot be read.
        yaml.YAMLError: one of the two is not YAML.
    """
    content = load_yaml(path)
    if not isinstance(content, dict) or "templates_file" not in content:
        return content
    rest = {name: value for name, value in content.items() if name != "templates_file"}
    named = path.parent / stays_inside(str(content["templates_file"]))
    return rest | {"templates": load_yaml(named)}
