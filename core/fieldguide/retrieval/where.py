"""``where`` expressions: parsed here, never handed to an engine as the user typed them.

::

    cloud_cover < 10 and sensor in ("NAIP", "Sentinel-2") or not (city == "Rome")
    captured_at >= "2024-01-01" and note is not null and path like "2024/%"

A comparison with a missing value is false, and so is ``not`` of it: a row that has no
``cloud_cover`` answers neither ``cloud_cover < 10`` nor ``not cloud_cover < 10``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.errors import WhereError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | float | bool

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
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Compare:
    """``field operator value``; false where the field is missing or of another type."""

    field: str
    operator: str
    value: Value

    def negated(self) -> Condition:
        """Return the opposite comparison, which a missing value does not satisfy either."""
        return Compare(self.field, _OPPOSITE[self.operator], self.value)


@dataclass(frozen=True, slots=True)
class In:
    """``field [not] in (values)``."""

    field: str
    values: tuple[Value, ...]
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite membership."""
        return In(self.field, self.values, not self.is_negated)


@dataclass(frozen=True, slots=True)
class Like:
    """``field [not] like "pattern"`` with ``%`` for any text and ``_`` for one character."""

    field: str
    pattern: str
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite match."""
        return Like(self.field, self.pattern, not self.is_negated)


@dataclass(frozen=True, slots=True)
class IsNull:
    """``field is [not] null``."""

    field: str
    is_negated: bool = False

    def negated(self) -> Condition:
        """Return the opposite test."""
        return IsNull(self.field, not self.is_negated)


@dataclass(frozen=True, slots=True)
class Both:
    """``left and right``."""

    left: Condition
    right: Condition

    def negated(self) -> Condition:
        """Return not left or not right."""
        return Either(self.left.negated(), self.right.negated())


@dataclass(frozen=True, slots=True)
class Either:
    """``left or right``."""

    left: Condition
    right: Condition

    def negated(self) -> Condition:
        """Return not left and not right."""
        return Both(self.left.negated(), self.right.negated())


Condition = Compare | In | Like | IsNull | Both | Either


def parse_where(text: str) -> Condition:
    """Parse an expression.

    Raises:
        WhereError: it cannot be read; the message shows where.
    """
    return _Parser(text).parse()


def matches(condition: Condition, row: Mapping[str, Any]) -> bool:
    """Return whether a row satisfies a condition; the meaning that engines must reproduce."""
    if isinstance(condition, Both):
        return matches(condition.left, row) and matches(condition.right, row)
    if isinstance(condition, Either):
        return matches(condition.left, row) or matches(condition.right, row)
    found = row.get(condition.field)
    if isinstance(condition, IsNull):
        return (found is None) != condition.is_negated
    if isinstance(condition, Like):
        return isinstance(found, str) and _like(condition.pattern, found) != condition.is_negated
    if isinstance(condition, In):
        usable = [v for v in condition.values if _same_type(found, v)]
        return bool(usable) and (found in usable) != condition.is_negated
    return _same_type(found, condition.value) and _compare(found, condition)


def _compare(found: Any, condition: Compare) -> bool:
    value: Any = condition.value
    outcomes = {
        "=": found == value,
        "!=": found != value,
        "<": found < value,
        "<=": found <= value,
        ">": found > value,
        ">=": found >= value,
    }
    return bool(outcomes[condition.operator])


def _like(pattern: str, text: str) -> bool:
    parts = re.split(r"([%_])", pattern)
    expression = "".join({"%": ".*", "_": "."}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def kind_of(value: Any) -> str | None:
    """Return "boolean", "number" or "text", or None for a missing or structured value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return None if math.isnan(value) else "number"
    return "text" if isinstance(value, str) else None


def _same_type(found: Any, value: Value) -> bool:
    return kind_of(found) is not None and kind_of(found) == kind_of(value)


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
        left = self._both()
        while self._take("keyword", "or"):
            left = Either(left, self._both())
        return left

    def _both(self) -> Condition:
        left = self._negation()
        while self._take("keyword", "and"):
            left = Both(left, self._negation())
        return left

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
        if kind == "number":
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


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
