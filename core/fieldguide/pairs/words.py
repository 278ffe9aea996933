"""What tells pairs of a domain: keywords, and texts of what its pictures are and are not."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from fieldguide.errors import UsageError
from fieldguide.specs import Record
from fieldguide.yaml_records import read_record

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
    return read_record(path, PairWords, "It needs version, keywords, inside and outside.")
