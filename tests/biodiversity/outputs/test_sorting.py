"""``fieldguide biodiversity sort``: pictures into folders by taxon, and never anywhere else."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide_biodiversity.outputs.folder_names import MAX_BYTES, safe_name

if TYPE_CHECKING:
    from click.testing import Result

MERULA = {"kingdom": "Animalia", "class": "Aves", "family": "Turdidae", "genus": "Turdus",
          "species": "Turdus merula"}  # fmt: skip
COLUMNS = ("path", "rank", "label", "probability", "status", "reason", *MERULA)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"photos/{name}.jpg").write_bytes(f"picture {name}".encode())
    return tmp_path


def row(path: str = "photos/a.jpg", label: str = "Turdus merula", **more: Any) -> dict[str, Any]:
    found = {"path": path, "rank": 1, "label": label, "probability": 0.9, "status": "ok"}
    return {**found, **(MERULA if label == "Turdus merula" else {}), **more}


def table(*rows: dict[str, Any], name: str = "found.csv") -> Path:
    with Path(name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return Path(name)


def sort(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["biodiversity", "sort", *map(str, arguments)])


def error_of(result: Result) -> str:
    assert isinstance(result.exception, UsageError)
    return str(result.exception)


def files_in(folder: Path) -> set[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.startswith("sorted.csv")}


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sorted.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_pictures_go_along_the_lineage_and_stay_where_they_were(here: Path) -> None:
    assert sort(table(row()), "-o", "out").exit_code == 0
    assert files_in(here / "out") == {"Animalia/Aves/Turdidae/Turdus/Turdus merula/a.jpg"}
    assert (here / "photos/a.jpg").read_bytes() == b"picture a"
    assert [line["action"] for line in log_of(here / "out")] == ["copied"]


def test_one_level_of_folders_by_a_rank(here: Path) -> None:
    gap = row("photos/b.jpg", "Aves", kingdom="Animalia", **{"class": "Aves"})
    assert sort(table(row(), gap), "-o", "out", "--rank", "family").exit_code == 0
    assert files_in(here / "out") == {"Turdidae/a.jpg", "_no family/b.jpg"}


def test_unsure_answers_and_none_of_these_have_folders_of_their_own(here: Path) -> None:
    rows = table(row(probability=0.2), row("photos/b.jpg", "none of these", probability=None))
    assert sort(rows, "-o", "out", "--min-probability", 0.5).exit_code == 0
    assert files_in(here / "out") == {"_unsure/a.jpg", "_none of these/b.jpg"}


def test_what_was_not_classified_is_left_out_with_its_reason(here: Path) -> None:
    bad = {"path": "photos/b.jpg", "status": "refused", "reason": "it is a map"}
    result = sort(table(row(), bad), "-o", "out")
    assert result.exit_code == 0
    assert "refused: it is a map" in result.output
    assert [line["action"] for line in log_of(here / "out")] == ["copied", "left out"]


def test_only_the_best_answer_of_a_row_counts(here: Path) -> None:
    second = row(label="Aves", rank=2, kingdom="Animalia")
    sort(table(row(), second), "-o", "out")
    assert len(files_in(here / "out")) == 1


def test_a_picture_with_several_animals_goes_into_the_folder_of_each(here: Path) -> None:
    boar = row(label="Sus scrofa", kingdom="Animalia", species="Sus scrofa")
    sort(table(row(), row(), boar), "-o", "out", "--rank", "species")
    assert files_in(here / "out") == {"Turdus merula/a.jpg", "Sus scrofa/a.jpg"}


def test_a_second_run_keeps_what_is_there_and_copies_the_rest(here: Path) -> None:
    sort(table(row()), "-o", "out")
    before = (here / "out/Animalia/Aves/Turdidae/Turdus/Turdus merula/a.jpg").stat()
    sort(table(row(), row("photos/b.jpg")), "-o", "out")
    after = (here / "out/Animalia/Aves/Turdidae/Turdus/Turdus merula/a.jpg").stat()
    assert [line["action"] for line in log_of(here / "out")] == ["kept", "copied"]
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_two_pictures_of_one_name_are_both_kept_in_every_run(here: Path) -> None:
    (here / "photos/more").mkdir()
    (here / "photos/more/a.jpg").write_bytes(b"another picture")
    found = table(row(), row("photos/more/a.jpg"))
    for _ in "ab":
        assert sort(found, "-o", "out", "--rank", "class").exit_code == 0
        contents = {(here / "out" / name).read_bytes() for name in files_in(here / "out")}
        assert contents == {b"picture a", b"another picture"}
    assert [line["action"] for line in log_of(here / "out")] == ["kept", "kept"]


def test_other_content_is_never_overwritten(here: Path) -> None:
    (here / "out/Aves").mkdir(parents=True)
    (here / "out/Aves/a.jpg").write_bytes(b"mine")
    sort(table(row()), "-o", "out", "--rank", "class")
    assert (here / "out/Aves/a.jpg").read_bytes() == b"mine"
    assert len(files_in(here / "out")) == 2


def test_links_lead_to_the_pictures_and_are_kept(here: Path) -> None:
    found = table(row())
    for action in ("linked", "kept"):
        assert sort(found, "-o", "out", "--link", "--rank", "class").exit_code == 0
        assert [line["action"] for line in log_of(here / "out")] == [action]
    link = here / "out/Aves/a.jpg"
    assert link.is_symlink()
    assert link.read_bytes() == b"picture a"


def test_a_dry_run_says_the_folders_and_writes_nothing(here: Path) -> None:
    result = sort(table(row(), row("photos/b.jpg")), "-o", "out", "--dry-run", "--rank", "class")
    assert result.exit_code == 0
    assert "2 Aves" in result.output
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "evil", ["../../evil", "/etc", "..", "a/../../b", "..\\..\\evil", "C:\\evil", "\x00", "con"]
)
def test_no_name_in_a_table_leads_out_of_the_folder(here: Path, evil: str) -> None:
    found = row(kingdom=evil, species=evil, **{"class": evil})
    pq.write_table(pa.Table.from_pylist([found]), here / "found.parquet")
    for more in ((), ("--rank", "class")):
        assert sort("found.parquet", "-o", "deep/out", *more).exit_code == 0
    above = {path.relative_to(here).parts[0] for path in here.rglob("*")}
    assert above == {"photos", "found.parquet", "deep"}
    assert {path.name for path in (here / "deep").iterdir()} == {"out"}


@given(st.text())
def test_every_text_becomes_one_name_that_stays_in_its_folder(text: str) -> None:
    name = safe_name(text)
    assert name
    assert name not in (".", "..")
    assert not name.startswith("_")
    assert Path("x", name).name == name
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert len(name.encode()) <= MAX_BYTES + 1
    assert safe_name(name) in (name, f"-{name}")


def test_a_link_in_the_output_is_not_followed(here: Path) -> None:
    (here / "elsewhere").mkdir()
    (here / "out").mkdir()
    (here / "out/Aves").symlink_to(here / "elsewhere")
    result = sort(table(row()), "-o", "out", "--rank", "class")
    assert result.exit_code == 1
    assert "is a link" in result.output
    assert not list((here / "elsewhere").iterdir())


def test_a_table_does_not_choose_what_is_read_of_the_rest_of_the_disk(
    here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("private") / "secret.jpg"
    secret.write_bytes(b"secret")
    for path in (secret, os.path.relpath(secret, here)):
        result = sort(table(row(str(path))), "-o", "out")
        assert "--root" in result.output
        assert not files_in(here / "out")
    sort(table(row(str(secret))), "-o", "out", "--root", secret.parent, "--rank", "class")
    assert files_in(here / "out") == {"Aves/secret.jpg"}


def test_a_table_in_another_folder_names_pictures_from_here(here: Path) -> None:
    (here / "tables").mkdir()
    found = table(row(), name="tables/found.csv")
    assert sort(found, "-o", "out", "--rank", "class").exit_code == 0
    assert files_in(here / "out") == {"Aves/a.jpg"}


def test_a_named_picture_that_is_gone_is_a_failure(here: Path) -> None:
    result = sort(table(row(), row("photos/gone.jpg")), "-o", "out")
    assert result.exit_code == 3
    assert "no such file" in result.output
    assert [line["action"] for line in log_of(here / "out")] == ["copied", "failed"]


def test_a_name_that_means_two_pictures_is_not_guessed(here: Path) -> None:
    (here / "tables/photos").mkdir(parents=True)
    (here / "tables/photos/a.jpg").write_bytes(b"another")
    result = sort(table(row(), name="tables/found.csv"), "-o", "out")
    assert "it may be" in result.output
    assert not files_in(here / "out")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "", "no table that can be sorted by"),
        ("a.csv", "path,kind\nx,1\n", "no column label, status"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.csv", "", "no rows"),
    ],
)
def test_other_files_are_refused_in_one_line(here: Path, name: str, text: str, says: str) -> None:
    (here / name).write_text(text)
    assert says in error_of(sort(name, "-o", "out"))
    assert not (here / "out").exists()


def test_a_rank_that_the_table_has_not_is_an_error_that_names_those_it_has(here: Path) -> None:
    result = sort(table(row()), "-o", "out", "--rank", "tribe")
    assert "It has: kingdom, class, family, genus, species" in error_of(result)


def test_a_log_of_another_program_is_not_overwritten(here: Path) -> None:
    (here / "out").mkdir()
    (here / "out/sorted.csv").write_text("mine\n")
    assert "was not written by this command" in error_of(sort(table(row()), "-o", "out"))
    assert (here / "out/sorted.csv").read_text() == "mine\n"


def test_ten_thousand_rows_are_planned_in_seconds(here: Path) -> None:
    found = table(*(row(f"photos/{'ab'[n % 2]}.jpg", reason=f"{n}") for n in range(10_000)))
    result = sort(found, "-o", "out", "--rank", "class")
    assert result.exit_code == 0
    assert files_in(here / "out") == {"Aves/a.jpg", "Aves/b.jpg"}
