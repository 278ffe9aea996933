"""What ``fieldguide benchmark`` prints: the list, how to get a data set, and a report."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from fieldguide.doctor.checks import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fieldguide.benchmarks.report import BenchmarkReport, Figure, Published
    from fieldguide.registry import DatasetRecord
    from fieldguide.specs import BenchmarkSpec

COLUMNS = ("figure", "of", "value", "95 % interval", "unit", "n")
UNITS = {"percent": "%", "percentage_points": "points"}


def list_lines(specs: Sequence[BenchmarkSpec], titles: dict[str, str]) -> Iterator[str]:
    """Yield the benchmarks by domain and data set.

    Args:
        specs: all of them.
        titles: of the data sets, by name.
    """

    def place(spec: BenchmarkSpec) -> tuple[str, str]:
        return spec.domain, spec.dataset

    for (domain, dataset), members in groupby(sorted(specs, key=place), key=place):
        yield f"{titles.get(dataset, dataset)} ({domain})"
        for spec in members:
            yield f"  {spec.name}: {spec.summary}"


def how_to_get_lines(record: DatasetRecord, names: Iterable[str]) -> Iterator[str]:
    """Yield where a data set comes from, its licence and size, its layout and what to type.

    Args:
        record: of the data set.
        names: of the benchmarks on it.
    """
    yield f"{record.title or record.name}: {record.summary}"
    for head, text in _facts(record):
        yield from _wrapped(f"  {head:<10}", text)
    if record.layout:
        yield "  layout under --root:"
        yield from (f"    {line}" for line in record.layout)
    if record.how_to_get:
        yield "  to get it:"
        yield from (f"    {line}" for line in record.how_to_get)
    yield "  then:"
    yield from (f"    fieldguide benchmark {name} --root FOLDER" for name in names)


def _facts(record: DatasetRecord) -> Iterator[tuple[str, str]]:
    yield "licence", record.licence
    yield "source", record.source
    if record.download:
        yield "download", record.download
    if record.images:
        yield (
            "images",
            f"{record.images}" + (f" of {record.classes} classes" * bool(record.classes)),
        )
    if record.size_bytes:
        yield "size", f"about {size_text(record.size_bytes)}"


def figure_row(figure: Figure) -> dict[str, str]:
    """Return one figure as cells of a table."""
    has_interval = figure.low is not None and figure.high is not None
    return {
        "figure": figure.metric,
        "of": figure.part,
        "value": f"{figure.value:.2f}",
        "95 % interval": f"[{figure.low:.2f}, {figure.high:.2f}]" if has_interval else "",
        "unit": UNITS.get(figure.unit, figure.unit),
        "n": str(figure.n),
    }


def report_lines(report: BenchmarkReport) -> Iterator[str]:
    """Yield what stands below the figures: published ones, the protocol, what misleads."""
    same = [row for row in report.published if row.same_protocol]
    other = [row for row in report.published if not row.same_protocol]
    if same:
        yield "published, same protocol:"
        yield from map(_published_line, same)
    if other:
        yield "published under other protocols; do not compare:"
        yield from map(_published_line, other)
    if not report.coverage.complete:
        yield f"{report.coverage}: no published figure is of this part, so none stands beside it."
    yield from _section("protocol: ", report.protocol)
    yield from _section("beware: ", report.traps)


def _published_line(row: Published) -> str:
    record = f" [{row.record}]" if row.record else ""
    note = f"; {row.note}" if row.note else ""
    unit = UNITS.get(row.unit, row.unit)
    return f"  {row.value:g} {unit}  {row.metric}  {row.model}{record}  ({row.source}{note})"


def _section(head: str, sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from _wrapped(head, sentence)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
