"""INQUIRE's two protocols on made copies in its authors' layout."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.archive_search import ArchiveSearch
from fieldguide.benchmarks.best_answers import BestAnswers
from fieldguide.benchmarks.candidate_lists import ListReranking
from fieldguide.errors import SpaceMismatchError, UsageError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.retrieval.reranking import Judged
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_biodiversity.benchmarks.inquire import inquire_fullrank, inquire_rerank
from fieldguide_biodiversity.benchmarks.inquire_archive import (
    InquireArchive,
    image_key,
    read_annotations,
    read_queries,
)
from fieldguide_biodiversity.benchmarks.inquire_lists import InquireLists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.data.inputs import Item
    from fieldguide.guides import Guide

QUERIES = [
    ("3", "A mongoose standing upright alert", "Behavior", "Defensive and Survival Behaviors",
     "Mammals"),
    ("4", "A meadowlark vocalizing", "Behavior", "Cooperative and Social Behaviors", "Birds"),
    ("9", "male common green darner", "Appearance", "Sex identification", "Insects"),
]  # fmt: skip
RIGHT = {"3": (0, 4, 8), "4": (1, 9), "9": (2,)}
COUNT = 12


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))


def picture(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def place(number: int) -> str:
    return f"train/{number % 3:05d}_Animalia_Chordata/{number:08x}-954f.jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the full ranking's files, 12 photographs, and a model."""
    root = tmp_path_factory.mktemp("made")
    (root / "inquire").mkdir()
    with (root / "inquire" / "inquire_queries_test.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        columns = ("query_id", "query_text", "supercategory", "category", "iconic_group")
        writer.writerow(["", *columns])
        writer.writerows([number, *query] for number, query in enumerate(QUERIES))
    with (root / "inquire" / "inquire_annotations.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["query_id", "image_id", "image_path"])
        writer.writerows([key, n, place(n)] for key, own in RIGHT.items() for n in own)
        writer.writerow(["999", 1, place(1)])  # of the other split
    for number in range(COUNT):
        path = root / "inat24" / place(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path, quality=95)
    write_tiny_checkpoint(root / "tiny")
    return root


@pytest.fixture
def guide(made: Path) -> Guide:
    return fg.guide("biodiversity", model=str(made / "tiny"), modality="organism_photo")


def small(**settings: Any) -> ArchiveSearch:
    return ArchiveSearch(
        InquireArchive("inquire_fullrank", images=COUNT), "inquire_fullrank", **settings
    )


def value(report: BenchmarkReport, metric: str, part: str = "") -> float:
    (found,) = [f.value for f in report.figures if (f.metric, f.part) == (metric, part)]
    return found


def slow_ap(hits: Sequence[bool], total: int, k: int) -> float:
    """Return AP@k of a list in order, as the paper words it."""
    found, summed = 0, 0.0
    for rank, hit in enumerate(hits[:k], start=1):
        if hit:
            found += 1
            summed += found / rank
    return summed / min(k, total)


def test_the_whole_archive_is_ranked_as_one_matrix_would(made: Path, guide: Guide) -> None:
    report = small(k=5)(guide, made)
    paths = sorted((made / "inat24" / "train").rglob("*.jpg"))
    own = fg.guide("general", model=str(made / "tiny"))
    plan = own.planner.plan(own.find(paths), thumbnails=False)
    vectors = np.concatenate([b.embeddings.vectors for b in own.encode(own.find(paths), plan)
                              if b.embeddings is not None])  # fmt: skip
    aps = {}
    for key, text, *_ in QUERIES:
        order = np.argsort(-(vectors @ own.encode_text(text).vectors[0]))
        right = {image_key(place(n)) for n in RIGHT[key]}
        hits = [image_key(paths[row].as_posix()) in right for row in order]
        aps[key] = slow_ap(hits, len(right), 5)
    assert value(report, "ap_at_5") == pytest.approx(100 * np.mean(list(aps.values())))
    behaviour = (aps["3"] + aps["4"]) / 2
    assert value(report, "ap_at_5", "supercategory Behavior") == pytest.approx(100 * behaviour)
    assert value(report, "ap_at_5", "iconic_group Birds") == pytest.approx(100 * aps["4"])
    assert str(report.coverage) == "complete: 12 of 12"


def test_an_index_of_the_archive_gives_the_figures_of_its_files(
    made: Path, guide: Guide, tmp_path: Path
) -> None:
    from_files = small(k=5)(guide, made)
    for name in ("inquire", "inat24"):
        (tmp_path / name).symlink_to(made / name)
    fg.guide("biodiversity", model=str(made / "tiny")).index(
        tmp_path / "inat24" / "train", tmp_path / "inat24.fg"
    )
    from_index = small(k=5)(guide, tmp_path)
    assert [f.value for f in from_index.figures] == pytest.approx(
        [f.value for f in from_files.figures]
    )
    assert "the index inat24.fg" in from_index.protocol[0]
    write_tiny_checkpoint(tmp_path / "other", seed=5)
    other = fg.guide("biodiversity", model=str(tmp_path / "other"), modality="organism_photo")
    with pytest.raises(SpaceMismatchError, match=r"inat24\.fg"):
        small(k=5)(other, tmp_path)


class Perfect:
    """A judge that knows the right images."""

    def __init__(self, made: Path) -> None:
        self.keys = {text: {image_key(place(n)) for n in RIGHT[key]} for key, text, *_ in QUERIES}

    def __call__(self, text: str, candidates: Sequence[Item]) -> Judged:
        return Judged(np.array([float(image_key(c.name) in self.keys[text]) for c in candidates]))


def test_a_perfect_judge_reaches_the_bound_of_the_first_stage(made: Path, guide: Guide) -> None:
    one = small(k=3, from_k=6)(guide, made)
    bound = value(one, "ap_at_3", "best order of what was found")
    two = small(k=3, from_k=6, judge=lambda _: Perfect(made))(guide, made)
    assert value(one, "ap_at_3") < bound < 100
    assert value(two, "ap_at_3") == pytest.approx(bound)
    assert "second judge" in two.protocol[0]


def test_a_part_of_the_archive_is_named_and_stands_beside_nothing(made: Path, guide: Guide) -> None:
    with pytest.raises(UsageError, match="12 of 5000000 images"):
        inquire_fullrank(guide, made)
    report = inquire_fullrank.on_subset(guide, made)
    assert str(report.coverage) == "subset: 12 of 5000000"
    assert not report.published
    assert report.main.metric == "ap_at_50"


def test_published_figures_stand_beside_the_whole_archive(made: Path, guide: Guide) -> None:
    beside = {row.model: row.value for row in small()(guide, made).published}
    assert beside["BioCLIP ViT-B-16"] == 3.6
    assert beside["CLIP ViT-B-16 OpenAI"] == 11.4


def test_right_images_that_are_not_there_do_not_count_in_a_part(
    made: Path, guide: Guide, tmp_path: Path
) -> None:
    (tmp_path / "inquire").symlink_to(made / "inquire")
    for number in (0, 3, 5, 9):
        path = tmp_path / "inat24" / place(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    report = small(k=4).on_subset(guide, tmp_path)
    assert report.main.n == 2  # the third query has none of its images
    assert value(report, "ap_at_4", "best order of what was found") == 100


def test_a_broken_photograph_makes_it_a_part(made: Path, guide: Guide, tmp_path: Path) -> None:
    (tmp_path / "inquire").symlink_to(made / "inquire")
    for number in range(COUNT):
        path = tmp_path / "inat24" / place(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((made / "inat24" / place(number)).read_bytes()[: 300 if number else 40])
    picture(1).save(tmp_path / "inat24" / place(1))
    report = small(k=4)(guide, tmp_path)
    assert not report.coverage.complete
    assert report.failed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inquire_queries_test.csv", "query_id,text\n1,a\n", "no query_text"),
        ("inquire_queries_test.csv", "query_id,query_text\n1,a\n1,b\n", "twice"),
        ("inquire_queries_test.csv", "", "no rows"),
        ("inquire_annotations.csv", "query_id,image_id\n1,2\n", "no image_path"),
        ("inquire_annotations.csv", "query_id,image_path\n1,a,b\n", "more cells"),
    ],
)
def test_files_of_another_form_are_refused(
    made: Path, guide: Guide, tmp_path: Path, name: str, content: str, message: str
) -> None:
    for file in (made / "inquire").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "inat24").symlink_to(made / "inat24")
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        small()(guide, tmp_path)


def test_a_folder_without_the_set_says_how_to_get_it(guide: Guide, tmp_path: Path) -> None:
    for benchmark in (inquire_fullrank, inquire_rerank):
        with pytest.raises(UsageError, match="--how-to-get"):
            benchmark(guide, tmp_path)


@pytest.mark.shared_data
@pytest.mark.parametrize(("split", "queries"), [("val", 50), ("test", 200)])
def test_the_released_queries_are_read(split: str, queries: int) -> None:
    folder = Path(os.environ["FIELDGUIDE_TEST_DATA"]) / "biodiversity" / "inquire"
    found = read_queries(folder / f"inquire_queries_{split}.csv")
    assert len(found) == queries
    groups = {query.groups["supercategory"] for query in found}
    assert groups == {"Behavior", "Appearance", "Context", "Species"}
    assert len({query.groups["category"] for query in found}) == 16


def test_the_best_of_blocks_are_the_best_of_all() -> None:
    space = SpaceId(model="m", encoder="e", contract="c", pooling="p", dim=8)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(1000, 8)).astype(np.float32)
    queries = Embeddings(generator.normal(size=(3, 8)).astype(np.float32), space)
    names = [f"{n:04d}" for n in range(1000)]
    best = BestAnswers(queries, 20)
    for start in (0, 1, 7, 15, 400, 999):
        stop = {0: 1, 1: 7, 7: 15, 15: 400, 400: 999, 999: 1000}[start]
        best.offer(names[start:stop], rows[start:stop])
    assert best.seen == 1000
    for query in range(3):
        scores = rows @ queries.vectors[query]
        order = np.argsort(-scores)[:20]
        found, values = best.answers(query)
        assert found == [names[row] for row in order]
        assert values == pytest.approx(scores[order], abs=1e-5)


def lists(root: Path, sizes: Sequence[int] = (6, 6), split: str = "test") -> None:
    """Write lists as Hugging Face has them: two files, images as records of bytes."""
    folder = root / "INQUIRE-Rerank" / "data"
    folder.mkdir(parents=True)
    number = 0
    for part, size in enumerate(sizes):
        rows = []
        for _ in range(size):
            key, text, *groups = QUERIES[number // 4]
            content = io.BytesIO()
            picture(number).save(content, "PNG")
            rows.append({
                "image": {"bytes": content.getvalue(), "path": f"{number}.jpg"}, "query": text,
                "relevant": int(number in RIGHT[key]), "clip_score": 0.3,
                "inat24_image_id": 4_000_000 + number, "inat24_file_name": place(number),
                **dict(zip(("supercategory", "category", "iconic_group"), groups, strict=True)),
                "inat24_species_id": 7, "inat24_species_name": "Mungos mungo", "latitude": -1.0,
                "longitude": 36.0, "location_uncertainty": 10.0, "date": "2021-05-01",
            })  # fmt: skip
            number += 1
        pq.write_table(
            pa.Table.from_pylist(rows), folder / f"{split}-{part:05d}-of-{len(sizes):05d}.parquet"
        )


def few(**settings: Any) -> ListReranking:
    return ListReranking(InquireLists("inquire_rerank", rows=COUNT), "inquire_rerank", **settings)


def test_given_lists_are_ordered_by_the_models_cosines(
    made: Path, guide: Guide, tmp_path: Path
) -> None:
    lists(tmp_path)
    report = few(k=3)(guide, tmp_path)
    own = fg.guide("general", model=str(made / "tiny"))
    aps = []
    for row, (key, text, *_) in enumerate(QUERIES):
        numbers = range(4 * row, 4 * row + 4)
        images = [own.encode_image(picture(n)).vectors[0] for n in numbers]
        order = np.argsort(-(np.stack(images) @ own.encode_text(text).vectors[0]))
        hits = [numbers[place] in RIGHT[key] for place in order]
        if any(hits):
            aps.append(slow_ap(hits, sum(hits), 3))
    assert report.main.n == len(aps)
    assert report.main.value == pytest.approx(100 * np.mean(aps))
    assert str(report.coverage) == "complete: 12 of 12"
    beside = few()(guide, tmp_path).published
    assert {row.model for row in beside} >= {"BioCLIP ViT-B-16", "random order"}
    assert not any(row.same_protocol for row in beside)  # the authors' script counts 100 places


def test_a_perfect_judge_of_given_lists_reaches_all(guide: Guide, tmp_path: Path) -> None:
    lists(tmp_path)

    class Knows:
        def __call__(self, text: str, candidates: Sequence[Item]) -> Judged:
            keys = {text: RIGHT[key] for key, text, *_ in QUERIES}
            numbers = [int(c.name.rsplit(" ", 1)[1]) - 4_000_000 for c in candidates]
            return Judged(np.array([float(n in keys[text]) for n in numbers]))

    report = few(k=3, judge=lambda _: Knows())(guide, tmp_path)
    assert report.main.value == 100
    assert value(report, "ap_at_3", "best order of what was found") == 100


def test_lists_of_another_split_or_part_are_told_apart(guide: Guide, tmp_path: Path) -> None:
    lists(tmp_path, split="validation")
    with pytest.raises(UsageError, match="--how-to-get"):
        few()(guide, tmp_path)
    lists(tmp_path / "part", (6,))
    with pytest.raises(UsageError, match="6 of 12 candidates"):
        few()(guide, tmp_path / "part")
    assert str(few().on_subset(guide, tmp_path / "part").coverage) == "subset: 6 of 12"


@pytest.mark.parametrize("fault", ["not parquet", "no column", "no image", "relevant 2"])
def test_damaged_lists_are_named(guide: Guide, tmp_path: Path, fault: str) -> None:
    lists(tmp_path, (COUNT,))
    (file,) = (tmp_path / "INQUIRE-Rerank" / "data").iterdir()
    rows = pq.read_table(file).to_pylist()
    if fault == "not parquet":
        file.write_bytes(b"PAR1 no")
    elif fault == "no column":
        pq.write_table(pq.read_table(file).drop_columns(["relevant"]), file)
    elif fault == "relevant 2":
        pq.write_table(pa.Table.from_pylist([r | {"relevant": 2} for r in rows]), file)
    else:
        rows[0]["image"] = {"bytes": b"\xff\xd8broken", "path": "x"}
        pq.write_table(pa.Table.from_pylist(rows), file)
        report = few()(guide, tmp_path)
        assert str(report.coverage) == "subset: 11 of 12"
        assert len(report.failed) == 1
        return
    with pytest.raises(UsageError, match=file.name):
        few()(guide, tmp_path)


def test_annotations_of_several_splits_keep_apart(made: Path) -> None:
    found = read_annotations(made / "inquire" / "inquire_annotations.csv")
    assert {key: len(images) for key, images in found.items()} == {"3": 3, "4": 2, "9": 1, "999": 1}
