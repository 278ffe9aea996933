"""Adapters from the command line and from Python: every command that uses a model takes one."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import fieldguide
from fieldguide.cli import cli
from fieldguide.errors import (
    AdapterError,
    FieldguideError,
    SpaceMismatchError,
    WeightsError,
)
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter_files import load_adapter, save_adapter
from fieldguide.tuning.attach import attach, require_tunable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder
    from fieldguide.tuning.adapter import Adapter


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = [f"photos/{number}.png,{'ab'[number % 2]}" for number in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines]) + "\n", "utf-8")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def fails(*words: object) -> str:
    """Run a command that must end in an error of ours, and return the error's text."""
    result = run(*words)
    assert isinstance(result.exception, FieldguideError), result.output
    return str(result.exception)


def table(path: Path) -> list[dict[str, str]]:
    lines = path.read_text("utf-8-sig").splitlines()
    names = lines[0].split(",")
    return [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]


def test_classify_with_an_adapter_alone_takes_its_base_model_and_its_labels(
    base: OpenClipEncoder, make_adapter: Callable[..., Adapter], photos: Path, tmp_path: Path
) -> None:
    prompts = {"cat": ("a cat",), "dog": ("a dog", "the dog")}
    folder = save_adapter(make_adapter(prompts=prompts), tmp_path / "pets")
    result = run("classify", photos, "--adapter", folder, "--top", 2, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output

    tuned = attach(base, load_adapter(folder))
    images = np.stack([np.asarray(Image.open(photos / f"{n}.png")) for n in range(4)])
    vectors = tuned.encode_images(torch.from_numpy(images).permute(0, 3, 1, 2)).vectors
    texts = tuned.encode_texts(["a cat", "a dog", "the dog"]).vectors
    dog = texts[1] + texts[2]
    logits = 20.0 * vectors @ np.stack([texts[0], dog / np.linalg.norm(dog)]).T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for row in table(tmp_path / "out.csv"):
        image = int(row["path"].rpartition("/")[2][0])
        place = ["cat", "dog"].index(row["label"])
        assert float(row["probability"]) == pytest.approx(expected[image, place], abs=2e-4)


def test_the_strength_of_the_command_line_counts(
    adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    words = ("embed", photos, "--adapter", adapter_folder, "--quiet")
    assert run(*words, "--strength", 0.5, "-o", tmp_path / "half.parquet").exit_code == 0
    assert run(*words, "-o", tmp_path / "whole.parquet").exit_code == 0

    message = fails(*words, "--strength", 0.5, "-o", tmp_path / "whole.parquet")
    assert "they differ in adapter" in message and "--strength" in message


def test_strength_0_embeds_into_the_space_of_the_base(
    model_folder: Path, adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "base.parquet"
    assert run("embed", photos, "--model", model_folder, "-o", out, "--quiet").exit_code == 0
    again = run("embed", photos, "--adapter", adapter_folder, "--strength", 0, "-o", out)
    assert "0 embedded, 4 kept" in again.output


def test_an_index_opens_again_with_its_adapter_and_strength(
    adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "photos.fg"
    words = ("index", photos, "--adapter", adapter_folder, "--strength", 0.5, "-o", index)
    assert run(*words).exit_code == 0
    opened = fieldguide.open_index(index)

    assert opened.guide.adapter is not None
    assert opened.guide.adapter.config.strength == 0.5
    found = opened.search(image=photos / "2.png", k=1)
    assert found[0].path.endswith("2.png") and found[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert run("search", index, "a cat", "--quiet").exit_code == 0


def test_an_index_whose_adapter_has_moved_opens_where_it_is_now(
    adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "photos.fg"
    assert run("index", photos, "--adapter", adapter_folder, "-o", index).exit_code == 0
    moved = adapter_folder.rename(tmp_path / "moved")

    assert "No adapter is named" in fails("search", index, "a cat")
    assert run("search", index, "a cat", "--adapter", moved).exit_code == 0


def test_an_index_is_not_searched_with_another_adapter(
    make_adapter: Callable[..., Adapter], adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "photos.fg"
    other = save_adapter(make_adapter(seed=1), tmp_path / "other")
    assert run("index", photos, "--adapter", adapter_folder, "-o", index).exit_code == 0

    assert "they differ in adapter" in fails("search", index, "a cat", "--adapter", other)


def test_evaluate_takes_an_adapter(adapter_folder: Path, photos: Path, tmp_path: Path) -> None:
    result = run("evaluate", tmp_path / "labels.csv", "--adapter", adapter_folder)
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.output


def test_a_probe_classifies_and_is_refused_where_vectors_are_wanted(
    probe_adapter: Adapter, photos: Path, tmp_path: Path
) -> None:
    folder = save_adapter(probe_adapter, tmp_path / "probe")
    out = tmp_path / "out.csv"
    assert run("classify", photos, "--adapter", folder, "--top", 3, "-o", out).exit_code == 0
    assert {row["label"] for row in table(out)} == {"red", "green", "blue"}

    for words in (("embed", photos, "-o", tmp_path / "x.parquet"), ("index", photos, "-o", "x.fg")):
        assert "is a probe" in fails(*words, "--adapter", folder)
    assert "--template" in fails("classify", photos, "--adapter", folder, "--template", "a {}")
    assert "its own labels only" in fails(
        "classify", photos, "--adapter", folder, "--label", "red", "--label", "mauve"
    )


def test_labels_of_the_user_go_before_those_of_the_adapter(
    make_adapter: Callable[..., Adapter], photos: Path, tmp_path: Path
) -> None:
    folder = save_adapter(make_adapter(prompts={"cat": ("a cat",), "dog": ("a dog",)}),
                          tmp_path / "pets")  # fmt: skip
    guide = fieldguide.guide(adapter=folder)
    found = guide.classify(photos, ["river", "road"])
    assert {guess.label for row in found for guess in row.guesses} == {"river", "road"}


def test_results_say_which_adapter_made_them(adapter_folder: Path, photos: Path) -> None:
    guide = fieldguide.guide(adapter=adapter_folder, strength=0.5)
    facts = guide.classify(photos, ["cat", "dog"]).provenance

    assert facts["adapter"] == str(adapter_folder)
    assert facts["strength"] == 0.5
    assert facts["adapter_digest"] == load_adapter(adapter_folder).digest


def test_guides_with_adapters_share_the_model_that_was_loaded(
    adapter_folder: Path, model_folder: Path
) -> None:
    plain = fieldguide.guide(model=str(model_folder))
    plain.encode_text("a cat")
    tuned = plain.with_adapter(adapter_folder)

    assert tuned.planner._bases is plain.planner._bases
    assert tuned.encode_text("a cat").space.adapter is not None
    assert plain.encode_text("a cat").space.adapter is None


def test_an_adapter_brings_its_domain_and_scope(
    make_adapter: Callable[..., Adapter], tmp_path: Path
) -> None:
    made_for = {"domain": "remote_sensing", "modality": "rgb_scene", "scope": ("rgb_scene",)}
    folder = save_adapter(make_adapter(**made_for), tmp_path / "scenes")
    guide = fieldguide.guide(adapter=folder)

    assert guide.domain.name == "remote_sensing"
    assert guide.planner.text_model()[0].name == "rgb_scene"


def test_an_adapter_is_refused_on_what_it_was_not_made_for(
    make_adapter: Callable[..., Adapter], photos: Path, tmp_path: Path
) -> None:
    folder = save_adapter(make_adapter(scope=("rgb_scene",)), tmp_path / "scenes")
    result = run("classify", photos, "--adapter", folder, "--label", "a", "--label", "b")
    assert result.exit_code == 1 and "rgb_scene" in result.output


def test_another_base_model_is_refused(adapter_folder: Path, photos: Path, tmp_path: Path) -> None:
    other = write_tiny_checkpoint(tmp_path / "other", architecture="vit", seed=1)
    message = fails("classify", photos, "--adapter", adapter_folder, "--model", other,
                    "--label", "a", "--label", "b")  # fmt: skip
    assert "was made for the model" in message


def test_a_base_that_has_moved_is_found_by_model(
    make_adapter: Callable[..., Adapter], model_folder: Path, base: OpenClipEncoder,
    photos: Path, tmp_path: Path,
) -> None:  # fmt: skip
    gone = make_adapter().config.base.model_copy(update={"model": str(tmp_path / "gone")})
    folder = save_adapter(make_adapter(base=gone), tmp_path / "tiles")

    words = ("classify", photos, "--adapter", folder, "--label", "a", "--label", "b")
    assert "Say where that model is now: --model" in fails(*words)
    assert run(*words, "--model", model_folder).exit_code == 0


def test_an_adapter_without_effect_is_an_error_wherever_it_is_used(
    adapter: Adapter, photos: Path, tmp_path: Path
) -> None:
    zero = {name: change.scaled(0.0) for name, change in adapter.changes.items()}
    folder = save_adapter(type(adapter)(adapter.config, zero), tmp_path / "zero")

    for words in (
        ("classify", photos, "--label", "a", "--label", "b"),
        ("embed", photos, "-o", tmp_path / "x.parquet"),
        ("index", photos, "-o", tmp_path / "x.fg"),
        ("evaluate", tmp_path / "labels.csv"),
    ):
        assert "changes nothing" in fails(*words, "--adapter", folder)


def test_a_strength_without_an_adapter_is_wrong_usage(photos: Path) -> None:
    message = fails("classify", photos, "--strength", 0.5, "--label", "a", "--label", "b")
    assert "--adapter" in message


def test_research_only_adapters_are_refused_where_the_user_switched_them_off(
    make_adapter: Callable[..., Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_RESEARCH_WEIGHTS", "refuse")
    with pytest.raises(WeightsError, match="research use only"):
        fieldguide.guide(adapter=make_adapter(research_only=True))


def test_the_licence_of_a_limited_adapter_is_said_once(
    make_adapter: Callable[..., Adapter], caplog: pytest.LogCaptureFixture
) -> None:
    limited = make_adapter("said_once", licence_limits="not for sale")
    with caplog.at_level(logging.WARNING):
        fieldguide.guide(adapter=limited)
        fieldguide.guide(adapter=limited)
    assert [r.message for r in caplog.records] == [
        "adapter said_once: licence MIT; limits: not for sale"
    ]


def test_a_model_that_offers_no_towers_takes_no_adapter(
    adapter: Adapter, make_encoder: Callable[..., object]
) -> None:
    with pytest.raises(AdapterError, match="takes no adapters"):
        require_tunable(make_encoder())  # type: ignore[arg-type] # an encoder of a test


# fieldguide adapters


def test_the_list_shows_folders_and_archives_and_names_a_broken_one(
    adapter_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(adapter_folder, tmp_path / "broken")
    (tmp_path / "broken" / "adapter.json").write_text("{}")
    assert run("adapters", "export", adapter_folder, "-o", tmp_path / "tiles.zip").exit_code == 0

    result = run("adapters", "list", tmp_path, "--json")
    rows = {row["place"]: row for row in json.loads(result.stdout) if row["place"]}
    assert set(rows) == {str(tmp_path / name) for name in ("tiles", "tiles.zip", "broken")}
    assert rows[str(tmp_path / "tiles")]["method"] == "lora"
    assert "cannot be used" in rows[str(tmp_path / "broken")]["summary"]
    assert run("adapters").exit_code == 0


def test_show_prints_the_card_and_the_record(adapter_folder: Path) -> None:
    result = run("adapters", "show", adapter_folder)
    assert result.exit_code == 0
    assert "# tiles" in result.output
    assert "32 x 32 px, center_crop" in result.output
    said = json.loads(run("adapters", "show", adapter_folder, "--json").stdout)
    assert said["digest"] == load_adapter(adapter_folder).digest


def test_check_passes_a_sound_adapter_and_fails_a_changed_one(adapter_folder: Path) -> None:
    result = run("adapters", "check", adapter_folder)
    assert result.exit_code == 0, result.output
    assert "it changes images and texts" in result.output

    (adapter_folder / "card.md").write_text("# another\n", "utf-8")
    result = run("adapters", "check", adapter_folder, "--quiet")
    assert result.exit_code == 1
    assert "card.md is not the file that was saved" in result.output


def test_merge_writes_a_folder_that_model_takes(
    adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    merged = tmp_path / "merged"
    assert run("adapters", "merge", adapter_folder, "-o", merged).exit_code == 0
    labels = ("--label", "a", "--label", "b")
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    assert run("classify", photos, "--model", merged, *labels, "-o", ours).exit_code == 0
    assert (
        run("classify", photos, "--adapter", adapter_folder, *labels, "-o", theirs).exit_code == 0
    )
    assert ours.read_text("utf-8") == theirs.read_text("utf-8")


def test_combine_writes_the_sum(
    make_adapter: Callable[..., Adapter], adapter_folder: Path, tmp_path: Path
) -> None:
    other = save_adapter(make_adapter("other", seed=1), tmp_path / "other")
    out = tmp_path / "sum"
    words = ("adapters", "combine", adapter_folder, other, "--weight", 1, "--weight", 0.5)
    assert run(*words, "--name", "both", "-o", out).exit_code == 0
    assert load_adapter(out).config.settings["weights"] == [1.0, 0.5]
    assert run(*words, "-o", out).exit_code == 2  # it is there already


# fieldguide doctor --adapter


def doctor_of(adapter: object, tmp_path: Path) -> tuple[Result, dict[str, dict[str, str]]]:
    report = tmp_path / "report.json"
    result = run("doctor", "--offline", "--adapter", adapter, "-o", report)
    groups = {g["title"]: g["checks"] for g in json.loads(report.read_text("utf-8"))["groups"]}
    return result, {check["name"]: check for check in groups[f"Adapter {adapter}"]}


def test_the_doctor_tells_effect_exactness_base_and_memory(
    adapter: Adapter, adapter_folder: Path, tmp_path: Path
) -> None:
    _, checks = doctor_of(adapter_folder, tmp_path)

    assert {check["status"] for check in checks.values()} == {"ok"}
    assert {"files", "versions", "base model", "base tensors", "effect", "merge", "memory"} <= set(
        checks
    )
    numbers = 2 * 64 + 256 * 2 + 32
    assert f"{numbers:,} numbers" in checks["memory"]["found"]


def test_the_doctor_fails_an_adapter_without_effect(adapter: Adapter, tmp_path: Path) -> None:
    zero = {name: change.scaled(0.0) for name, change in adapter.changes.items()}
    folder = save_adapter(type(adapter)(adapter.config, zero), tmp_path / "zero")
    result, checks = doctor_of(folder, tmp_path)

    assert result.exit_code == 1
    assert checks["adapter"]["status"] == "fail" and "no effect" in checks["adapter"]["found"]


def test_the_doctor_tells_other_versions(
    make_adapter: Callable[..., Adapter], tmp_path: Path
) -> None:
    folder = save_adapter(make_adapter(versions={"torch": "0.1"}), tmp_path / "old")
    _, checks = doctor_of(folder, tmp_path)
    assert checks["versions"]["status"] == "warn"
    assert "torch 0.1 there" in checks["versions"]["found"]


def test_the_doctor_fails_an_adapter_whose_base_has_other_tensors(
    make_adapter: Callable[..., Adapter], tmp_path: Path
) -> None:
    other = make_adapter().config.base.model_copy(update={"network": "0" * 64})
    folder = save_adapter(make_adapter(base=other), tmp_path / "strange")
    _, checks = doctor_of(folder, tmp_path)
    assert checks["base tensors"]["status"] == "fail"


# Adapters of the registry


def test_an_adapter_of_a_registry_is_used_by_its_name(
    adapter_folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256((adapter_folder / "adapter.json").read_bytes()).hexdigest()
    registry = tmp_path / "registry.yaml"
    text = f"""
version: 1
models:
  - {{name: my_base, summary: mine, architecture: open_clip, scope: [photo], licence: MIT,
     settings: {{folder: {adapter_folder.parent}}}}}
adapters:
  - name: my_tiles
    summary: my adapter
    base_model: my_base
    scope: [photo]
    licence: MIT
    weights: {{file: {adapter_folder}/adapter.json, sha256: {digest}}}
"""
    registry.write_text(text, "utf-8")
    monkeypatch.setenv("FIELDGUIDE_REGISTRY", str(registry))
    get_catalog.cache_clear()
    try:
        guide = fieldguide.guide(adapter="my_tiles")
        assert (
            guide.about(guide.planner.plan(guide.find(photos), thumbnails=False))["adapter"]
            == "my_tiles"
        )
        assert "my_tiles" in run("adapters").output
        assert "adapters: my_tiles" in run("models").output
        assert "my_tiles; use: --adapter" in run("models", "my_base").output
        registry.write_text(text.replace(digest, "f" * 64), "utf-8")
        get_catalog.cache_clear()
        with pytest.raises(AdapterError, match="where the registry says"):
            fieldguide.guide(adapter="my_tiles")
        registry.write_text(text.replace("base_model: my_base", "base_model: nosuch"), "utf-8")
        get_catalog.cache_clear()
        with pytest.raises(FieldguideError, match="changes the model 'nosuch'"):
            get_catalog()
    finally:
        monkeypatch.delenv("FIELDGUIDE_REGISTRY")
        get_catalog.cache_clear()


def test_vectors_of_the_base_are_not_classified_with_an_adapter(
    model_folder: Path, adapter_folder: Path, photos: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "base.parquet"
    fieldguide.guide(model=str(model_folder)).embed(photos, stored)
    with pytest.raises(SpaceMismatchError, match="adapter"):
        fieldguide.guide(adapter=adapter_folder).classify(stored, ["a", "b"])
