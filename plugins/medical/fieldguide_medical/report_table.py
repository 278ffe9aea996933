"""Tables of reports: CSV, JSON Lines or Parquet in, one row of findings a report out.

The text of a report is in no result, message or log: only where in it something stands.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.results import Rows
from fieldguide.writers.provenance import make_provenance
from fieldguide_medical.finding_rules import context_rules
from fieldguide_medical.report_findings import find_mentions, strongest_states

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fieldguide_medical.finding_rules import FindingRules
    from fieldguide_medical.report_findings import Mention, State

MAX_BYTES = 2**30
MAX_CELL_CHARACTERS = 2**20
"""Of one report; longer ones are taken for a damaged file."""
TEXT_COLUMNS = (("report",), ("report_text",), ("text",), ("findings", "impression"))
"""Looked for in this order where the user names none; capitals do not matter."""
REPORT = "report"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The findings of one report.

    Attributes:
        report: what the user's column of names says, else the number of the row, from 1.
        states: by finding; None where the report does not mention it.
        mentions: where it says so.
        has_text: whether there was a text at all.
    """

    report: str | int
    states: Mapping[str, State | None]
    mentions: tuple[Mention, ...]
    has_text: bool


class FindingsTable(Rows[ReportRow]):
    """One row a report, one column a finding: 1 present, 0 absent, -1 uncertain, else empty."""

    kind = "report_findings"
    id_column = REPORT
    """What the column of names is called: as in the user's table, so that paths stay paths."""

    def records(self) -> list[Row]:
        """Return the name of each report and the number of each state."""
        return [
            {self.id_column: row.report}
            | {name: None if state is None else int(state) for name, state in row.states.items()}
            for row in self._rows
        ]

    def explained(self) -> MentionTable:
        """Return one row for every place that speaks of a finding."""
        pairs = [(row.report, mention) for row in self._rows for mention in row.mentions]
        return MentionTable(pairs, self.provenance)


class MentionTable(Rows[tuple["str | int", "Mention"]]):
    """Why each finding has its state: the places in the text, the trigger and the rule."""

    kind = "report_mentions"

    def records(self) -> list[Row]:
        """Return report, finding, state, spans in characters of the text, trigger and rule."""
        return [_mention_record(report, mention) for report, mention in self._rows]


def findings_table(
    path: Path,
    rules: FindingRules,
    *,
    text_columns: Sequence[str] = (),
    id_column: str | None = None,
) -> FindingsTable:
    """Return the findings of every report of a table.

    Args:
        path: a .csv, .jsonl or .parquet file with one report a row.
        rules: a set of findings.
        text_columns: which hold the text; those of one row are read one after the other. By
            default the first there is of ``TEXT_COLUMNS``.
        id_column: whose values name the reports in the result; by default their row does.

    Raises:
        UsageError: the file cannot be read, or has no such column.
    """
    rows = _read(path)
    columns = _text_columns(path, rows, text_columns)
    if id_column is not None and not any(id_column in row for row in rows):
        raise UsageError(f"{path} has no column {id_column!r}. Name another --id-column.")
    found = [
        _judge(number if id_column is None else str(row.get(id_column, number)),
               _text(row, columns), rules)
        for number, row in enumerate(rows, start=1)
    ]  # fmt: skip
    provenance = make_provenance(
        command=["fieldguide", "medical", "findings", "--set", rules.name],  # no name of a file
        domain="medical",
        findings=f"{rules.name}/{rules.version}",
        triggers=f"context/{context_rules().version}",
        text_columns=columns,
        reports=len(found),
        without_text=sum(not row.has_text for row in found),
    )
    table = FindingsTable(found, provenance)
    table.id_column = id_column or REPORT
    return table


def _judge(report: str | int, text: str, rules: FindingRules) -> ReportRow:
    mentions = find_mentions(text, rules)
    return ReportRow(report, strongest_states(mentions, rules), mentions, bool(text.strip()))


def _mention_record(report: str | int, mention: Mention) -> Row:
    cue = (None, None) if mention.cue is None else mention.cue
    return {
        REPORT: report,
        "finding": mention.label,
        "state": int(mention.state),
        "sentence_start": mention.sentence[0],
        "sentence_end": mention.sentence[1],
        "phrase_start": mention.phrase[0],
        "phrase_end": mention.phrase[1],
        "rule": mention.term,
        "trigger": mention.trigger or None,
        "trigger_start": cue[0],
        "trigger_end": cue[1],
    }


def _text(row: Row, columns: Sequence[str]) -> str:
    """Return the text of a row; an empty line parts what its columns say."""
    parts = [row[name] for name in columns if isinstance(row.get(name), str)]
    return "\n\n".join(part[:MAX_CELL_CHARACTERS] for part in parts if part.strip())


def _text_columns(path: Path, rows: Sequence[Row], named: Sequence[str]) -> tuple[str, ...]:
    there = dict.fromkeys(name for row in rows for name in row)
    missing = [name for name in named if name not in there]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]!r}. Name another --text-column.")
    if named:
        return tuple(named)
    by_name = {name.lower(): name for name in reversed(there)}
    for wanted in TEXT_COLUMNS:
        if known := tuple(by_name[name] for name in wanted if name in by_name):
            return known
    raise UsageError(f"{path} has no column report, report_text, text, findings or impression. "
                     "Say which holds the text: --text-column NAME")  # fmt: skip


def _read(path: Path) -> list[Row]:
    """Return the rows of a table.

    Raises:
        UsageError: it cannot be read, or has no rows.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is no table of reports. Name a .csv, .jsonl or .parquet file.")
    try:
        rows = reader(read_bounded(path, MAX_BYTES))
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from None  # its cause may hold the text of a report
    if not rows:
        raise UsageError(f"{path} has no rows. Name a table of reports.")
    return rows


def _csv(content: bytes) -> list[Row]:
    reader = csv.DictReader(io.StringIO(_decoded(content), newline=""), strict=True)
    try:
        rows: list[Row] = list(reader)
    except csv.Error as error:
        raise LoadError(f"line {reader.line_num} is not CSV. Save it again as CSV.") from error
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise LoadError(
                f"row {number} has more cells than the header. Quote cells with a comma."
            )
    return rows


def _jsonl(content: bytes) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(_decoded(content).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LoadError(f"line {number} is not JSON. Correct it.") from error
        if not isinstance(row, dict):
            raise LoadError(f"line {number} is not a JSON object. Correct it.")
        rows.append(row)
    return rows


def _parquet(content: bytes) -> list[Row]:
    try:
        table = pq.read_table(pa.BufferReader(content))
        rows: list[Row] = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LoadError("it is no Parquet file, or a broken one. Write it again.") from error
    return rows


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LoadError("it is not UTF-8 text. Save it as UTF-8.") from error


_READERS: dict[str, Callable[[bytes], list[Row]]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
