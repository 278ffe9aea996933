"""``fieldguide tune`` as a user types it, in one process and in two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fieldguide.cli import main
from fieldguide.guides import Guide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Run = Callable[..., tuple[int, str, str]]

COLOURS = ("red", "green", "blue")
SHORT = ("--batch-size", "8", "--epochs", "2", "--projection-epochs", "2", "--checks", "1")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_tune_then_check_then_classify(
    run: Run, colours: Path, model_folder: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    code, out, err = run("tune", colours, "-o", made, "--model", model_folder, *SHORT,
                         "--licence", "CC0-1.0", "--name", "colours")  # fmt: skip
    assert code == 0, err
    assert "domain domain, top-1" in out
    assert f"fieldguide classify PICTURES --adapter {made}" in err

    code, out, err = run("doctor", "--adapter", made)
    assert code == 0, out
    code, out, err = run("classify", colours.parent / "red_4.png", "--adapter", made)
    assert code == 0, err
    assert "red" in out
    record = json.loads((made / "adapter.json").read_text())["config"]
    assert record["licence"] == "CC0-1.0"
    assert record["name"] == "colours"
    assert record["command"].startswith("fieldguide tune ")
    assert "--licence CC0-1.0" in record["command"]
    assert str(made) not in record["command"]
    assert record["settings"]["processes"] == 1


def test_a_dry_run_by_command_leaves_no_trace(
    run: Run, colours: Path, model_folder: Path, tmp_path: Path
) -> None:
    code, out, err = run("tune", colours, "-o", tmp_path / "made", "--model", model_folder,
                         "--dry-run")  # fmt: skip
    assert code == 0, err
    assert out == ""
    assert "numbers train" in err
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_left_rows_out_ends_with_3_and_names_the_first(
    run: Run, model_folder: Path, tmp_path: Path, draw: Callable[..., Path]
) -> None:
    manifest = draw(tmp_path / "colours", 10)
    (tmp_path / "colours" / "red_0.png").write_bytes(b"no picture")
    code, _, err = run("tune", manifest, "-o", tmp_path / "made", "--model", model_folder, *SHORT,
                       "--no-measure")  # fmt: skip
    assert code == 3
    assert "red_0.png" in err
    assert (tmp_path / "made" / "adapter.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "loar"), "Did you mean 'lora'"),
        (("--loss", "infonec"), "Did you mean 'infonce'"),
        (("--rank", "4", "--method", "probe"), "'rank' is no setting of the method 'probe'"),
        (("--label-column", "klass"), "No row has a column 'klass'"),
        (("--set", "clip_norm"), "not NAME=VALUE"),
        (("--set", "clip_norm=[1"), "cannot be read"),
        (("--set", "clip_norm=loud"), "clip_norm"),
        (("--sister", "tiles.csv"), "DOMAIN=MANIFEST"),
        (("--general", "nowhere.csv"), "nowhere.csv"),
        (("--converter", "poem"), "poem"),
    ],
)
def test_mistakes_end_in_one_line_that_names_them(
    run: Run, colours: Path, model_folder: Path, tmp_path: Path,
    options: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    code, _, err = run("tune", colours, "-o", tmp_path / "made", "--model", model_folder, *options)
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "made").exists()


def test_settings_without_an_option_are_set_by_name(
    run: Run, colours: Path, model_folder: Path, tmp_path: Path
) -> None:
    code, _, err = run("tune", colours, "-o", tmp_path / "made", "--model", model_folder, *SHORT,
                       "--no-measure", "--quiet", "--set", "clip_norm=0.25",
                       "--set", "projection-rate=0.01")  # fmt: skip
    assert code == 0, err
    settings = json.loads((tmp_path / "made/adapter.json").read_text())["config"]["settings"]
    assert (settings["clip_norm"], settings["projection_rate"]) == (0.25, 0.01)


def vectors(model: Path, adapter: Path | None, colours: Path) -> NDArray[np.float32]:
    """Return the vectors of some pictures and texts, (N, D)."""
    guide = Guide("general", model=str(model), adapter=adapter)
    pictures = [guide.encode_image(colours.parent / f"{name}_4.png") for name in COLOURS]
    texts = [guide.encode_text(f"a photo of a {name} field") for name in COLOURS]
    return np.concatenate([each.vectors for each in (*pictures, *texts)])


@pytest.mark.slow
def test_two_processes_make_the_adapter_of_one(
    colours: Path, model_folder: Path, tmp_path: Path
) -> None:
    method, loss = "lora", "sigmoid"
    settings = {"method": method, "loss": loss, "batch_size": 7, "epochs": 1,
                "projection_epochs": 0.5, "feature_dropout": 0.0, "measure": False}  # fmt: skip
    Guide("general", model=str(model_folder)).tune(
        colours, tmp_path / "one", towers=["image", "text"], **settings
    )
    options = [str(colours), "--model", str(model_folder), "--method", method, "--loss", loss,
               "--batch-size", "7", "--epochs", "1", "--projection-epochs", "0.5", "--no-measure",
               "--feature-dropout", "0", "--tower", "image", "--tower", "text",
               "--device", "cpu"]  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node",
               "2", "-m", "fieldguide", "tune", *options, "-o", str(tmp_path / "two")]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

    # vectors, not weights: biases of keys change nothing, and Adam moves them by rounding alone
    base, one, two = (
        vectors(model_folder, None if name is None else tmp_path / name, colours)
        for name in (None, "one", "two")
    )
    assert np.abs(one - base).max() > 0.01
    assert np.abs(two - one).max() < 1e-3
