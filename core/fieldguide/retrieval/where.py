"""``where`` expressions: parsed here, never handed to an engine as the user typed them.

::

    cloud_cover < 10 and sensor in ("NAIP", "Sentinel-2") or not (city == "Rome")
    captured_at >= "2024-01-01" and note is not null and path like "2024/%"

What each part means is in :mod:`fieldguide.retrieval.conditions`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from fieldguide.data.files import utf8_text
from fieldguide.errors import WhereError
from fieldguide.retrieval.conditions import (
    Both,
    Compare,
    Condition,
    Either,
    In,
    IsNull,
    Like,
    Value,
    matches,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["matches", "parse_where"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<operator><=|>=|!=|<>|==|=|<|>)
    | (?P<punctuation>[(),])
    | (?P<word>[A-Za-z_][\w.]*)
    )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "like", "true", "false"})
_SAME = {"==": "=", "<>": "!="}
MAX_DEPTH = 50


def parse_where(text: str) -> Condition:
    """Parse an expression.

    Raises:
        WhereError: it cannot be read; the message shows where.
    """
    return _Parser(text).parse()


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan(text)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        if not self._tokens:
            raise WhereError("The where expression is empty. Write one such as: cloud_cover < 10")
        condition = self._either()
        if self._place < len(self._tokens):
            raise self._error("did not expect this here")
        return condition

    def _scan(self, text: str) -> list[tuple[str, str, int]]:
        tokens = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise WhereError(
                    f"The where expression cannot be read at {text[start : start + 20]!r}. "
                    'Quote text values: city == "Rome"'
                )
            kind, value = found.lastgroup, found[found.lastgroup]
            if kind == "word" and value.lower() in _KEYWORDS:
                kind, value = "keyword", value.lower()
            tokens.append((kind, value, found.start(found.lastgroup)))
            place = found.end()
        return tokens

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("keyword", "or"):
            parts.append(self._both())
        return _joined(Either, parts)

    def _both(self) -> Condition:
        parts = [self._negation()]
        while self._take("keyword", "and"):
            parts.append(self._negation())
        return _joined(Both, parts)

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise WhereError(
                f"The where expression is nested deeper than {MAX_DEPTH}. Simplify it."
            )
        try:
            if self._take("keyword", "not"):
                return self._negation().negated()
            if self._take("punctuation", "("):
                inner = self._either()
                self._need("punctuation", ")")
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        name = self._need("word")
        if self._take("keyword", "is"):
            is_negated = self._take("keyword", "not")
            self._need("keyword", "null")
            return IsNull(name, is_negated)
        is_negated = self._take("keyword", "not")
        if self._take("keyword", "in"):
            return In(name, self._values(), is_negated)
        if self._take("keyword", "like"):
            return Like(name, _unquote(self._need("string")), is_negated)
        if is_negated:
            raise self._error("expected 'in' or 'like' after 'not'")
        operator = self._need("operator")
        return Compare(name, _SAME.get(operator, operator), self._value())

    def _values(self) -> tuple[Value, ...]:
        self._need("punctuation", "(")
        values = [self._value()]
        while self._take("punctuation", ","):
            values.append(self._value())
        self._need("punctuation", ")")
        return tuple(values)

    def _value(self) -> Value:
        kind, text, _ = self._peek()
        self._place += 1
        if kind == "number" and not math.isinf(float(text)):
            return float(text)
        if kind == "string":
            return _unquote(text)
        if kind == "keyword" and text in ("true", "false"):
            return text == "true"
        self._place -= 1
        raise self._error("expected a number, a quoted text, true or false")

    def _peek(self) -> tuple[str, str, int]:
        if self._place < len(self._tokens):
            return self._tokens[self._place]
        return ("end", "", len(self._text))

    def _take(self, kind: str, text: str) -> bool:
        if self._peek()[:2] == (kind, text):
            self._place += 1
            return True
        return False

    def _need(self, kind: str, text: str | None = None) -> str:
        found_kind, found, _ = self._peek()
        if found_kind != kind or (text is not None and found != text):
            raise self._error(f"expected {text or kind}")
        self._place += 1
        return found

    def _error(self, what: str) -> WhereError:
        _, found, place = self._peek()
        marker = f"{self._text[:place]}>>>{self._text[place:]}"
        return WhereError(
            f"The where expression is wrong at {found or 'its end'!r}: {what}.\n  {marker}\n"
            'Write it as in: cloud_cover < 10 and city == "Rome"'
        )


def _joined(join: type[Both] | type[Either], parts: Sequence[Condition]) -> Condition:
    """Return all parts as a balanced tree, so that a long chain is not a deep one."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(_joined(join, parts[:middle]), _joined(join, parts[middle:]))


def _unquote(text: str) -> str:
    return utf8_text(re.sub(r"\\(.)", r"\1", text[1:-1]))
