"""From a manifest to an adapter with a card, by every method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from fieldguide.errors import AdapterError, StoreError, TuningError, UsageError
from fieldguide.models.tunable import network_digest
from fieldguide.specs import Record
from fieldguide.tuning.adapter_files import load_adapter
from fieldguide.tuning.attach import require_tunable
from fieldguide.tuning.changes import Offset
from fieldguide.tuning.trainables import FullParameters
from fieldguide.tuning.training.phase import Phase
from fieldguide.tuning.training.requests import make_request
from fieldguide.tuning.training.run import tune

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.guides import Guide
    from fieldguide.models.tunable import Tunable


class LastBias(Record):
    """Train one parameter, as docs/tuning.md shows it."""

    learning_rate: float = 0.01

    def fits(self, encoder: Tunable, seed: int) -> tuple[Phase, ...]:
        names = ["visual.ln_post.bias"]
        return (Phase("bias", ((FullParameters(names), self.learning_rate),), epochs=3),)


METHODS = ("lora", "finetune", "projector", "probe")


def only_own(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out the settings that a method does not have."""
    unknown = {
        "projector": {"epochs", "learning_rate"},
        "probe": {"epochs", "learning_rate", "projection_epochs", "projection_rate"},
    }.get(method, set())
    return {name: value for name, value in settings.items() if name not in unknown}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_an_adapter_that_names_the_test_rows_better_than_the_base(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any], method: str
) -> None:
    longer = {"projection_epochs": 40} if method == "projector" else {}
    settings = only_own(method, quick) | longer | {"measure": True}
    outcome = guide.tune(colours, tmp_path / "made", method=method, **settings)

    base = guide.evaluate(colours, where='split == "test"').accuracy
    tuned = guide.with_adapter(tmp_path / "made").evaluate(colours, where='split == "test"')
    assert tuned.accuracy.value >= base.value + 0.2
    assert outcome.assessment is not None
    (domain,) = outcome.assessment.of_role("domain")
    assert domain.figures[-1]["top1"].value == tuned.accuracy.value
    assert {p.name for p in (tmp_path / "made").iterdir()} >= {
        "adapter.json", "adapter.safetensors", "card.md", "history.jsonl", "gain_and_loss.png",
    }  # fmt: skip
    assert not (tmp_path / "made.training").exists()


def test_a_training_writes_no_tensor_of_its_base(
    make_guide: Callable[..., Guide], colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    guide = make_guide()
    _, record = guide.planner.text_model()
    network = require_tunable(guide.planner.base(record)).network
    before = network_digest(network)
    for method in ("lora", "finetune"):
        guide.tune(colours, tmp_path / method, method=method, towers=["image", "text"], **quick)
    assert network_digest(network) == before


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        guide.tune(colours, tmp_path / name, seed=seed, dropout=0.2, feature_dropout=0.3, **quick)
    one, two, other = (
        (tmp_path / name / "adapter.safetensors").read_bytes() for name in ("one", "two", "other")
    )
    assert one == two != other


def test_a_probe_is_the_logistic_regression_of_the_bases_vectors(
    guide: Guide, colours: Path, tmp_path: Path
) -> None:
    outcome = guide.tune(
        colours, tmp_path / "probe", method="probe", inverse_penalties=[10.0], symmetries="none",
        measure=False,
    )  # fmt: skip

    items = guide.find(colours)
    train = [item for item in items if item.metadata["split"] == "train"]
    plan = guide.planner.plan(train, thumbnails=False)
    batches = [batch.embeddings for batch in guide.encode(train, plan)]
    vectors = np.concatenate([batch.vectors for batch in batches if batch is not None])
    labels = [item.metadata["label"] for item in train]
    expected = LogisticRegression(C=10.0, max_iter=2000).fit(vectors, labels)
    assert outcome.adapter is not None
    probe = outcome.adapter.classifier
    assert probe is not None
    assert probe.labels == tuple(expected.classes_)
    torch.testing.assert_close(
        probe.weights, torch.tensor(expected.coef_).float(), rtol=1e-3, atol=1e-3
    )


def test_a_probe_of_two_labels_gives_the_probabilities_of_the_regression(
    guide: Guide, colours: Path, tmp_path: Path
) -> None:
    guide.tune(colours, tmp_path / "two", method="probe", where='label != "green"', measure=False)
    tuned = guide.with_adapter(tmp_path / "two")
    (found,) = list(tuned.classify([colours.parent / "red_4.png"]))
    assert found.label == "red"
    assert sum(guess.probability for guess in found.guesses) == pytest.approx(1, abs=1e-6)


def test_a_locked_image_tower_stays_while_the_text_tower_learns(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"projection_epochs": 0}
    outcome = guide.tune(colours, tmp_path / "lit", method="finetune", towers=["text"], **settings)
    assert outcome.adapter is not None
    assert outcome.adapter.changes
    assert not [name for name in outcome.adapter.changes if name.startswith("visual")]


def test_pictures_that_are_not_kept_give_the_same_adapter(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"last_blocks": 1, "symmetries": "mirror"}
    guide.tune(colours, tmp_path / "kept", **settings)
    guide.tune(colours, tmp_path / "streamed", keep_gb=0, **settings)
    kept, streamed = (
        load_file(tmp_path / name / "adapter.safetensors") for name in ("kept", "streamed")
    )
    for name, tensor in kept.items():
        torch.testing.assert_close(streamed[name], tensor, rtol=1e-3, atol=1e-4)


def test_frozen_outputs_in_a_named_folder_serve_the_next_training(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    for seed in (0, 1):
        guide.tune(colours, tmp_path / f"{seed}", seed=seed, frozen=tmp_path / "frozen", **quick)
        stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "frozen").rglob("done/*")}
        if seed == 0:
            first = stamps
    assert first == stamps
    assert first


def test_a_full_disk_is_told_before_a_picture_is_computed(
    guide: Guide, colours: Path, tmp_path: Path, tiny_disk: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"last_blocks": 1, "symmetries": "all"}
    with pytest.raises(StoreError, match="Make room"):
        guide.tune(colours, tmp_path / "made", frozen=tiny_disk, **settings)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_written_is_told(
    guide: Guide, colours: Path, read_only_folder: Path, quick: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        guide.tune(colours, read_only_folder / "made", **quick)


def test_micro_batches_give_the_adapter_of_whole_batches(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"epochs": 1, "projection_epochs": 1, "loss": "infonce"}
    guide.tune(colours, tmp_path / "whole", **settings)
    guide.tune(colours, tmp_path / "parts", micro_batch=3, **settings)
    whole, parts = (
        load_file(tmp_path / name / "adapter.safetensors") for name in ("whole", "parts")
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize(
    "loss", ["infonce", "convirt", "sigmoid", "class_level", "scold", "fitclip"]
)
def test_every_loss_that_needs_no_attributes_trains(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any], loss: str
) -> None:
    outcome = guide.tune(colours, tmp_path / loss, loss=loss, **quick)
    assert outcome.adapter is not None
    rows = [json.loads(x) for x in (tmp_path / loss / "history.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"]
    learned = rows[-1]["scale"] != rows[0]["scale"]
    assert learned == (loss == "sigmoid")


def test_a_base_that_is_its_own_teacher_teaches_nothing(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"projection_epochs": 0, "clip_norm": 0, "epochs": 0.1}
    guide.tune(colours, tmp_path / "made", loss="teacher_student", **settings)
    (row,) = (json.loads(x) for x in (tmp_path / "made" / "history.jsonl").read_text().splitlines())
    assert abs(row["loss"]) < 1e-4  # the divergence of a model from itself


def test_a_teacher_keeps_a_tuned_model_nearer_to_its_base(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    moved = {}
    for loss in ("multi_positive", "fitclip"):
        guide.tune(colours, tmp_path / loss, loss=loss, **quick)
        before, after = (
            g.encode_image(colours.parent / "red_4.png").vectors
            for g in (guide, guide.with_adapter(tmp_path / loss))
        )
        moved[loss] = 1 - float((before * after).sum())
    assert moved["fitclip"] < moved["multi_positive"]


def test_a_loss_of_attributes_takes_them_from_columns(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any],
    write_manifest: Callable[..., Path], read_manifest: Callable[..., Any],
) -> None:  # fmt: skip
    rows = [row | {"warm": 1 if row["label"] == "red" else -1} for row in read_manifest(colours)]
    manifest = write_manifest(colours.parent / "warm.jsonl", rows)
    guide.tune(manifest, tmp_path / "made", loss="medclip", attribute_columns=["warm"], **quick)
    assert load_adapter(tmp_path / "made").changes


def test_captions_alone_are_enough(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any],
    write_manifest: Callable[..., Path], read_manifest: Callable[..., Any],
) -> None:  # fmt: skip
    rows = [{k: v for k, v in row.items() if k != "label"} for row in read_manifest(colours)]
    manifest = write_manifest(colours.parent / "captions.jsonl", rows)
    outcome = guide.tune(manifest, tmp_path / "made", **quick | {"measure": True})
    assert outcome.assessment is not None
    assert set(outcome.assessment.of_role("domain")[0].figures[0]) == {"mean_recall"}


def test_a_folder_with_a_folder_for_each_class_is_enough(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    for path in colours.parent.glob("*.png"):
        place = tmp_path / "classes" / path.stem.split("_")[0]
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    outcome = guide.tune(tmp_path / "classes", tmp_path / "made", **quick)
    assert outcome.adapter is not None
    assert set(outcome.adapter.config.prompts) == {"red", "green", "blue"}
    assert "made here" in outcome.adapter.config.data["splits"]


def test_replayed_pictures_train_beside_the_domains(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any], draw: Callable[..., Path]
) -> None:
    general = draw(tmp_path / "general", 10, seed=5)
    settings = quick | {"measure": True}
    outcome = guide.tune(
        colours, tmp_path / "made", replay=str(general), general=[str(general)], **settings
    )
    assert outcome.assessment is not None
    (report,) = outcome.assessment.of_role("general")
    assert report.name == "general"
    assert outcome.adapter is not None
    assert outcome.adapter.config.settings["replay"] == "general"
    assert report.rows == {"val": 6, "test": 6}


def test_the_strength_is_picked_by_the_rule(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"measure": True}
    outcome = guide.tune(colours, tmp_path / "half", pick_strength=0.4, **settings)
    assert outcome.adapter is not None
    assert outcome.adapter.config.strength == 0.4
    assert outcome.assessment is not None
    assert outcome.assessment.strengths == (0.0, 0.25, 0.4, 0.5, 0.75, 1.0)


def test_a_dry_run_says_what_it_takes_and_writes_nothing(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    lines: list[str] = []
    outcome = guide.tune(
        colours, tmp_path / "made", dry_run=True, rank=4, tell=lines.append, **quick
    )
    assert outcome.adapter is None
    assert list(tmp_path.iterdir()) == []
    projection, lora = outcome.estimate.phases
    # ceil(36 train rows / batches of 8 * epochs)
    assert (projection.steps, lora.steps) == (18, 27)
    assert any("in all about" in line for line in lines)


def test_the_estimate_counts_the_numbers_that_train(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    outcome = guide.tune(colours, tmp_path / "made", rank=2, roles=["mlp_in"], last_blocks=1,
                         **quick)  # fmt: skip
    width, wide, dim = 64, 256, 32
    maps = width * dim + 32 * dim  # visual.proj and text_projection of the tiny model
    assert outcome.estimate.phases[1].trained == 2 * (width + wide) + maps
    assert outcome.adapter is not None
    assert outcome.adapter.config.trainable_parameters == 2 * (width + wide) + maps


def test_settings_that_are_not_known_or_not_possible_are_named(
    guide: Guide, colours: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"'rnak' is no setting of the method 'lora'.*rank"):
        guide.tune(colours, tmp_path / "made", rnak=4)
    with pytest.raises(UsageError, match="rank"):
        guide.tune(colours, tmp_path / "made", rank=0)
    with pytest.raises(UsageError, match="name one of them"):
        guide.tune(colours, tmp_path / "made", best_mean=True, max_loss=0.1)
    with pytest.raises(UsageError, match="no way of tuning"):
        guide.tune(colours, tmp_path / "made", method="infonce")
    with pytest.raises(UsageError, match="no loss"):
        guide.tune(colours, tmp_path / "made", loss="lora")
    with pytest.raises(AdapterError, match="64"):
        guide.tune(colours, tmp_path / "made", rank=65)
    with pytest.raises(UsageError, match="--replay"):
        guide.tune(colours, tmp_path / "made", replay_share=0.2)
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "made").exists()


def test_an_output_that_exists_is_left_alone(guide: Guide, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(UsageError, match="exists"):
        guide.tune(colours, tmp_path / "made")


def test_one_class_without_captions_stops_before_any_work(
    guide: Guide, colours: Path, tmp_path: Path,
    write_manifest: Callable[..., Path], read_manifest: Callable[..., Any],
) -> None:  # fmt: skip
    rows = [
        {"image": row["image"], "label": "red"}
        for row in read_manifest(colours)
        if row["label"] == "red"
    ]
    manifest = write_manifest(colours.parent / "one.jsonl", rows)
    with pytest.raises(TuningError, match="One class cannot be told"):
        guide.tune(manifest, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_groups_in_two_splits_stop_unless_they_are_allowed(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any],
    write_manifest: Callable[..., Path], read_manifest: Callable[..., Any],
) -> None:  # fmt: skip
    rows = [row | {"site": f"site {n % 4}"} for n, row in enumerate(read_manifest(colours))]
    manifest = write_manifest(colours.parent / "sites.jsonl", rows)
    with pytest.raises(TuningError, match="are in train and in test"):
        guide.tune(manifest, tmp_path / "made", group_column="site", **quick)
    outcome = guide.tune(
        manifest, tmp_path / "made", group_column="site", allow=["group_leak", "group_val_test"],
        **quick,
    )  # fmt: skip
    assert outcome.adapter is not None
    card = (tmp_path / "made" / "card.md").read_text()
    assert "site 1" not in card
    assert "are in train and in test" in card


def test_a_loss_that_is_not_finite_stops_the_training(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    with pytest.raises(TuningError, match=r"nan|inf.*--learning-rate"):
        guide.tune(colours, tmp_path / "made", method="finetune",
                   **quick | {"learning_rate": 1e30, "clip_norm": 0})  # fmt: skip
    assert not (tmp_path / "made").exists()


def test_unreadable_pictures_are_told_and_left_out(
    guide: Guide, tmp_path: Path, quick: dict[str, Any], draw: Callable[..., Path]
) -> None:
    manifest = draw(tmp_path / "colours", 10)
    (tmp_path / "colours" / "red_0.png").write_bytes(b"no picture")
    outcome = guide.tune(manifest, tmp_path / "made", **quick)
    assert any("cannot be read" in line for line in outcome.honesty.lines())
    assert outcome.adapter is not None
    assert outcome.adapter.config.data["images"]["train"] == 17
    assert "red_0.png" not in (tmp_path / "made" / "card.md").read_text()


def test_patience_ends_a_phase_and_the_best_weights_are_kept(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"checks": 20, "patience": 2, "epochs": 40, "learning_rate": 0.5}
    guide.tune(colours, tmp_path / "made", **settings)
    rows = [json.loads(x) for x in (tmp_path / "made" / "history.jsonl").read_text().splitlines()]
    scores = [row["val_score"] for row in rows if row["phase"] == "lora"]
    assert len(scores) < 20
    assert max(scores) == max(scores[:-2])


def test_a_weight_decay_without_bound_keeps_matrices_where_they_began(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    settings = quick | {"weight_decay": 1e9, "projection_epochs": 0}
    outcome = guide.tune(colours, tmp_path / "made", method="finetune", **settings)
    assert outcome.adapter is not None
    offsets = {n: c.values for n, c in outcome.adapter.changes.items() if isinstance(c, Offset)}
    moved = {name for name, values in offsets.items() if values.abs().max() > 1e-4}
    assert moved
    assert all(offsets[name].ndim == 1 for name in moved)


def test_a_method_of_a_users_own_is_trained_like_the_others(
    guide: Guide, colours: Path, tmp_path: Path
) -> None:
    settings = {"learning_rate": 0.05, "batch_size": 8, "measure": False, "checks": 1}
    request, tuner = make_request("last_bias", LastBias, settings)
    outcome = tune(guide, colours, tmp_path / "made", request, tuner)
    assert outcome.adapter is not None
    assert set(outcome.adapter.changes) == {"visual.ln_post.bias"}
    assert outcome.adapter.config.settings["learning_rate"] == 0.05


def test_an_evaluation_takes_the_adapter_beside_the_guide(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    outcome = guide.tune(colours, tmp_path / "made", **quick)
    where = 'split == "test"'
    beside = guide.evaluate(colours, where=where, adapter=outcome.adapter).accuracy
    assert beside == guide.with_adapter(tmp_path / "made").evaluate(colours, where=where).accuracy


def test_curves_go_to_tensorboard_where_it_is_wanted(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'fieldguide[tensorboard]'")
    guide.tune(colours, tmp_path / "made", tensorboard=tmp_path / "board", **quick)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert {"loss", "val_score", "learning_rate"} <= set(events.Tags()["scalars"])


def test_a_guide_with_an_adapter_does_not_tune(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    guide.tune(colours, tmp_path / "made", **quick)
    with pytest.raises(UsageError, match="combine"):
        guide.with_adapter(tmp_path / "made").tune(colours, tmp_path / "more", **quick)
