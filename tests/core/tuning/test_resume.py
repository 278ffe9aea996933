"""Trainings that are cut at any moment go on and end with the weights of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import StoreError, TuningError, UsageError
from fieldguide.tuning.training import run
from fieldguide.tuning.training.workplace import Workplace

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

WEIGHTS = "adapter.safetensors"


class _KilledError(Exception):
    """Stands for a power cut."""


@pytest.fixture
def undisturbed(guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]) -> bytes:
    guide.tune(colours, tmp_path / "undisturbed", dropout=0.1, **quick)
    return (tmp_path / "undisturbed" / WEIGHTS).read_bytes()


@pytest.mark.parametrize("at", [3, 17, 18, 19, 30, 44])
def test_a_training_cut_at_a_step_goes_on_bit_for_bit(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any], undisturbed: bytes,
    at: int, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from fieldguide.tuning.training.phase import PhaseRun

    done = 0
    real = PhaseRun._do_step

    def do_step(self: PhaseRun, batches: Any) -> None:
        nonlocal done
        if done == at:
            raise _KilledError
        done += 1
        real(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(PhaseRun, "_do_step", do_step)
        with pytest.raises(_KilledError):
            guide.tune(colours, tmp_path / "cut", dropout=0.1, checkpoint_s=0, **quick)
    guide.tune(colours, tmp_path / "cut", dropout=0.1, checkpoint_s=0, resume=True, **quick)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == undisturbed


@pytest.mark.parametrize("cut", ["write_card", "save_adapter"])
def test_a_training_cut_while_its_folder_is_written_ends_whole(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any], undisturbed: bytes,
    cut: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(*_: Any, **__: Any) -> None:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run, cut, fail)
        with pytest.raises(_KilledError):
            guide.tune(colours, tmp_path / "cut", dropout=0.1, **quick)
    assert not (tmp_path / "cut").exists()
    guide.tune(colours, tmp_path / "cut", dropout=0.1, resume=True, **quick)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == undisturbed
    assert not (tmp_path / "cut.training").exists()


def test_a_training_cut_between_its_folder_and_its_clearing_up_is_finished(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    made = guide.tune(colours, tmp_path / "cut", **quick)
    (tmp_path / "cut.training" / "checkpoints").mkdir(parents=True)
    again = guide.tune(colours, tmp_path / "cut", resume=True, **quick)
    assert made.adapter is not None
    assert again.adapter is not None
    assert again.adapter.digest == made.adapter.digest
    assert not (tmp_path / "cut.training").exists()


def test_an_unfinished_training_is_not_begun_anew_by_mistake(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    Workplace(tmp_path / "cut").checkpoints.mkdir(parents=True)
    with pytest.raises(UsageError, match="--resume"):
        guide.tune(colours, tmp_path / "cut", **quick)


def test_other_settings_do_not_go_on_from_a_checkpoint(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(*_: Any, **__: Any) -> None:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_card", fail)
        with pytest.raises(_KilledError):
            guide.tune(colours, tmp_path / "cut", **quick)
    with pytest.raises(TuningError, match=r"learning_rate was 0\.003, is 0\.004"):
        guide.tune(colours, tmp_path / "cut", resume=True, **quick | {"learning_rate": 0.004})


def test_two_trainings_do_not_write_one_output(
    guide: Guide, colours: Path, tmp_path: Path, quick: dict[str, Any]
) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".made.training.lock"), pytest.raises(StoreError, match="another"):
        guide.tune(colours, tmp_path / "made", **quick)


@pytest.mark.slow
def test_a_command_killed_again_and_again_ends_with_the_weights_of_an_undisturbed_one(
    colours: Path, model_folder: Path, tmp_path: Path
) -> None:
    def start(output: Path) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "fieldguide", "tune", str(colours), "-o", str(output)),
            *("--model", str(model_folder), "--batch-size", "8", "--epochs", "16"),
            *("--method", "finetune"),  # without peft, which takes seconds to import
            *("--projection-epochs", "6", "--checkpoint-s", "0", "--no-measure", "--resume"),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    undisturbed = start(tmp_path / "whole")
    assert undisturbed.wait(timeout=200) == 0, undisturbed.communicate()[1]
    kills = 0
    checkpoints = Workplace(tmp_path / "cut").checkpoints
    while kills < 2:
        process = start(tmp_path / "cut")
        before = _newest(checkpoints)
        while process.poll() is None and _newest(checkpoints) <= before + 20:
            time.sleep(0.02)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    last = start(tmp_path / "cut")
    assert last.wait(timeout=200) == 0, last.communicate()[1]
    assert kills >= 1, "the kills came too late to mean anything"
    whole, cut = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def _newest(folder: Path) -> int:
    steps = [int(path.name.split("-")[1]) for path in folder.glob("step-*.json")]
    return max(steps, default=0)
