"""Retrieval in two stages: what the judge is given, what comes back, and what is kept."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.cli import main
from fieldguide.data.pipeline import Batch
from fieldguide.errors import UsageError
from fieldguide.retrieval.reranking import Judged, Rerank
from fieldguide.retrieval.row_filters import NearPlace
from fieldguide.retrieval.second_model import SecondModel
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide
    from fieldguide.retrieval.index import Index

    Run = Callable[..., tuple[int, str, str]]

COUNT = 12


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, their places, two models and an index by the first."""
    folder = tmp_path_factory.mktemp("made")
    rows = ["image,latitude,longitude,date"]
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        place = "51.5,-0.1" if number < 6 else "-33.9,18.4"
        rows.append(f"{number:02d}.png,{place},2026-0{1 + number % 9}-15")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")
    first = write_tiny_checkpoint(folder / "first", seed=1)
    write_tiny_checkpoint(folder / "second", seed=2)
    fg.guide("general", model=str(first)).index(folder / "photos.csv", folder / "photos.fg")
    return folder


@pytest.fixture
def index(made: Path) -> Index:
    return fg.open_index(made / "photos.fg")


def number_of(item: Item) -> int:
    assert item.path is not None
    return int(item.path.stem)


class ByNumber:
    """A judge that likes high numbers, and cannot judge some."""

    def __init__(self, unknown: Sequence[int] = ()) -> None:
        self.unknown = unknown
        self.given: list[int] = []

    def __call__(self, text: str, candidates: Sequence[Item]) -> Judged:
        self.given = [number_of(item) for item in candidates]
        scores = [np.nan if n in self.unknown else float(n) for n in self.given]
        return Judged(np.array(scores), {"judge": "by number"})


def test_the_judge_orders_the_first_answers_and_both_scores_are_told(index: Index) -> None:
    judge = ByNumber()
    first = index.search("a barn", k=5)
    found = index.search("a barn", k=3, rerank=Rerank(judge, top=5))
    assert judge.given == [int(m.path[-6:-4]) for m in first]
    best = sorted(judge.given, reverse=True)[:3]
    assert [int(match.path[-6:-4]) for match in found] == best
    assert [match.rank for match in found] == [1, 2, 3]
    before = {match.path: match for match in first}
    for match in found:
        assert match.terms["first_rank"] == before[match.path].rank
        assert match.terms["first_similarity"] == before[match.path].similarity
        assert match.similarity == int(match.path[-6:-4])
    one, two = found.provenance["stages"]
    assert (one["stage"], one["found"], two["stage"]) == (1, 5, 2)
    assert (two["candidates"], two["judged"], two["judge"]) == (5, 5, "by number")


def test_what_cannot_be_judged_comes_last_in_the_first_order(index: Index) -> None:
    first = [int(m.path[-6:-4]) for m in index.search("a barn", k=COUNT)]
    unknown = first[1:4]
    found = index.search("a barn", k=COUNT, rerank=Rerank(ByNumber(unknown), top=COUNT))
    assert [int(m.path[-6:-4]) for m in found][-3:] == unknown
    assert all(np.isnan(m.similarity) for m in list(found)[-3:])
    assert found.provenance["stages"][1]["judged"] == COUNT - 3


def test_a_filter_applies_to_the_first_stage(index: Index) -> None:
    judge = ByNumber()
    found = index.search(
        "a barn", k=2, filters=[NearPlace("51.5,-0.1", 5)], rerank=Rerank(judge, top=100)
    )
    assert sorted(judge.given) == [0, 1, 2, 3, 4, 5]
    assert len(found) == 2


def test_a_second_model_ranks_as_its_own_index_does(made: Path, index: Index) -> None:
    second = fg.guide("general", model=str(made / "second"))
    alone = second.index(made / "photos.csv", made / "second.fg").search("a barn", k=COUNT)
    found = index.search("a barn", k=COUNT, rerank=index.second_stage(str(made / "second")))
    assert [match.id for match in found] == [match.id for match in alone]
    assert [match.similarity for match in found] == pytest.approx(
        [match.similarity for match in alone], abs=1e-6
    )


def test_only_new_candidates_are_embedded(
    made: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = index.second_stage(str(made / "second"), top=6)
    filters = [NearPlace("51.5,-0.1", 5)]
    index.search("a barn", k=6, filters=filters, rerank=stage)

    def again(top: int, where: str | None) -> tuple[int, int]:
        fresh = index.second_stage(str(made / "second"), top=top)  # as another process has it
        found = index.search("a pond", k=6, where=where, rerank=fresh)
        facts = found.provenance["stages"][1]
        return facts["embedded"], facts["from_cache"]

    assert again(6, "latitude > 0") == (0, 6)
    assert again(COUNT, None) == (6, 6)
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    assert again(COUNT, None) == (COUNT, 0)


def test_a_file_that_changed_is_embedded_again_and_one_that_is_gone_is_not_judged(
    made: Path, tmp_path: Path
) -> None:
    paths = []
    for number in range(3):
        pixels = np.random.default_rng(50 + number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    opened = fg.guide("general", model=str(made / "first")).index(paths, tmp_path / "few.fg")
    stage = opened.second_stage(str(made / "second"))
    opened.search("a barn", k=3, rerank=stage)
    Image.fromarray(np.zeros((41, 50, 3), dtype=np.uint8)).save(paths[0])
    paths[1].unlink()
    found = opened.search("a barn", k=3, rerank=stage)
    facts = found.provenance["stages"][1]
    assert (facts["embedded"], facts["from_cache"], facts["judged"]) == (1, 1, 2)
    assert found[-1].path == paths[1].as_posix()


def test_a_model_that_fails_on_a_batch_leaves_the_others_their_vectors(
    made: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = fg.guide("general", model=str(made / "second"), batch_size=4)
    whole = index.search("a barn", k=COUNT, rerank=Rerank(SecondModel(second)))
    scores = {match.id: match.similarity for match in whole}
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    real = type(second).encode

    def without_the_first(guide: Guide, items: list[Item], plan: Any) -> Iterator[Batch]:
        for number, batch in enumerate(real(guide, items, plan)):
            yield Batch(batch.rows, [], None) if number == 0 else batch

    monkeypatch.setattr(type(second), "encode", without_the_first)
    found = index.search("a barn", k=COUNT, rerank=Rerank(SecondModel(second)))
    judged = [match for match in found if not np.isnan(match.similarity)]
    assert len(judged) == COUNT - 4
    assert all(match.similarity == pytest.approx(scores[match.id]) for match in judged)


def test_windows_of_a_large_picture_are_judged_as_windows(made: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (128, 192, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")

    def indexed(model: str) -> Index:
        guide = fg.guide("general", model=str(made / model))
        return guide.index(
            tmp_path / "large.png", tmp_path / f"{model}.fg", windows=[64], overlap=0
        )

    alone = indexed("second").search("a barn", k=6)
    first = indexed("first")
    found = first.search("a barn", k=6, rerank=first.second_stage(str(made / "second")))
    assert [match.id for match in found] == [match.id for match in alone]
    assert [match.similarity for match in found] == pytest.approx(
        [match.similarity for match in alone], abs=1e-5
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"k": 6, "top": 5}, "--rerank-top 6"),
        ({"image": "x.png"}, "by a text"),
        ({"text": None, "image": "x.png"}, "by a text"),
    ],
)
def test_a_second_stage_that_makes_no_sense_is_refused(
    index: Index, asked: dict[str, Any], message: str
) -> None:
    rerank = Rerank(ByNumber(), top=asked.pop("top", 100))
    with pytest.raises(UsageError, match=message):
        index.search(**{"text": "a barn", **asked}, rerank=rerank)


def test_a_judge_with_too_few_scores_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="one for each"):
        index.search("a barn", rerank=Rerank(lambda text, items: Judged(np.zeros(1))))


def test_a_method_of_another_role_is_no_reranker(made: Path, index: Index) -> None:
    with pytest.raises(UsageError, match=r"is a composer, no reranker.*second_model"):
        index.second_stage(str(made / "second"), method="weicom")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


def test_the_command_line_searches_in_two_stages_with_filters(
    run: Run, made: Path, tmp_path: Path
) -> None:
    output = tmp_path / "hits.csv"
    code, _, err = run(
        "search", made / "photos.fg", "a barn", "-k", "4", "--near", "-33.9,18.4", "--within-km",
        "10", "--after", "2026-01-01", "--before", "2026-09-01", "--months", "7-9",
        "--rerank-model", made / "second", "--rerank-top", "50", "-o", output,
    )  # fmt: skip
    assert code == 0, err
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    # of 06 to 11 (the Cape), those of July and August; 08 is of September, 09 to 11 of January on
    assert sorted(row["path"][-6:] for row in rows) == ["06.png", "07.png"]
    assert list(rows[0])[:5] == ["rank", "path", "similarity", "first_rank", "first_similarity"]
    facts = json.loads((tmp_path / "hits.csv.provenance.json").read_text())
    assert facts["filters"][0] == {"near": [-33.9, 18.4], "within_km": 10}
    assert [stage["stage"] for stage in facts["stages"]] == [1, 2]


def test_many_queries_come_from_a_table_and_go_into_one(
    run: Run, made: Path, tmp_path: Path, index: Index
) -> None:
    table, output = tmp_path / "queries.csv", tmp_path / "matches.csv"
    table.write_text(",query_id,query_text,supercategory\n0,7,a barn,Context\n1,9,a pond,Species\n")
    code, _, err = run("search", made / "photos.fg", "--queries", table, "-k", "3", "-o", output)
    assert code == 0, err
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert [(r["query"], r["query_id"], r["query_supercategory"], r["rank"]) for r in rows] == [
        (text, key, group, str(rank))
        for text, key, group in (("a barn", "7", "Context"), ("a pond", "9", "Species"))
        for rank in (1, 2, 3)
    ]
    alone = [match.path for text in ("a barn", "a pond") for match in index.search(text, k=3)]
    assert [row["path"] for row in rows] == alone
    code, out, _ = run("search", made / "photos.fg", "--queries", table, "-k", "1")
    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["query", "rank", "similarity"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--near", "51.5,-0.1"], "belong together"),
        (["--within-km", "5"], "belong together"),
        (["--near", "91,0", "--within-km", "5"], "latitude is 91"),
        (["--near", "nan,1", "--within-km", "5"], "no place"),
        (["--near", "0,0", "--within-km", "nan"], "distance"),
        (["--months", "0-13"], "no months"),
        (["--after", "2026-02-30"], "no day"),
        (["--after", "2026-05-01", "--before", "2026-05-01"], "No day is"),
        (["--rerank-top", "5"], "--rerank-model"),
        (["--taxon-column", "label"], "--clade"),
        (["--clade", "Odonata"], "a domain that has one: --domain biodiversity"),
        (["--where", "latitude < 5; DROP TABLE items"], "cannot be read"),
        (["--queries", "missing.csv"], "does not exist"),
        (["--rerank-model", "no_such_model"], "no_such_model"),
    ],
)
def test_hostile_options_end_with_two_and_no_traceback(
    run: Run, made: Path, words: list[str], message: str
) -> None:
    code, out, err = run("search", made / "photos.fg", "a barn", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "has no column query"),
        ("query\n\n \n", "no text"),
        ("", "no rows"),
        ("query\na,b\n", "more cells"),
    ],
)
def test_a_table_without_queries_is_refused(
    run: Run, made: Path, tmp_path: Path, content: str, message: str
) -> None:
    table = tmp_path / "queries.csv"
    table.write_text(content)
    code, _, err = run("search", made / "photos.fg", "--queries", table)
    assert code == 2
    assert message in err
