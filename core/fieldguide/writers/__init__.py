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
    """Return the writer of one kind of result for the suffix of a path.

    Args:
        path: of the output.
        kind: of the result.
        catalog: of what is offered.
        domain: whose own writers come before those for all domains.

    Raises:
        UsageError: there is none; those there are are named.
    """
    suffixes: set[str] = set()
    usable = [spec for spec in catalog.writers.usable() if spec.domain in (None, domain)]
    for spec in sorted(usable, key=lambda spec: spec.domain is None):
        if kind not in spec.results:
            continue
        if path.name.lower().endswith(spec.suffixes):
            return spec
        suffixes.update(spec.suffixes)
    raise UsageError(
        f"{path} does not say a format for {kind}. End its name in one of: "
        f"{' '.join(sorted(suffixes))}"
    )


def write_result(result: Result, path: Path, catalog: Catalog) -> Path:
    """Write a result and the record of how it was made, ``<path>.provenance.json``.

    Raises:
        UsageError: no writer has the path's suffix.
        StoreError: the file cannot be written.
    """
    domain = result.provenance.get("domain")
    writer_for(path, result.kind, catalog, domain).load()(result, path)
    write_provenance(result.provenance, path)
    return path
