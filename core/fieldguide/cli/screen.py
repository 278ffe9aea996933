"""What commands print: tables, summaries, and the exit code."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fieldguide.results import StoreReport

ALL_DONE, NONE_USABLE, SOME_SKIPPED = 0, 1, 3
EMPTY = "empty"
"""Status of a row in which there is nothing to look at; it is no failure."""
GAP = "  "
REASONS_SHOWN = 5
MAX_SHOWN = 4000
_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # of a terminal, but for tab and new line
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"  # order of text; half characters
)


def clean(text: str) -> str:
    r"""Return a text that a terminal only shows: what would command it is spelled out.

    Names of files and what files say of themselves come from strangers; an escape sequence in
    them could clear the screen, retype a title or hide a line.

    >>> clean("a\x1b[2J.jpg")
    'a\\x1b[2J.jpg'
    """
    shown = _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]} ..."


def clean_lines(text: str) -> str:
    """Return a longer text that a terminal only shows; lines stay lines."""
    return "\n".join(clean(line) for line in text.splitlines())


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print aligned columns; the last one is cut at the width of the terminal."""
    cells = [[_text(row.get(name)) for name in columns] for row in rows]
    table = [list(columns), *cells]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None: closed by the caller
    limit = shutil.get_terminal_size().columns if is_terminal else None
    for line in table:
        padded = GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(padded.rstrip()[:limit])


def print_failures(failed: Iterable[tuple[str, str, str]]) -> None:
    """Say on stderr which inputs failed and why: path, status, reason."""
    rows = list(failed)
    for path, status, reason in rows[:REASONS_SHOWN]:
        click.echo(clean(_line(f"{status}: {path}: {reason}")), err=True)
    if len(rows) > REASONS_SHOWN:
        click.echo(f"... and {len(rows) - REASONS_SHOWN} more", err=True)


def summary_line(statuses: Iterable[str]) -> str:
    """Return a line such as "12 ok, 2 skipped"."""
    counts = Counter(statuses)
    order = ("ok", "out_of_scope", EMPTY, "skipped", "refused")
    parts = [f"{counts[name]} {name.replace('_', ' ')}" for name in order if counts[name]]
    return ", ".join(parts) or "nothing to do"


def exit_code(total: int, failed: int, *, strict: bool) -> int:
    """Return 0 when all inputs were used, 3 when some were not, 1 when none was or --strict."""
    if failed == 0:
        return ALL_DONE
    return NONE_USABLE if strict or failed >= total else SOME_SKIPPED


def end_store_job(report: StoreReport, verb: str, *, quiet: bool, strict: bool) -> NoReturn:
    """Say what a job that stores vectors did, and end the command with its exit code."""
    failed = len(report.failed)
    print_failures((row["path"], row["status"], row["reason"]) for row in report.failed)
    if not quiet:
        empty = f"{report.empty} empty, " if report.empty else ""
        click.echo(
            f"{report.added} {verb}, {report.kept} kept, {empty}{failed} failed; "
            f"{report.total} vectors in {report.target}",
            err=True,
        )
    total = report.added + report.kept + report.empty + failed
    raise click.exceptions.Exit(exit_code(total, failed, strict=strict))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return clean(_line(f"{value:.3f}" if isinstance(value, float) else str(value)))


def _line(text: str) -> str:
    return " ".join(text.split())
