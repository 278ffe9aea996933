"""Reads description sets: YAML with a version and a source, JSON as published sets have it, CSV."""

from __future__ import annotations

import csv
import io
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from fieldguide.captions.annotation_text import read_json
from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UnknownNameError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import list_faults
from fieldguide.zeroshot.description_sets import UNSORTED, DescriptionSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fieldguide.plugins import Catalog

MAX_BYTES = 256 * 2**20
MAX_SENTENCE = 4096
"""Characters. No text tower reads more than a few hundred; more is taken for a damaged file."""
CLASS_COLUMNS = ("taxon", "class", "label", "name", "scientific_name", "scientificname")
TEXT_COLUMNS = ("text", "sentence", "description")


def load_descriptions(name: str | Path, catalog: Catalog) -> DescriptionSet:
    """Return a description set by its name, from any domain, or from a file of the user's.

    Raises:
        UnknownNameError: no domain has it, and it has no ending of such a file.
        UsageError: the file is not a description set.
    """
    if Path(name).suffix.lower() in _READERS:
        return read_descriptions(Path(name))
    known: list[str] = []
    for domain in catalog.domains.usable():
        for resource in domain.description_sets:
            package, _, relative = resource.partition(":")
            path = Path(str(files(package))) / relative
            if path.stem == str(name):
                return read_descriptions(path)
            known.append(path.stem)
    there = ", ".join(sorted(known)) or "none"
    raise UnknownNameError(
        f"No description set is named {str(name)!r}. There are: {there}. A file of "
        f"your own ends in {', '.join(_READERS)}."
    )


def read_descriptions(path: Path) -> DescriptionSet:
    """Return the description set of a file.

    Args:
        path: ``.yaml`` with name, version, source, licence and classes; ``.json`` with a list of
            sentences for each class, which may lie one level deeper under the class again; or
            ``.csv`` with a class (``taxon``, ``class``, ``label`` ...), a ``text`` and maybe a
            ``kind`` in each row.

    Raises:
        UsageError: it cannot be read, or is no description set.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise UsageError(f"{path} is no description set: name a file in {', '.join(_READERS)}.")
    try:
        return DescriptionSet.model_validate(read(path))
    except ValidationError as error:
        raise UsageError(
            f"{path} is not a description set: {list_faults(error)}. Edit the file."
        ) from error
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}. Check the path.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Edit the file.") from error


def _from_json(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise LoadError("it is no object of classes with lists of sentences. Make it one.")
    if "classes" in content and "name" in content:
        return content
    return _made_of(path, {label: {UNSORTED: _listed(label, v)} for label, v in content.items()})


def _listed(label: str, value: Any) -> list[str]:
    """Return the sentences of one class; published sets put them under its name once more."""
    if isinstance(value, dict) and list(value) == [label]:
        value = value[label]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise LoadError(f"the class {label[:60]!r} has no list of sentences. Give it one.")
    return _tidy(value)


def _from_csv(path: Path) -> dict[str, Any]:
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = {
            str(name).strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()
        }
        about = next((columns[name] for name in CLASS_COLUMNS if name in columns), None)
        said = next((columns[name] for name in TEXT_COLUMNS if name in columns), None)
        if about is None or said is None:
            raise LoadError(
                f"it needs a column {CLASS_COLUMNS[0]!r} and a column {TEXT_COLUMNS[0]!r}; it has "
                f"{', '.join(columns) or 'none'}. Name them so."
            )
        return _made_of(path, _by_class(rows, about, said, columns.get("kind")))
    except UnicodeDecodeError as error:
        raise LoadError(f"not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise LoadError(f"not CSV: {error}. Save it again as CSV.") from error


def _by_class(
    rows: csv.DictReader[str], about: str, said: str, kind: str | None
) -> dict[str, dict[str, list[str]]]:
    """Return sentences by class and kind."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        label, sentence = (row[about] or "").strip(), (row[said] or "").strip()
        if not label or not sentence:
            raise LoadError(f"line {rows.line_num} has no class or no sentence. Fill or remove it.")
        group = (row[kind] or "").strip().lower().replace(" ", "_") if kind else ""
        found.setdefault(label, {}).setdefault(group or UNSORTED, []).extend(_tidy([sentence]))
    return found


def _tidy(sentences: Sequence[str]) -> list[str]:
    """Return sentences on one line each; what is doubled stays doubled.

    Raises:
        LoadError: one is far too long.
    """
    tidied = [" ".join(text.replace("_", " ").split()) for text in sentences]
    if any(len(text) > MAX_SENTENCE for text in tidied):
        raise LoadError(f"a sentence has more than {MAX_SENTENCE} characters. Shorten it.")
    return tidied


def _made_of(path: Path, found: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, Any]:
    classes = [
        {"label": label.replace("_", " ").strip(), "sentences": sentences}
        for label, sentences in found.items()
    ]
    return {"name": path.stem, "classes": classes}


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".yaml": load_yaml,
    ".yml": load_yaml,
    ".json": _from_json,
    ".csv": _from_csv,
}
