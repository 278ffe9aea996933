"""``where`` expressions: what they mean, and that the engine selects exactly those rows."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import lancedb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fieldguide.errors import WhereError
from fieldguide.retrieval.conditions import (
    Both,
    Compare,
    Condition,
    Either,
    In,
    IsNull,
    Like,
    matches,
    plain,
)
from fieldguide.retrieval.lance_filter import column_name, metadata_columns, to_lance
from fieldguide.retrieval.where import parse_where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TYPES = {"b_": pa.bool_(), "n_": pa.float64(), "t_": pa.string()}
KEYS = ("a", "A", "a b", "a_20b", "a_20_b", "a__b", "a.b", "é", "_e9_", "e`e", "e' OR 1=1 --", "",
        "thumbnail", "path", "id")  # fmt: skip
TYPABLE_KEYS = tuple(key for key in KEYS if re.fullmatch(r"[A-Za-z_][\w.]*", key))

texts = st.text(alphabet="aAb%_\\'\"`\n\x00é日😀 ;-", max_size=5)
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 0.1, 2.5, 1e300, 5e-324, 2**53 + 1, 10**400, math.inf, -math.inf]),
    st.floats(allow_nan=True),
)
stored = st.one_of(st.none(), st.booleans(), numbers, texts, st.just([1, 2]), st.just({"a": 1}))
asked = st.one_of(
    st.booleans(), texts, st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3)
).map(lambda value: plain(value))
rows_of_metadata = st.lists(st.dictionaries(st.sampled_from(KEYS), stored), max_size=8)


def conditions(keys: Sequence[str] = KEYS) -> st.SearchStrategy[Condition]:
    names = st.sampled_from(keys)
    operators = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
    tests = st.one_of(
        st.builds(Compare, names, operators, asked),
        st.builds(In, names, st.lists(asked, min_size=1, max_size=4).map(tuple), st.booleans()),
        st.builds(Like, names, texts, st.booleans()),
        st.builds(IsNull, names, st.booleans()),
    )
    return st.recursive(
        tests, lambda c: st.one_of(st.builds(Both, c, c), st.builds(Either, c, c)), max_leaves=6
    )


def written(condition: Condition) -> str:
    """Return a condition as a user would type it."""
    if isinstance(condition, Both | Either):
        word = "and" if isinstance(condition, Both) else "OR"
        return f"({written(condition.left)} {word} {written(condition.right)})"
    if isinstance(condition, IsNull):
        return f"{condition.field} is {'not ' if condition.is_negated else ''}null"
    if isinstance(condition, Compare):
        return f"{condition.field} {condition.operator} {literal(condition.value)}"
    negation = "not " if condition.is_negated else ""
    if isinstance(condition, Like):
        return f"{condition.field} {negation}like {literal(condition.pattern)}"
    return f"{condition.field} {negation}in ({', '.join(map(literal, condition.values))})"


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


class Engine:
    """One LanceDB table a call, filled as an index fills its own."""

    def __init__(self, folder: Path) -> None:
        self._database = lancedb.connect(str(folder))

    def select(self, rows: Sequence[Mapping[str, Any]], condition: Condition) -> set[str]:
        return self.select_each(rows, [condition])[0]

    def select_each(
        self, rows: Sequence[Mapping[str, Any]], wanted: Sequence[Condition]
    ) -> list[set[str]]:
        shadow = {"id": 7, "path": "metadata of that name is never asked"}
        filters = [
            metadata_columns(
                {k: v for k, v in row.items() if k not in shadow} | (shadow if n % 2 else {})
            )
            for n, row in enumerate(rows)
        ]
        names = sorted({name for columns in filters for name in columns})
        data = {
            "id": pa.array([str(row["id"]) for row in rows], pa.string()),
            "path": pa.array([str(row["path"]) for row in rows], pa.string()),
            "thumbnail": pa.array([b"jpeg" for _ in rows], pa.binary()),
        }
        for name in names:
            data[name] = pa.array([columns.get(name) for columns in filters], TYPES[name[:2]])
        table = self._database.create_table("t", pa.table(data), mode="overwrite")
        columns = frozenset(table.schema.names)
        return [
            set(
                table.search().where(to_lance(c, columns)).select(["id"]).limit(100).to_arrow()
                ["id"].to_pylist()
            )
            for c in wanted
        ]  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    yield Engine(tmp_path_factory.mktemp("lance"))


def whole_rows(metadata: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as an index has them: id and path are its own, the rest is metadata."""
    return [{**row, "id": str(n), "path": f"a/{n}_%.jpg"} for n, row in enumerate(metadata)]


# ----------------------------------------------------------------------------- parsing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cloud_cover < 10", Compare("cloud_cover", "<", 10.0)),
        ("a==1", Compare("a", "=", 1.0)),
        ("a <> -1.5e2", Compare("a", "!=", -150.0)),
        ("a = .5", Compare("a", "=", 0.5)),
        ('city == "Rome"', Compare("city", "=", "Rome")),
        ("city = 'O\\'Hare'", Compare("city", "=", "O'Hare")),
        ('path = "C:\\\\x"', Compare("path", "=", "C:\\x")),
        ("flag = TRUE", Compare("flag", "=", True)),
        ("flag != false", Compare("flag", "!=", False)),
        ("a in (1, 'b', true)", In("a", (1.0, "b", True))),
        ("a not in (1)", In("a", (1.0,), is_negated=True)),
        ("NOT a in (1)", In("a", (1.0,), is_negated=True)),
        ('path like "2024/%"', Like("path", "2024/%")),
        ('path NOT LIKE "x"', Like("path", "x", is_negated=True)),
        ("note is null", IsNull("note")),
        ("note IS NOT NULL", IsNull("note", is_negated=True)),
        ("exif.iso > 3", Compare("exif.iso", ">", 3.0)),
        ("größe > 3", Compare("größe", ">", 3.0)),
        ("not not a = 1", Compare("a", "=", 1.0)),
        ("not a < 1", Compare("a", ">=", 1.0)),
    ],
)
def test_an_expression_is_parsed(text: str, expected: Condition) -> None:
    assert parse_where(text) == expected


def test_and_binds_tighter_than_or() -> None:
    a, b, c = (Compare(name, "=", 1.0) for name in "abc")
    assert parse_where("a = 1 or b = 1 and c = 1") == Either(a, Both(b, c))


def test_brackets_come_first() -> None:
    a, b, c = (Compare(name, "=", 1.0) for name in "abc")
    assert parse_where("(a = 1 or b = 1) and c = 1") == Both(Either(a, b), c)


def test_not_of_a_bracket_is_pushed_to_its_tests() -> None:
    expected = Both(Compare("a", "!=", 1.0), IsNull("b", is_negated=True))
    assert parse_where("not (a = 1 or b is null)") == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("cloud_cover <", "its end"),
        ("cloud_cover 10", ">>>10"),
        ("a = 1 b = 2", ">>>b = 2"),
        ("a = Rome", ">>>Rome"),
        ("a in ()", ">>>)"),
        ("a in (1", "its end"),
        ("(a = 1", "its end"),
        ("a = 1)", ">>>)"),
        ("a like 3", ">>>3"),
        ("a is 3", ">>>3"),
        ("a not = 3", ">>>= 3"),
        ("and = 3", ">>>and"),
        ("a = 1 and", "its end"),
        ("3 = a", ">>>3"),
        ("a = 1 ; drop", "'; drop'"),
        ("a = `b`", "'`b`'"),
        ("`a` = 1", "'`a` = 1'"),
        ('a = "open', "'\"open'"),
        ("a = 1e999", ">>>1e999"),
        ("a = 1 -- comment", "'-- comment'"),
        ("a = null", ">>>null"),
    ],
)
def test_an_error_shows_the_place(text: str, place: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse_where(text)
    assert place in str(caught.value)
    assert str(caught.value).rstrip().endswith(('"Rome"', "cloud_cover < 10"))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(WhereError, match="nested deeper"):
        parse_where("(" * 10_000 + "a = 1" + ")" * 10_000)


def test_many_nots_are_refused() -> None:
    with pytest.raises(WhereError, match="nested deeper"):
        parse_where("not " * 10_000 + "a = 1")


def test_a_chain_of_thousands_is_no_deep_nesting(engine: Engine) -> None:
    condition = parse_where(" or ".join(f"a = {n}" for n in range(5000)))
    rows = whole_rows([{"a": 4999}, {"a": 5000}])
    assert [matches(condition, row) for row in rows] == [True, False]
    assert engine.select(rows, condition) == {"0"}


@given(conditions(TYPABLE_KEYS))
def test_what_is_written_is_parsed_back(condition: Condition) -> None:
    assert parse_where(written(condition)) == condition


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_where(text)
    except WhereError as error:
        assert str(error)


# ----------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("a < 10", {"a": 3}, True),
        ("a < 10", {"a": 10.0}, False),
        ("a < 10", {}, False),
        ("not a < 10", {}, False),
        ("a < 10", {"a": None}, False),
        ("a < 10", {"a": "3"}, False),
        ("not a < 10", {"a": "30"}, False),
        ("a = 1", {"a": True}, False),
        ("a = true", {"a": True}, True),
        ("a = true", {"a": 1}, False),
        ("a != 1", {"a": math.nan}, False),
        ("a is null", {"a": math.nan}, True),
        ("a is null", {"a": [1]}, True),
        ("a is null", {"a": 10**400}, True),
        ("a = 9007199254740992", {"a": 2**53 + 1}, True),  # both are the same double
        ('a < "b"', {"a": "a"}, True),
        ('a < "é"', {"a": "z"}, True),  # by code point
        ('a = "Rome"', {"a": "rome"}, False),
        ('a like "R_me%"', {"a": "Rome, Italy"}, True),
        ('a like "r%"', {"a": "Rome"}, False),
        ('a like "a%c"', {"a": "a\nc"}, True),
        ('a like "a.c"', {"a": "abc"}, False),
        ('a not like "x"', {}, False),
        ('a like "1%"', {"a": 12}, False),
        ('a in ("x", 3)', {"a": 3}, True),
        ('a not in ("x", 3)', {"a": 4}, True),
        ('a not in ("x", 3)', {"a": True}, False),
        ("a not in (1)", {}, False),
    ],
)
def test_a_row_satisfies_a_condition(text: str, row: dict[str, Any], expected: bool) -> None:
    assert matches(parse_where(text), row) is expected


@given(rows_of_metadata, conditions())
def test_a_double_negation_changes_nothing(
    rows: list[dict[str, Any]], condition: Condition
) -> None:
    assert condition.negated().negated() == condition


@given(rows_of_metadata, conditions(("a", "A")))
def test_not_is_the_opposite_unless_a_value_is_missing_or_of_another_kind(
    rows: list[dict[str, Any]], condition: Condition
) -> None:
    for row in rows:
        assert not (matches(condition, row) and matches(condition.negated(), row))


@given(
    st.dictionaries(st.sampled_from(("a", "A")), texts, min_size=2),
    st.one_of(
        st.builds(Compare, st.sampled_from("aA"), st.sampled_from(("=", "<", "<=")), texts),
        st.builds(Like, st.sampled_from("aA"), texts),
        st.builds(In, st.sampled_from("aA"), st.lists(texts, min_size=1).map(tuple)),
    ),
)
def test_not_is_the_opposite_where_the_fields_are_present(
    row: dict[str, Any], condition: Condition
) -> None:
    assert matches(condition, row) != matches(condition.negated(), row)


@given(rows_of_metadata, conditions(), conditions())
def test_and_and_or_combine_the_answers(
    rows: list[dict[str, Any]], left: Condition, right: Condition
) -> None:
    for row in rows:
        one, other = matches(left, row), matches(right, row)
        assert matches(Both(left, right), row) == (one and other)
        assert matches(Either(left, right), row) == (one or other)


# ----------------------------------------------------------------------------- the engine


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows_of_metadata, st.lists(conditions(), min_size=1, max_size=10))
@example([{"a": -0.0}, {"a": 0}], [In("a", (0.0,)), Compare("a", "<", 0.0)])
@example([{"a": "a\\b"}, {"a": "a%"}, {"a": "ab"}], [Like("a", "a\\b"), Like("a", "a\\%")])
@example([{}], [IsNull("thumbnail"), IsNull("path"), Compare("path", "=", 3.0)])
def test_the_engine_selects_exactly_the_rows_that_match(
    engine: Engine, metadata: list[dict[str, Any]], wanted: list[Condition]
) -> None:
    rows = whole_rows(metadata)
    wanted = [*wanted, *(condition.negated() for condition in wanted)]
    expected = [{row["id"] for row in rows if matches(c, row)} for c in wanted]
    assert engine.select_each(rows, wanted) == expected


@given(st.text(max_size=6), st.text(max_size=6))
@example("a b", "a_20b")
@example("a b", "a_20_b")
@example("é", "_e9_")
@example("éa", "\u0e9a")
def test_two_keys_never_share_a_column(one: str, other: str) -> None:
    assert (column_name(one, "text") == column_name(other, "text")) == (one == other)


@given(st.text(max_size=10))
def test_a_column_name_is_letters_digits_and_underscores(key: str) -> None:
    assert re.fullmatch(r"t_[A-Za-z0-9_]*", column_name(key, "text"))


@pytest.mark.parametrize(
    "hostile",
    [
        "x') OR 1=1 --",
        "x' OR '1'='1",
        "x\\' OR 1=1 --",
        "'; DROP TABLE t; --",
        "` OR 1=1 --",
        "x' OR `t_a` IS NOT NULL --",
        "\x00' OR 1=1 --",
    ],
)
def test_a_hostile_value_stays_a_value(engine: Engine, hostile: str) -> None:
    rows = whole_rows([{"a": "innocent"}, {"a": hostile}])
    for condition in (Compare("a", "=", hostile), In("a", (hostile,)), Like("a", hostile)):
        assert engine.select(rows, condition) == {"1"}
        assert engine.select(rows, condition.negated()) == {"0"}
    assert parse_where(written(Compare("a", "=", hostile))) == Compare("a", "=", hostile)


@pytest.mark.parametrize("hostile", ["a` IS NULL OR 1=1 --", "a', 1) OR (1=1", "a\"`'\\"])
def test_a_hostile_key_stays_a_key(engine: Engine, hostile: str) -> None:
    rows = whole_rows([{"a": "x"}, {hostile: "x"}])
    assert engine.select(rows, Compare(hostile, "=", "x")) == {"1"}
    assert engine.select(rows, Compare(hostile, "=", "y")) == set()
    filter_text = to_lance(Compare(hostile, "=", "x"), frozenset({column_name(hostile, "text")}))
    assert hostile not in filter_text


@given(conditions())
def test_outside_of_quotes_a_filter_holds_only_what_we_wrote(condition: Condition) -> None:
    columns = frozenset(column_name(key, kind) for key in KEYS
                        for kind in ("text", "number", "boolean"))  # fmt: skip
    bare = re.sub(r"'(?:[^']|'')*'", "?", to_lance(condition, columns))
    bare = re.sub(r"`[A-Za-z0-9_]*`", "column", bare)
    words = set(re.findall(r"[A-Za-z]+", re.sub(r"\d+(\.\d+)?(e[-+]?\d+)?", "0", bare)))
    assert words <= {"column", "AND", "OR", "NOT", "IS", "NULL", "IN", "LIKE", "true", "false"}
    assert re.fullmatch(r"[A-Za-z0-9 ().,?=<>!+-]*", bare)


def test_a_file_name_that_is_not_unicode_can_be_asked_for(engine: Engine) -> None:
    rows = whole_rows([{"a": "caf\udce9"}, {"a": "cafe"}])
    condition = parse_where('a = "caf\udce9"')
    assert [matches(condition, row) for row in rows] == [True, False]
    assert engine.select(rows, condition) == {"0"}
