"""What tells pairs of a domain: keywords, and texts of what its pictures are and are not."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import Field, ValidationError

from fieldguide.errors import UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record, list_faults

if TYPE_CHECKING:
    from fieldguide.specs import DomainSpec


class PairWords(Record):
    """A versioned file of a domain, or of the user.

    Attributes:
        version: changes when any word does.
        source: what it was made after.
        licence: of the file.
        keywords: words of which a text has one or more; see ``keywords.KeywordStage``.
        inside: texts of what pictures of the domain are; or labels of a probe.
        outside: texts of what other pictures are.
    """

    version: str
    source: str = ""
    licence: str = ""
    keywords: tuple[str, ...] = Field(min_length=1)
    inside: tuple[str, ...] = Field(min_length=1)
    outside: tuple[str, ...] = Field(min_length=1)


def domain_words(domain: DomainSpec) -> PairWords:
    """Return the words of a domain.

    Raises:
        UsageError: it has none.
    """
    if domain.pair_words is None:
        raise UsageError(
            f"The domain {domain.name!r} brings no words of its own. Write a file with version, "
            "keywords, inside and outside and name it: --words FILE"
        )
    package, _, relative = domain.pair_words.partition(":")
    return read_words(Path(str(files(package))) / relative)


def read_words(path: Path) -> PairWords:
    """Return the words of a YAML file.

    Raises:
        UsageError: it cannot be read or is not such a file.
    """
    try:
        return PairWords.model_validate(load_yaml(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Correct it.") from error
    except ValidationError as error:
        raise UsageError(
            f"{path}: {list_faults(error)}. It needs version, keywords, inside and outside."
        ) from error
