"""A finding about data: how bad it is, what it is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fieldguide.errors import TuningError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Level = Literal["stop", "warn", "note"]

STOP: Level = "stop"
WARN: Level = "warn"
NOTE: Level = "note"
LEVELS: tuple[Level, ...] = (STOP, WARN, NOTE)
MAX_NAMES = 3


@dataclass(frozen=True)
class Finding:
    """One thing that a training on these data should know.

    Attributes:
        level: "stop" (the training or its figures would mean nothing), "warn", or "note".
        code: what it is, as one word; stable, for programs.
        text: what was found, with figures.
        advice: what to do next; "" where nothing is to be done.
    """

    level: Level
    code: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.text} {self.advice}".rstrip()


@dataclass(frozen=True)
class Honesty:
    """What was found in the data before a training.

    Attributes:
        findings: the worst first.
        figures: the counts and shares they are about, as plain values.
    """

    findings: tuple[Finding, ...]
    figures: Mapping[str, Any]

    @property
    def stops(self) -> tuple[Finding, ...]:
        """The findings that must stop a training."""
        return tuple(finding for finding in self.findings if finding.level == STOP)

    def lines(self) -> list[str]:
        """Return one line a finding, for the screen."""
        return [str(finding) for finding in self.findings]

    def record(self) -> dict[str, Any]:
        """Return everything as plain values, for the card."""
        found = [{"level": f.level, "code": f.code, "text": f.text, "advice": f.advice}
                 for f in self.findings]  # fmt: skip
        return {"findings": found, **self.figures}

    def raise_stops(self, allowed: Sequence[str] = ()) -> None:
        """Raise when a finding must stop the training.

        Args:
            allowed: codes that the user takes upon himself.

        Raises:
            TuningError: with every finding of level "stop" whose code is not allowed.
        """
        stops = [finding for finding in self.stops if finding.code not in allowed]
        if stops:
            raise TuningError(" ".join(f"{stop.text} {stop.advice}" for stop in stops))


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings, the worst first, otherwise as they were."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def some(names: Sequence[str], most: int = MAX_NAMES) -> str:
    """Return the first of some names.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(1200, "image"), counted(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
