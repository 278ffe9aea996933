"""A job that is killed with SIGKILL in the middle of a slide goes on and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SIDE_PX, WINDOW_PX = 800, 10
COUNT = (SIDE_PX // WINDOW_PX) ** 2


def command(model: Path, picture: Path, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "fieldguide", "classify", str(picture), "--label", "a", "--label",
        "b", "--model", str(model), "--window", str(WINDOW_PX), "--vectors", str(folder),
        "--device", "cpu",
    ]  # fmt: skip


def kill_in_the_middle(job: list[str], folder: Path) -> int:
    """Start a job, kill it when some windows are on disk, and return how many they are."""
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(job, stdout=quiet, stderr=quiet, env=one_thread)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.stat().st_size for path in folder.rglob("states.u8")):
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    (states,) = folder.rglob("states.u8")
    return states.stat().st_size


def test_a_killed_job_goes_on_and_answers_as_an_undisturbed_one(tiny: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "big.png")
    picture, killed = tmp_path / "big.png", tmp_path / "killed"
    kept = kill_in_the_middle(command(tiny, picture, killed), killed)
    assert 0 < kept < COUNT
    guide = fg.guide(model=str(tiny), device="cpu")
    resumed, whole = (
        guide.classify(picture, ["a", "b"], window=WINDOW_PX, vectors=folder, top=2)
        for folder in (killed, tmp_path / "whole")
    )
    assert resumed.report[0].embedded == COUNT - kept
    assert [guess.label for guess in resumed[0].guesses] == [g.label for g in whole[0].guesses]
    assert [guess.probability for guess in resumed[0].guesses] == pytest.approx(
        [guess.probability for guess in whole[0].guesses], abs=1e-5
    )
