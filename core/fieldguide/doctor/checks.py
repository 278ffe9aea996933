"""One finding about this installation, and how a size is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "optional", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at, in a few words.
        status: "ok"; "optional", something that can be added; "warn", something that works worse
            than it could; "fail", something that stops normal use.
        found: what was found.
        fix: what to type or to do; empty only when all is well.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The findings about one subject."""

    title: str
    checks: tuple[Check, ...]


def size_text(size_bytes: float) -> str:
    """Return a size as people read it.

    >>> size_text(605_000_000), size_text(1_500), size_text(137.5e9)
    ('605 MB', '2 kB', '137.5 GB')
    """
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    if size_bytes >= 1e6:
        return f"{size_bytes / 1e6:.0f} MB"
    return f"{size_bytes / 1e3:.0f} kB"
