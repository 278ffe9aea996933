"""A period of time, and whether a picture was taken in it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Self

from fieldguide.errors import LoadError, UsageError
from fieldguide_remote_sensing.moments import moment_of

_ALWAYS = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Period:
    """From a moment on, until before another.

    Attributes:
        start: the first moment in it, UTC.
        end: the first moment behind it, UTC.
    """

    start: datetime.datetime = _ALWAYS
    end: datetime.datetime = _NEVER

    @classmethod
    def between(cls, after: str | None, before: str | None) -> Self | None:
        """Return the period of the options ``--after`` and ``--before``; None without both.

        A date without a time is its first moment, and a time without a zone is UTC: ``--after
        2022-06-01 --before 2022-07-01`` is the whole of June.

        Raises:
            UsageError: one is no date of ISO 8601, or nothing lies between them.
        """
        if after is None and before is None:
            return None
        start = _ALWAYS if after is None else _option("after", after)
        end = _NEVER if before is None else _option("before", before)
        if start >= end:
            raise UsageError(f"No moment is after {after} and before {before}. Swap the dates.")
        return cls(start, end)

    def check(self, captured_at: str | None) -> None:
        """Raise LoadError unless a picture was taken in this period.

        Args:
            captured_at: ISO 8601; without a zone it counts as UTC; a day counts as in the period
                when its first moment is. None when it is not known.
        """
        moment = None if captured_at is None else moment_of(captured_at)
        if moment is None:
            raise LoadError(
                "it does not say when it was taken, so --after and --before cannot be applied. "
                "Leave them out, or write it into the file: "
                "gdal_edit.py -mo ACQUISITIONDATETIME=2022-06-01T00:00:00"
            )
        if moment < self.start:
            raise LoadError(f"it was taken at {captured_at}, before --after. Choose another date.")
        if moment >= self.end:
            raise LoadError(
                f"it was taken at {captured_at}, not before --before. Choose another date."
            )


def _option(name: str, text: str) -> datetime.datetime:
    moment = moment_of(text)
    if moment is None:
        raise UsageError(
            f"--{name} {text!r} is no date. Write it as in ISO 8601: --{name} 2022-06-01"
        )
    return moment
