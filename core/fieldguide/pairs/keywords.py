"""The first stage: pairs whose text has a word of the domain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fieldguide.errors import UsageError
from fieldguide.pairs.stages import Verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.pairs.pair import Pair


class KeywordStage:
    """Keeps pairs with a keyword in any of their texts.

    A keyword is found as whole words, whatever their case, also with an s behind; between its
    words a space, hyphen or underscore may stand.

    Args:
        keywords: one or more.

    Raises:
        UsageError: there is none.
    """

    name = "keywords"

    def __init__(self, keywords: Sequence[str]) -> None:
        self._pattern = phrase_pattern(keywords)

    def __call__(self, pairs: Sequence[Pair]) -> Verdicts:
        """Return the pairs of which no text has a keyword."""
        return Verdicts(
            {
                place: "its text has no keyword" if pair.texts else "it has no text"
                for place, pair in enumerate(pairs)
                if not any(map(self._pattern.search, pair.texts))
            }
        )


def phrase_pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Return what finds any of some phrases as whole words, as :class:`KeywordStage` says.

    Raises:
        UsageError: there is none.
    """
    words = [phrase.split() for phrase in phrases if phrase.strip()]
    if not words:
        raise UsageError("There are no keywords. Give one or more.")
    choices = "|".join(r"[\s_-]+".join(map(re.escape, parts)) for parts in words)
    return re.compile(rf"(?<![^\W_])(?:{choices})s?(?![^\W_])", re.IGNORECASE)
