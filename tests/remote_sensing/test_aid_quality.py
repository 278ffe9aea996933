"""How good the shipped model of aerial scenes is, through the guide."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import fieldguide as fg
from fieldguide.benchmarks.classification import evaluate_predictions
from fieldguide.benchmarks.retrieval import retrieval_recalls
from fieldguide.data.embedding_rows import read_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread; on a busy machine two wait for each other, twice as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def guide(root: Path) -> fg.Guide:
    return fg.guide("remote_sensing", modality="rgb_scene", roots=[root])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aid")


def embedded(shared_data: Path, folder: Path) -> Path:
    """Embed the 1,027 test scenes once for both tests, and return the file."""
    source = shared_data / "remote_sensing/aid_rsicd"
    rows = [json.loads(line) for line in (source / "manifest.jsonl").open(encoding="utf-8")]
    chosen = [{**row, "image": str(source / row["image"])} for row in rows
              if row["split"] == "test"]  # fmt: skip
    manifest, output = folder / "test.jsonl", folder / "test.parquet"
    if not output.exists():
        manifest.write_text("\n".join(map(json.dumps, chosen)), "utf-8")
        assert guide(shared_data).embed(manifest, output).failed == ()
    return output


def test_scene_classes_are_named_in_at_least_87_of_100_test_scenes(
    shared_data: Path, folder: Path
) -> None:
    found = guide(shared_data).classify(embedded(shared_data, folder), classes="aid", top=30)
    evaluation = evaluate_predictions(found, label_column="label")
    assert (evaluation.classified, len(evaluation.labels)) == (1027, 30)
    assert evaluation.accuracy.value >= 0.87


def test_mean_recall_of_distinct_captions_is_at_least_21_percent(
    shared_data: Path, folder: Path
) -> None:
    stored = read_embeddings(embedded(shared_data, folder))
    owned = [row["captions"] for row in stored.metadata]
    captions = sorted({caption for captions in owned for caption in captions})
    place = {caption: number for number, caption in enumerate(captions)}
    pairs = [(row, place[caption]) for row, given in enumerate(owned) for caption in given]
    _, record = guide(shared_data).planner.text_model()
    texts = guide(shared_data).planner.encoder(record).encode_texts(captions)
    recalls = retrieval_recalls(stored.embeddings, texts, np.array(pairs))
    assert (len(stored.ids), len(captions)) == (1027, 3094)
    assert recalls.mean_recall.value >= 0.21
