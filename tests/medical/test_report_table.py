"""``fieldguide medical findings``: tables in, tables out, and no text of a report anywhere else."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import FieldguideError, UsageError
from fieldguide_medical.finding_rules import finding_rules
from fieldguide_medical.report_scores import LabelledReport, ct_rate_reports, openi_reports, score
from fieldguide_medical.report_table import findings_table

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RULES = finding_rules("ct_rate_18")
SECRET = "Zaphod Beeblebrox"
ROWS = [
    {"case": "a", "report_text": f"{SECRET}: No pleural effusion. Possible nodule in the lung."},
    {"case": "b", "report_text": "Heart size is enlarged."},
    {"case": "c", "report_text": ""},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format of the file's ending."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["medical", "findings", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_each_format_gives_the_same_states(tmp_path: Path, suffix: str) -> None:
    table = write(tmp_path / f"in{suffix}", ROWS)
    output = tmp_path / f"out{suffix}"
    done = run(table, "--id-column", "case", "-o", output)
    assert done.exit_code == 3, done.output  # one row has no text
    if suffix == ".csv":
        with output.open(newline="") as stream:
            rows: list[dict[str, Any]] = [
                {k: v if k == "case" else int(v) if v else None for k, v in row.items()}
                for row in csv.DictReader(stream)
            ]
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    else:
        rows = pq.read_table(output).to_pylist()
    assert list(rows[0]) == ["case", *RULES.labels]
    stated = [{k: v for k, v in row.items() if v is not None} for row in rows]
    assert stated == [
        {"case": "a", "Lung nodule": -1, "Pleural effusion": 0},
        {"case": "b", "Cardiomegaly": 1},
        {"case": "c"},
    ]


def test_an_explanation_names_places_trigger_and_rule(tmp_path: Path) -> None:
    why = tmp_path / "why.jsonl"
    run(write(tmp_path / "in.csv", ROWS), "--explain", why, "-o", tmp_path / "out.csv")
    found = [json.loads(line) for line in why.read_text().splitlines()]
    row = next(each for each in found if each["finding"] == "Pleural effusion")
    text = ROWS[0]["report_text"]
    assert text[row["sentence_start"] : row["sentence_end"]].endswith("No pleural effusion.")
    assert text[row["phrase_start"] : row["phrase_end"]] == "pleural effusion"
    assert text[row["trigger_start"] : row["trigger_end"]] == "No"
    assert (row["report"], row["state"], row["rule"], row["trigger"]) == (
        1, 0, "pleural ~ effusion*", "negated_before_finding"
    )  # fmt: skip


def test_nothing_that_is_written_has_the_text_or_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    table = write(tmp_path / "beeblebrox.csv", ROWS)
    done = run(table, "-o", tmp_path / "out/o.csv", "--explain", tmp_path / "out/w.csv")
    written = [path.read_text() for path in (tmp_path / "out").iterdir()]
    assert len(written) == 4  # two tables, two records of how they were made
    for text in (done.output, *written):
        assert "eeblebrox" not in text
        assert "nodule in" not in text


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    rows = [{"Findings": "A nodule is seen.", "IMPRESSION": "No emphysema.", "body": "Bullae."}]
    table = write(tmp_path / "in.csv", rows)
    whole = findings_table(table, RULES)[0].states
    assert (whole["Lung nodule"], whole["Emphysema"]) == (1, 0)
    named = findings_table(table, RULES, text_columns=["body"])[0].states
    assert (named["Lung nodule"], named["Emphysema"]) == (None, 1)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "no rows"),
        ("a.csv", b"report\n", "no rows"),
        ("a.csv", b"age\n3\n", "--text-column"),
        ("a.csv", b"report\nBeeblebrox, has, three\n", "more cells"),
        ("a.csv", b"report\n\xff\xfe\n", "UTF-8"),
        ("a.csv", b'report\n"Beeblebrox', "not CSV"),
        ("a.csv", b"report\n" + b"B" * 200_000 + b"\n", "not CSV"),
        ("a.jsonl", b'{"report": "Beeblebrox\n', "line 1 is not JSON"),
        ("a.jsonl", b'["Beeblebrox"]\n', "not a JSON object"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        ("a.parquet", b"PAR1 Beeblebrox PAR1", "no Parquet file"),
        ("a.txt", b"Beeblebrox", ".parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_without_its_text(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        findings_table(tmp_path / name, RULES)
    assert expected in str(caught.value)
    assert "eeblebrox" not in str(caught.value)


def test_a_missing_file_or_column_or_a_bad_ending_is_a_usage_error(tmp_path: Path) -> None:
    table = write(tmp_path / "in.csv", ROWS)
    for arguments in (
        (tmp_path / "none.csv",),
        (table, "--text-column", "body"),
        (table, "--id-column", "body"),
        (table, "-o", tmp_path / "out.xlsx"),
        (table, "--set", "chest"),
    ):
        done = run(*arguments)
        assert done.exit_code != 0
        assert isinstance(done.exception, FieldguideError | SystemExit), done.exception


def test_scores_are_those_counted_by_hand() -> None:
    label = "Lung nodule"
    texts = [("A nodule is seen.", True), ("A nodule is seen.", False), ("No nodule.", False),
             ("Clear lungs.", True), ("Nodules are seen.", True)]  # fmt: skip
    reports = [LabelledReport(str(n), t, {label: v}) for n, (t, v) in enumerate(texts)]
    found = score(reports, RULES)
    (only,) = found.each
    # two found rightly, one falsely, one missed: F1 = 4 / (4 + 1 + 1)
    assert only.f1.value == pytest.approx(2 / 3)
    assert (only.present, only.false_alarms, only.missed) == (3, 1, 1)
    assert found.disagreements == (("1", label, False), ("3", label, True))


@pytest.mark.shared_data
def test_findings_agree_with_the_labels_of_held_out_reports(shared_data: Path) -> None:
    reports = ct_rate_reports(shared_data / "medical/reports/ct_rate_val.csv", RULES.labels)
    found = score(reports, RULES)
    assert len(reports) == 200
    assert len(found.each) == 18
    assert found.macro.value >= 0.95
    assert min(each.f1.value for each in found.each) >= 0.85


@pytest.mark.shared_data
def test_the_same_rules_hold_for_radiographs_of_another_source(shared_data: Path) -> None:
    path = shared_data / "medical/reports/openi_reports.csv"
    reports = openi_reports(path)
    found = score(reports[::4], RULES)  # a quarter: the whole takes half a minute
    assert len(reports) > 3500
    assert len(found.each) == 10
    assert found.macro.value >= 0.85
