"""Small numbers as captions write them."""

from __future__ import annotations

from typing import Literal

Many = Literal["many"]
MANY: Many = "many"
"""What a caption says of a count that it does not name."""

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = tuple(map(str, range(1, len(WORDS) + 1)))
FORMS = (WORDS, DIGITS)
"""Two ways to write 1 to 10; a caption keeps to one of them."""
