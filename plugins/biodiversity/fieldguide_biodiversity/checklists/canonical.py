"""The names of a whole checklist without their authors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fieldguide.errors import LoadError
from fieldguide_biodiversity.checklists.columns import one_array
from fieldguide_biodiversity.checklists.names import HYBRID, parse_name

if TYPE_CHECKING:
    from collections.abc import Mapping

UNPARSED = "with a name that is not a scientific name, kept as it is"
UNDETERMINED = "not determined to the end (sp., cf. ...), kept as they are"
HYBRIDS = "hybrids"
_PLAIN = r"^[A-Z][a-z]+( [a-z-]+){0,2}$"
_NOT_PLAIN = r" (sp|spp|cf|aff|nr|gr|indet|x|var|subvar|f|fo|forma|form|subsp|ssp|agg|species)( |$)"
_CHUNK = 200_000


@dataclass(frozen=True)
class CanonicalNames:
    """Names without authors.

    Attributes:
        canonical: (N,) never null.
        authorship: (N,) never null.
        notes: how many names are special, by what is special.
    """

    canonical: pa.Array
    authorship: pa.Array
    notes: Mapping[str, int]


def canonical_names(usages: pa.Table) -> CanonicalNames:
    """Return the canonical names and authors of a checklist's rows.

    A canonical name that the source gives is taken; else the full name is taken apart, part by
    part, and what cannot be is kept as it is, and counted.

    Raises:
        LoadError: rows have no name at all.
    """
    counts: Counter[str] = Counter()
    names, authors = [], []
    for start in range(0, usages.num_rows, _CHUNK):
        part = usages.slice(start, _CHUNK)
        found, written = _part(part, counts)
        names.append(found)
        authors.append(written)
    return CanonicalNames(_joined(names), _joined(authors), counts)


def _part(part: pa.Table, counts: Counter[str]) -> tuple[pa.Array, pa.Array]:
    given, full = one_array(part.column("name")), one_array(part.column("full_name"))
    authors = one_array(part.column("authorship"))
    text = pc.coalesce(given, full)
    nameless = pc.indices_nonzero(pc.is_null(text))
    if len(nameless):
        first = part.column("id")[nameless[0].as_py()]
        raise LoadError(f"it has {len(nameless)} rows without a name, such as the id {first}. "
                        "Add the names, or remove the rows.")  # fmt: skip
    is_plain = pc.and_(
        pc.match_substring_regex(text, _PLAIN),
        pc.invert(pc.match_substring_regex(text, _NOT_PLAIN)),
    )
    rows = pc.indices_nonzero(pc.invert(pc.or_(is_plain, pc.is_valid(given)))).to_pylist()
    counts[HYBRIDS] += pc.sum(pc.match_substring(text, HYBRID)).as_py() or 0
    authors = _authors_of_full_names(given, full, authors)
    if not rows:
        return text, pc.fill_null(authors, "")
    names, written = text.to_pylist(), authors.to_pylist()
    for row in rows:
        names[row], written[row] = _taken_apart(names[row], written[row] or "", counts)
    return pa.array(names, pa.string()), pc.fill_null(pa.array(written, pa.string()), "")


def _authors_of_full_names(given: pa.Array, full: pa.Array, authors: pa.Array) -> pa.Array:
    """Return the authors; where none are told, what the full name adds to the canonical one."""
    lacks = pc.and_(pc.is_null(authors), pc.and_(pc.is_valid(given), pc.not_equal(given, full)))
    rows = pc.indices_nonzero(pc.fill_null(lacks, False))
    if not len(rows):
        return authors
    written = authors.to_pylist()
    names, texts = given.take(rows).to_pylist(), full.take(rows).to_pylist()
    for row, name, text in zip(rows.to_pylist(), names, texts, strict=True):
        rest = text.removeprefix(name)
        written[row] = rest.strip() if rest != text else parse_name(text).authorship
    return pa.array(written, pa.string())


def _taken_apart(full: str, author: str, counts: Counter[str]) -> tuple[str, str]:
    text = full.removesuffix(author).rstrip() or full
    parsed = parse_name(text)
    if parsed.qualifier:
        counts[UNDETERMINED] += 1
        return text, author
    if not parsed.understood:
        counts[UNPARSED] += 1
        return text, author
    return parsed.canonical, author or parsed.authorship


def _joined(parts: list[pa.Array]) -> pa.Array:
    return pa.concat_arrays(parts or [pa.array([], pa.string())])
