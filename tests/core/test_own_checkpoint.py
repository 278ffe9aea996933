"""A user's own fine-tuned open_clip checkpoint runs through every command, with no code."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import fieldguide as fg
from fieldguide.cli import main
from fieldguide.errors import SpaceMismatchError
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

WEIGHTS = "open_clip_model.safetensors"
COLORS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 210)}
CAPTION = "a photo of {}."
STEPS = 40


class Checkpoints(NamedTuple):
    """The base model and what training made of it, in two forms."""

    base: Path
    tuned: Path
    tuned_pt: Path


def draw_colors(folder: Path, per_color: int) -> Path:
    """Write noisy images of three colors and a manifest of them."""
    folder.mkdir()
    generator = np.random.default_rng(1)
    rows = ["path,label"]
    for label, color in COLORS.items():
        for number in range(per_color):
            noise = generator.integers(-25, 26, (40, 40, 3))
            pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{label}_{number}.png")
            rows.append(f"{label}_{number}.png,{label}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def fine_tune(base: Path, images: Path, target: Path) -> None:
    """Train as open_clip's main.py does, and save as its train loop saves an epoch."""
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{base}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{base}")
    wrapped = torch.nn.Module()
    wrapped.module = model  # as DistributedDataParallel names what it holds
    paths = [images / f"{label}_0.png" for label in COLORS]
    batch = torch.stack([preprocess(Image.open(path)) for path in paths])
    texts = tokenizer([CAPTION.format(label) for label in COLORS])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss_of = open_clip.ClipLoss()
    for _ in range(STEPS):
        loss = loss_of(*model(batch, texts))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    content = {
        "epoch": 1,
        "name": "colors",
        "state_dict": wrapped.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, target)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_colors(tmp_path_factory.mktemp("own") / "images", per_color=4)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Checkpoints:
    root = tmp_path_factory.mktemp("checkpoints")
    base = write_tiny_checkpoint(root / "base", architecture="vit")
    tuned_pt = root / "tuned_pt"
    shutil.copytree(base, tuned_pt)
    (tuned_pt / WEIGHTS).unlink()
    fine_tune(base, images, tuned_pt / "epoch_1.pt")
    tuned = root / "tuned"
    shutil.copytree(base, tuned)
    state = torch.load(tuned_pt / "epoch_1.pt", weights_only=True)["state_dict"]
    save_file({key.removeprefix("module."): value for key, value in state.items()}, tuned / WEIGHTS)
    return Checkpoints(base, tuned, tuned_pt)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process; what --offline sets ends with the test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")

    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


def labels() -> list[str]:
    return [word for label in COLORS for word in ("--label", label)]


@pytest.mark.parametrize("form", ["tuned", "tuned_pt"])
def test_the_checkpoint_runs_through_classify_index_search_and_evaluate(
    form: str, checkpoints: Checkpoints, images: Path, tmp_path: Path, run: Run
) -> None:
    model = ("--model", getattr(checkpoints, form), "--offline")
    table = tmp_path / "out.csv"
    code, _, err = run("classify", images, *labels(), *model, "-o", table)
    assert code == 0, err
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    assert all(row["label"] in row["path"] for row in rows)  # it learned the colors

    code, _, err = run("index", images, "-o", tmp_path / "i.fg", *model)
    assert code == 0, err
    code, out, err = run("search", tmp_path / "i.fg", CAPTION.format("blue"), "-k", "4")
    assert code == 0, err
    assert out.count("blue_") == 4

    code, out, err = run("evaluate", images / "labels.csv", *model, "-o", tmp_path / "e.json")
    assert code == 0, err
    assert "accuracy        100.0 %" in out


def test_both_forms_of_the_checkpoint_are_one_space_and_not_the_bases(
    checkpoints: Checkpoints, images: Path
) -> None:
    spaces = [fg.guide(model=str(place)).encode_text("red").space.digest for place in checkpoints]
    assert spaces[1] == spaces[2]
    assert spaces[0] != spaces[1]


def test_an_index_of_the_base_model_refuses_the_checkpoints_vectors(
    checkpoints: Checkpoints, images: Path, tmp_path: Path, run: Run
) -> None:
    code, _, err = run("index", images, "-o", tmp_path / "base.fg", "--model", checkpoints.base)
    assert code == 0, err
    for own in (checkpoints.tuned, checkpoints.tuned_pt):
        code, _, err = run("index", images, "-o", tmp_path / "base.fg", "--model", own)
        assert code == 1
        assert "they differ in encoder and cannot be compared" in err
        assert f"--model {checkpoints.base}" in err
        assert "Traceback" not in err
    vectors = fg.guide(model=str(checkpoints.tuned)).encode_text("red")
    base = fg.guide(model=str(checkpoints.base)).encode_text("red")
    with pytest.raises(SpaceMismatchError):
        base.similarity(vectors)


def test_an_index_opens_from_another_folder_with_the_file_it_was_made_with(
    checkpoints: Checkpoints,
    images: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(checkpoints.tuned_pt.parent)
    code, _, err = run("index", images, "-o", tmp_path / "i.fg", "--model", "tuned_pt/epoch_1.pt")
    assert code == 0, err
    monkeypatch.chdir(tmp_path)
    code, out, err = run("search", "i.fg", CAPTION.format("red"), "-k", "4")
    assert code == 0, err
    assert out.count("red_") == 4


def test_a_checkpoint_that_would_run_code_stops_the_command_with_one_message(
    checkpoints: Checkpoints, images: Path, tmp_path: Path, run: Run
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (tmp_path / "was_run").mkdir, ()  # type: ignore[return-value]

    folder = tmp_path / "hostile"
    shutil.copytree(checkpoints.base, folder)
    (folder / WEIGHTS).unlink()
    tensors = load_file(checkpoints.base / WEIGHTS)
    torch.save({"state_dict": tensors, "extra": Bomb()}, folder / "open_clip_pytorch_model.bin")
    code, out, err = run("classify", images, *labels(), "--model", folder)
    assert (code, out) == (1, "")
    assert "is refused" in err
    assert "Traceback" not in err
    assert not (tmp_path / "was_run").exists()


def test_offline_without_the_model_says_what_to_download(images: Path, run: Run) -> None:
    code, _, err = run("classify", images, *labels(), "--offline", "--model", "hf-hub:org/tiny")
    assert code == 1
    assert "https://huggingface.co/org/tiny/resolve/main/open_clip_config.json" in err
    assert "--model FOLDER" in err


def test_provenance_names_the_model_and_its_space(
    checkpoints: Checkpoints, images: Path, tmp_path: Path, run: Run
) -> None:
    run("classify", images, *labels(), "--model", checkpoints.tuned, "-o", tmp_path / "o.csv")
    record = json.loads((tmp_path / "o.csv.provenance.json").read_text())
    assert record["space"]["model"] == str(checkpoints.tuned)
