"""Output formats, chosen by the suffix of the output; each an offer like a plugin's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.writers.provenance import write_provenance

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.plugins import Catalog
    from fieldguide.results import Result
    from fieldguide.specs import WriterSpec


def writer_for(path: Path, kind: str, catalog: Catalog, domain: str | None = None) -> WriterSpec:
    """Return the writer of one kind of result for the longest suffix of a path that has one.

    Args:
        path: of the output.
        kind: of the result.
        catalog: of what is offered.
        domain: whose own writers come before those for all domains with the same suffix.

    Raises:
        UsageError: there is none; those there are are named.
    """
    usable = [
        spec
        for spec in catalog.writers.usable()
        if spec.domain in (None, domain) and kind in spec.results
    ]
    name = path.name.lower()
    fitting = [
        (-len(suffix), spec.domain is None, place)
        for place, spec in enumerate(usable)
        for suffix in spec.suffixes
        if name.endswith(suffix)
    ]
    if fitting:
        return usable[min(fitting)[-1]]
    suffixes = {suffix for spec in usable for suffix in spec.suffixes}
    raise UsageError(
        f"{path} does not say a format for {kind}. End its name in one of: "
        f"{' '.join(sorted(suffixes))}"
    )


def write_result(result: Result, path: Path, catalog: Catalog) -> Path:
    """Write a result and the record of how it was made, ``<path>.provenance.json``.

    What the writer counted stands in the record as ``written``.

    Raises:
        UsageError: no writer has the path's suffix.
        StoreError: the file cannot be written.
    """
    domain = result.provenance.get("domain")
    counted = writer_for(path, result.kind, catalog, domain).load()(result, path)
    facts = {"counts": result.tally(), "written": dict(counted or {})}
    told = {name: counts for name, counts in facts.items() if counts}
    write_provenance({**result.provenance, **told}, path)
    return path
