"""What results look like on disk: tables, pages and the record of how they were made."""

from __future__ import annotations

import csv
import errno
import html
import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fieldguide import builtin
from fieldguide.benchmarks.classification import evaluate_predictions
from fieldguide.errors import StoreError, UsageError
from fieldguide.plugins import build_catalog
from fieldguide.results import Guess, Match, Matches, Prediction, Predictions, StoreReport
from fieldguide.writers import write_result, writer_for
from fieldguide.writers.provenance import make_provenance
from fieldguide.writers.tables import write_csv, write_json, write_parquet
from fieldguide.zeroshot.classify import best_guesses

if TYPE_CHECKING:
    from fieldguide.results import Result

COLUMNS = ["path", "rank", "label", "probability", "status", "reason"]
TABLES = (".csv", ".json", ".jsonl", ".parquet")
JPEG = b"\xff\xd8\xff\xe0 not really"
ODD_TEXTS = (
    "São Paulo/日本 😀.jpg",
    'a, "quoted" name.jpg',
    "two\nlines.jpg",
    "carriage\rreturn.jpg",
    "semi;colon\ttab.jpg",
    "=1+1.jpg",
    "+cmd.jpg",
    "-2.jpg",
    "@sum.jpg",
    " leading and trailing ",
    "'",
    "NA",
    "\\N",
)
HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def catalog() -> Any:
    return build_catalog(found=[])


@pytest.fixture
def provenance() -> dict[str, Any]:
    """As a guide makes it."""
    return make_provenance(
        domain="general",
        model={"name": "embedded_conse", "licence": "Apache-2.0"},
        space={"model": "embedded_conse", "dim": 384},
        space_digest="0123456789abcdef",
        contract={"bands": ["red", "green", "blue"], "size_px": [224, 224]},
        device="cpu",
        labels=["cat", "dog"],
    )


def predictions_of(*rows: Prediction, facts: dict[str, Any] | None = None) -> Predictions:
    return Predictions(rows, facts or {})


def classified(path: str = "a.jpg", label: str = "cat", **changes: Any) -> Prediction:
    guesses = (Guess(label, 0.75), Guess("dog", 0.25))
    return Prediction(path, guesses, **{"status": "ok", **changes})


SKIPPED = Prediction("b.jpg", (), "skipped", "broken image: truncated. Export it again.")


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read a table with pandas or the standard library; missing values are None."""
    if path.suffix == ".csv":
        frame = pd.read_csv(path, keep_default_na=False, na_values={"rank": [""],
                            "probability": [""]}, dtype={"path": str})  # fmt: skip
    elif path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            return list(json.loads(text))
        return [json.loads(line) for line in text.split("\n") if line]
    return [
        {k: None if v is None or v != v else v for k, v in row.items()}
        for row in frame.to_dict("records")
    ]


# ----------------------------------------------------------------------------- tables


@pytest.mark.parametrize("suffix", TABLES)
def test_predictions_have_these_columns_best_first(
    suffix: str, tmp_path: Path, catalog: Any
) -> None:
    path = tmp_path / f"out{suffix}"
    write_result(predictions_of(classified(), SKIPPED), path, catalog)
    rows = read_table(path)
    assert [list(row) for row in rows] == [COLUMNS] * 3
    cells = [(r["path"], r["rank"], r["label"] or None, r["probability"]) for r in rows]
    assert cells == [
        ("a.jpg", 1, "cat", 0.75),
        ("a.jpg", 2, "dog", 0.25),
        ("b.jpg", None, None, None),
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["ok", "ok", "skipped"]
    assert rows[2]["reason"] == SKIPPED.reason


def test_the_first_line_of_a_csv_is_the_header(tmp_path: Path) -> None:
    write_csv(predictions_of(classified()), tmp_path / "out.csv")
    first = (tmp_path / "out.csv").read_bytes().splitlines()[0]
    assert first == b"path,rank,label,probability,status,reason"


def test_probabilities_survive_as_they_are(tmp_path: Path) -> None:
    probability = 0.1234567890123456
    result = predictions_of(Prediction("a", (Guess("cat", probability),), "ok"))
    for suffix in TABLES:
        path = tmp_path / f"out{suffix}"
        write_result(result, path, build_catalog(found=[]))
        assert read_table(path)[0]["probability"] == probability


@pytest.mark.parametrize("text", ODD_TEXTS)
@pytest.mark.parametrize("suffix", TABLES)
def test_odd_text_survives(suffix: str, text: str, tmp_path: Path, catalog: Any) -> None:
    path = tmp_path / f"out{suffix}"
    write_result(predictions_of(classified(text, text, reason=text)), path, catalog)
    row = read_table(path)[0]
    assert (row["path"], row["label"], row["reason"]) == (text, text, text)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_the_standard_library_reads_the_csv(text: str, tmp_path: Path) -> None:
    write_csv(predictions_of(classified(text)), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == [text, text]


@pytest.mark.parametrize("suffix", TABLES)
def test_a_path_that_is_not_unicode_is_written(suffix: str, tmp_path: Path, catalog: Any) -> None:
    path = tmp_path / f"out{suffix}"
    write_result(predictions_of(classified("caf\udce9.jpg")), path, catalog)
    (tmp_path / f"out{suffix}").read_text("utf-8", "strict" if suffix != ".parquet" else "ignore")
    assert read_table(path)[0]["path"] in ("caf\\udce9.jpg", "caf\udce9.jpg")


@pytest.mark.parametrize("suffix", TABLES)
def test_a_table_without_rows_has_its_columns(suffix: str, tmp_path: Path, catalog: Any) -> None:
    path = tmp_path / f"out{suffix}"
    for result, columns in [
        (predictions_of(), COLUMNS),
        (Matches("a cat", [], {}), ["rank", "path", "similarity"]),
        (StoreReport("x", 0, 0, 0, (), {}), ["path", "status", "reason"]),
    ]:
        write_result(result, path, catalog)
        if suffix == ".csv":
            assert path.read_text().strip() == ",".join(columns)
        elif suffix == ".parquet":
            assert pq.read_schema(path).names == columns
        else:
            assert read_table(path) == []


def test_parquet_types_do_not_depend_on_the_rows(tmp_path: Path) -> None:
    schemas = []
    for rows in ([classified()], [SKIPPED], [classified(), SKIPPED]):
        write_parquet(predictions_of(*rows), tmp_path / "out.parquet")
        schemas.append(pq.read_schema(tmp_path / "out.parquet"))
    types = {name: str(schemas[0].field(name).type) for name in COLUMNS}
    assert types == {"path": "string", "rank": "int64", "label": "string",
                     "probability": "double", "status": "string", "reason": "string"}  # fmt: skip
    assert schemas[0].equals(schemas[1])
    assert schemas[0].equals(schemas[2])


def test_metadata_of_matches_become_columns(tmp_path: Path) -> None:
    matches = Matches(
        "a cat",
        [
            Match(1, "a.jpg", "a", 0.5, {"city": "Rome", "box": {"w": 3}, "mixed": 1}),
            Match(2, "b.jpg", "b", 0.25, {"mixed": "x", "huge": 10**30}),
        ],
        {},
    )
    write_csv(matches, tmp_path / "out.csv")
    write_parquet(matches, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    names = ["rank", "path", "similarity", "city", "box", "mixed", "huge"]
    assert [list(row) for row in table] == [names, names]
    assert [row["mixed"] for row in table] == ["1", "x"]
    assert json.loads(table[0]["box"]) == {"w": 3}
    assert table[1]["huge"] == str(10**30)
    assert list(pd.read_csv(tmp_path / "out.csv").columns) == names


def test_json_is_valid_where_metadata_is_not_a_number(tmp_path: Path) -> None:
    facts = {"a": math.nan, "nested": {"b": [math.inf, 1.5]}}
    write_json(Matches("q", [Match(1, "a", "a", 0.5, facts)], {}), tmp_path / "out.json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    (row,) = json.loads((tmp_path / "out.json").read_text(), parse_constant=refuse)
    assert (row["a"], row["nested"]) == (None, {"b": [None, 1.5]})


# ----------------------------------------------------------------------------- results


def test_records_and_data_frame_agree() -> None:
    result = predictions_of(classified(), SKIPPED)
    frame = result.to_pandas()
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(result.records()) == 3
    assert [row.path for row in result] == ["a.jpg", "b.jpg"]
    assert result[0].label == "cat"
    assert result[1].label is None


def test_a_notebook_table_escapes_what_it_shows() -> None:
    shown = predictions_of(classified(HOSTILE))._repr_html_()
    assert "<script>" not in shown
    assert html.escape(HOSTILE) in shown


def test_guesses_are_the_best_ones_first() -> None:
    probabilities = np.array([0.2, 0.5, 0.3], dtype=np.float32)
    guesses = best_guesses(probabilities, ["a", "b", "c"], top=2, threshold=0)
    assert [guess.label for guess in guesses] == ["b", "c"]


def test_below_the_threshold_none_of_these_comes_first_without_a_probability() -> None:
    probabilities = np.array([0.2, 0.5, 0.3], dtype=np.float32)
    guesses = best_guesses(probabilities, ["a", "b", "c"], top=1, threshold=0.6)
    assert guesses == (Guess("none of these", None), Guess("b", 0.5))


# ----------------------------------------------------------------------------- pages


@pytest.mark.parametrize("kind", ["predictions", "matches"])
def test_a_page_escapes_hostile_names_and_reasons(
    kind: str, tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    result: Result = predictions_of(
        classified(HOSTILE, HOSTILE, reason=HOSTILE, thumbnail=JPEG),
        Prediction(HOSTILE, (), "skipped", HOSTILE),
        facts={**provenance, "labels": [HOSTILE], "model": {"name": HOSTILE}},
    )
    if kind == "matches":
        result = Matches(HOSTILE, [Match(1, HOSTILE, "a", 0.5, {}, JPEG)], provenance)
    write_result(result, tmp_path / "out.html", catalog)
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "<script" not in page
    assert "<img src=http" not in page
    assert page.count("<img") == 1
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("kind", ["predictions", "matches"])
def test_a_page_needs_no_other_file(
    kind: str, tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    result: Result = predictions_of(classified(thumbnail=JPEG), SKIPPED, facts=provenance)
    if kind == "matches":
        result = Matches("a cat", [Match(1, "a.jpg", "a", 0.5, {}, JPEG)], provenance)
    write_result(result, tmp_path / "out.html", catalog)
    page = (tmp_path / "out.html").read_text("utf-8")
    sources = re.findall(r"""(?:src|href|data|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert [source.split(",")[0] for source in sources] == ["data:image/jpeg;base64"]
    assert not re.search(r"https?://|@import|<link|<iframe|<object", page)


def test_a_page_says_why_an_input_was_refused(
    tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    result = predictions_of(SKIPPED, facts=provenance)
    write_result(result, tmp_path / "out.htm", catalog)
    page = (tmp_path / "out.htm").read_text("utf-8")
    assert SKIPPED.reason in page
    assert "skipped" in page


def test_a_page_tells_how_many_labels_there_were_where_only_their_number_is_kept(
    tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    facts = {**provenance, "labels": 1053}
    result = predictions_of(Prediction("a.jpg", (Guess("cat", 0.3),), "ok"), facts=facts)
    write_result(result, tmp_path / "out.html", catalog)
    assert "1 inputs, 1053 labels." in (tmp_path / "out.html").read_text("utf-8")


def test_a_page_shows_none_of_these(
    tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    row = Prediction("a.jpg", (Guess("none of these", None), Guess("cat", 0.3)), "ok")
    write_result(predictions_of(row, facts=provenance), tmp_path / "out.html", catalog)
    assert "none of these" in (tmp_path / "out.html").read_text("utf-8")


def test_a_page_shows_a_name_that_is_not_unicode(
    tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    result = predictions_of(classified("caf\udce9.jpg"), facts=provenance)
    write_result(result, tmp_path / "out.html", catalog)
    assert "caf" in (tmp_path / "out.html").read_text("utf-8")


def test_metadata_do_not_hide_the_rank_and_path_of_a_match() -> None:
    facts = {"rank": 7, "path": "theirs", "similarity": "theirs"}
    (row,) = Matches("q", [Match(1, "ours", "a", 0.5, facts)], {}).records()
    assert (row["rank"], row["path"], row["similarity"]) == (1, "ours", 0.5)


def test_an_evaluation_page_has_its_figures(
    tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    rows = [classified(metadata={"label": "cat"}), classified(metadata={"label": "dog"})]
    result = evaluate_predictions(predictions_of(*rows, facts=provenance), label_column="label")
    write_result(result, tmp_path / "out.html", catalog)
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "50.0 %" in page
    assert not re.search(r"https?://|<script|<link", page)


# ----------------------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", [*TABLES, ".html"])
def test_a_record_of_how_it_was_made_lies_beside_the_output(
    suffix: str, tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    path = tmp_path / f"out{suffix}"
    write_result(predictions_of(classified(), facts=provenance), path, catalog)
    record = json.loads((tmp_path / f"out{suffix}.provenance.json").read_text("utf-8"))
    assert {"fieldguide", "torch", "numpy", "pyarrow"} <= set(record["packages"])
    assert record["packages"]["numpy"] == np.__version__
    assert record["model"]["name"] == "embedded_conse"
    assert record["space_digest"] == "0123456789abcdef"
    assert record["contract"]["size_px"] == [224, 224]
    assert record["made_at"].endswith("+00:00")


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz", ".csvx", "out.txt"])
def test_an_unknown_suffix_names_the_known_ones(name: str, tmp_path: Path, catalog: Any) -> None:
    with pytest.raises(UsageError) as caught:
        write_result(predictions_of(classified()), tmp_path / name, catalog)
    for suffix in (*TABLES, ".html"):
        assert suffix in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_may_be_in_capitals(catalog: Any) -> None:
    assert writer_for(Path("OUT.CSV"), "predictions", catalog).name == "csv"


@pytest.mark.parametrize("kind", ["predictions", "matches", "evaluation", "embeddings"])
def test_every_table_can_hold_every_kind_of_result(kind: str, catalog: Any) -> None:
    for suffix in TABLES:
        assert writer_for(Path(f"x{suffix}"), kind, catalog)


@pytest.mark.parametrize("suffix", [*TABLES, ".html"])
def test_a_write_that_fails_leaves_the_old_file(
    suffix: str, tmp_path: Path, catalog: Any, provenance: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = tmp_path / f"out{suffix}"
    write_result(predictions_of(classified(), facts=provenance), path, catalog)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)  # all is written, nothing is in place yet
        with pytest.raises(StoreError, match=r"No space left on device.*--output"):
            write_result(predictions_of(SKIPPED, facts=provenance), path, catalog)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"out{suffix}", f"out{suffix}.provenance.json"
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [*TABLES, ".html"])
def test_an_output_below_a_file_is_a_store_error(
    suffix: str, tmp_path: Path, catalog: Any, provenance: dict[str, Any]
) -> None:
    (tmp_path / "file").write_text("x")
    result = predictions_of(classified(), facts=provenance)
    with pytest.raises(StoreError, match="cannot be written"):
        write_result(result, tmp_path / "file" / f"out{suffix}", catalog)


def test_a_read_only_folder_is_a_store_error(read_only_folder: Path, catalog: Any) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_result(predictions_of(classified()), read_only_folder / "out.csv", catalog)


def test_a_full_disk_is_a_store_error(tiny_disk: Path, catalog: Any) -> None:
    rows = [classified(f"{number:0200}.jpg") for number in range(2000)]
    with pytest.raises(StoreError, match="No space left on device"):
        write_result(predictions_of(*rows), tiny_disk / "out.csv", catalog)
    assert list(tiny_disk.iterdir()) == []


def test_missing_folders_of_an_output_are_made(tmp_path: Path, catalog: Any) -> None:
    path = write_result(predictions_of(classified()), tmp_path / "a" / "b" / "out.csv", catalog)
    assert path.is_file()


def test_the_writers_of_the_core_are_offered_by_suffix() -> None:
    suffixes = {suffix for spec in builtin.register_writers() for suffix in spec.suffixes}
    assert suffixes == {*TABLES, ".html", ".htm", ".png"}
