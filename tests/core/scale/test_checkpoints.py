"""Checkpoints: what comes back, what a crash or damage leaves, and what is refused."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fieldguide.errors import StoreError, TuningError
from fieldguide.tuning.checkpoints import latest_checkpoint, save_checkpoint
from fieldguide.tuning.packing import pack, unpack
from fieldguide.tuning.random_states import random_states, use_random_states

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = {"learning_rate": 1e-3, "loss": "infonce", "views": {"kind": "mirror"}}


def state_of(step: int) -> dict[str, Any]:
    return {"weights": {"a": torch.full((3, 2), float(step)), "b": torch.arange(step + 1)}}


def assert_is(step: int, folder: Path) -> None:
    found = latest_checkpoint(folder, SETTINGS)
    assert found is not None
    assert found.step == step
    for name, expected in state_of(step)["weights"].items():
        assert torch.equal(found.state["weights"][name], expected)


def there_and_back(value: object, folder: Path) -> Any:
    save_checkpoint(folder, 1, {"value": value}, SETTINGS)
    found = latest_checkpoint(folder, SETTINGS)
    assert found is not None
    return found.state["value"]


@pytest.mark.parametrize(
    "value",
    [
        {0: {"step": 1.5}, "0": "text", 10: None, 9: True, "a.b": 1, "a": {"b": 2}},
        (0.9, 0.999),
        [(1, [2, ("three",)]), {}, (), []],
        [0.1 + 0.2, -0.0, 5e-324, math.inf, -math.inf, 2**80],
        {"tensor": ["a name", [0]], "items": "as the packed form has them"},
    ],
)
def test_plain_values_come_back_as_they_were(value: object, tmp_path: Path) -> None:
    found = there_and_back(value, tmp_path)

    assert repr(found) == repr(value)  # 1 is not True, a tuple not a list, -0.0 not 0.0


def test_not_a_number_comes_back() -> None:
    packed, tensors = pack({"best": math.nan})

    assert math.isnan(unpack(json.loads(json.dumps(packed, allow_nan=False)), tensors)["best"])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.25, dtype=torch.float64),
        torch.zeros(0, 4),
        torch.tensor([1.5, math.nan, math.inf]).to(torch.bfloat16),
        torch.tensor([1.5, -2.0], dtype=torch.float16),
        torch.tensor([True, False]),
        torch.arange(5, dtype=torch.uint8),
        nn.Parameter(torch.ones(2)),
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.randn(3, 4).T,
        torch.randn(1, 4, 1, 1).to(memory_format=torch.channels_last),
    ],
)
def test_tensors_come_back_with_their_bits_types_and_strides(
    tensor: Tensor, tmp_path: Path
) -> None:
    found = there_and_back(tensor, tmp_path)

    assert found.dtype == tensor.dtype
    assert found.shape == tensor.shape
    assert found.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    assert found.contiguous().view(-1).view(torch.uint8).tolist() == (
        tensor.detach().contiguous().view(-1).view(torch.uint8).tolist()
    )
    large = [axis for axis in range(tensor.ndim) if tensor.shape[axis] > 1]
    if tensor.numel():
        assert [found.stride(a) for a in large] == [tensor.stride(a) for a in large]


def test_part_of_a_larger_tensor_is_kept_without_the_rest(tmp_path: Path) -> None:
    whole = torch.arange(1000).view(100, 10)

    found = there_and_back({"rows": whole[3:5], "column": whole[:, 2], "again": whole}, tmp_path)

    assert torch.equal(found["rows"], whole[3:5])
    assert torch.equal(found["column"], whole[:, 2])
    assert found["rows"].untyped_storage().nbytes() == 2 * 10 * 8


@pytest.mark.parametrize("value", [b"bytes", {1.5: 0}, object(), {"deep": [np.int64(1)]}])
def test_what_no_checkpoint_can_hold_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(TypeError, match=r"state\.here"):
        pack({"state": {"here": value}})


def test_every_source_of_chance_goes_on_where_it_was(tmp_path: Path) -> None:
    sampler = torch.Generator().manual_seed(3)

    def drawn() -> list[float]:
        own = torch.rand(2, generator=sampler).tolist()
        normal = [random.gauss(0, 1), float(np.random.standard_normal())]
        return [random.random(), *normal, *torch.randn(3).tolist(), *own]

    drawn()
    states = there_and_back(random_states({"sampler": sampler}), tmp_path)
    assert all(state.dtype == torch.uint8 for state in states.values())
    expected = drawn()

    use_random_states(states, {"sampler": sampler})

    assert drawn() == expected


class Run:
    """A small training with everything that has a state: momentum, rates, dropout, order."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 5)
        ).to(memory_format=torch.channels_last)
        self.adam = torch.optim.AdamW(self.network.parameters(), lr=1e-2, amsgrad=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.adam, 20)
        self.order = torch.Generator().manual_seed(1)
        self.images = torch.randn(30, 3, 8, 8).to(memory_format=torch.channels_last)

    def steps(self, count: int) -> None:
        for _ in range(count):
            rows = torch.randint(30, (8,), generator=self.order)
            self.adam.zero_grad()
            self.network(self.images[rows]).square().mean().backward()
            self.adam.step()
            self.schedule.step()

    def state(self) -> dict[str, Any]:
        return {
            "network": dict(self.network.named_parameters()),
            "adam": self.adam.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": random_states({"order": self.order}),
        }

    def use(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(state["network"][name])
        self.adam.load_state_dict(state["adam"])
        self.schedule.load_state_dict(state["schedule"])
        use_random_states(state["random"], {"order": self.order})


def test_a_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    undisturbed = Run()
    undisturbed.steps(9)
    interrupted = Run()
    interrupted.steps(4)
    save_checkpoint(tmp_path, 4, interrupted.state(), SETTINGS)
    interrupted.steps(2)  # lost in the crash
    found = latest_checkpoint(tmp_path, SETTINGS)
    assert found is not None

    resumed = Run()
    resumed.use(found.state)
    resumed.steps(5)

    pairs = zip(undisturbed.network.parameters(), resumed.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_newest_two_are_kept_and_nothing_is_pickled(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, step, state_of(step), SETTINGS)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[: len("step-0000000010")] for name in names] == (
        ["step-0000000010"] * 2 + ["step-0000000015"] * 2
    )
    assert {Path(name).suffix for name in names} == {".json", ".safetensors"}
    assert_is(15, tmp_path)


def test_later_checkpoints_of_a_run_that_went_on_from_before_are_removed(tmp_path: Path) -> None:
    for step in (10, 20, 15):
        save_checkpoint(tmp_path, step, state_of(step), SETTINGS)

    assert_is(15, tmp_path)
    assert not list(tmp_path.glob("step-0000000020*"))
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "step-notes.json").write_text("{}")
    (tmp_path / "step-mine.safetensors").write_text("mine")

    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, state_of(step), SETTINGS)

    assert (tmp_path / "step-notes.json").read_text() == "{}"
    assert (tmp_path / "step-mine.safetensors").read_text() == "mine"
    assert_is(3, tmp_path)


def test_no_folder_and_an_empty_one_have_no_checkpoint(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none", SETTINGS) is None
    assert latest_checkpoint(tmp_path, SETTINGS) is None


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip_the_last_bits(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def other_number(path: Path) -> None:
    content = path.read_text()
    assert '"step": 20' in content
    path.write_text(content.replace('"step": 20', '"step": 21'))


def nested_too_deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def a_list(path: Path) -> None:
    path.write_text("[1, 2]")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("json", cut), ("json", empty), ("json", other_number), ("json", nested_too_deep),
        ("json", a_list), ("safetensors", cut), ("safetensors", empty),
        ("safetensors", flip_the_last_bits), ("safetensors", Path.unlink),
    ],
)  # fmt: skip
def test_a_damaged_newest_one_is_skipped_for_the_one_before_with_a_warning(
    suffix: str,
    damage: Callable[[Path], object],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    save_checkpoint(tmp_path, 10, state_of(10), SETTINGS)
    newest = save_checkpoint(tmp_path, 20, state_of(20), SETTINGS)
    damage(newest.with_suffix(f".{suffix}"))

    with caplog.at_level(logging.WARNING):
        assert_is(10, tmp_path)

    assert len(caplog.records) == 1
    assert newest.name in caplog.text

    save_checkpoint(tmp_path, 20, state_of(20), SETTINGS)  # the run came here again
    assert_is(20, tmp_path)


def test_only_damaged_ones_are_an_error_with_what_to_do(tmp_path: Path) -> None:
    for step in (1, 2):
        empty(save_checkpoint(tmp_path, step, state_of(step), SETTINGS))

    with pytest.raises(TuningError, match="without --resume"):
        latest_checkpoint(tmp_path, SETTINGS)


def test_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, state_of(1), SETTINGS)
    other = {"learning_rate": 2e-3, "loss": "infonce", "views": {"kind": "none"}, "rank": 4}

    with pytest.raises(TuningError) as error:
        latest_checkpoint(tmp_path, other)

    message = str(error.value)
    assert "learning_rate was 0.001, is 0.002" in message
    assert 'views.kind was "mirror", is "none"' in message
    assert "rank was not set, is 4" in message
    assert "infonce" not in message


def test_settings_that_json_writes_otherwise_are_still_equal(tmp_path: Path) -> None:
    settings = {"betas": (0.9, 0.999), "counts": {10: 1, 9: 2}, "limit": math.nan}
    save_checkpoint(tmp_path, 1, state_of(1), settings)

    assert latest_checkpoint(tmp_path, settings) is not None


def test_a_format_of_another_version_is_an_error_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("fieldguide.tuning.checkpoints.FORMAT", 2)
        save_checkpoint(tmp_path, 1, state_of(1), SETTINGS)

    with pytest.raises(TuningError, match="the version that wrote it"):
        latest_checkpoint(tmp_path, SETTINGS)


def test_a_full_disk_is_an_error_and_leaves_the_one_before(tiny_disk: Path) -> None:
    folder = tiny_disk / "checkpoints"
    save_checkpoint(folder, 1, state_of(1), SETTINGS)

    with pytest.raises(StoreError, match="Make room"):
        save_checkpoint(folder, 2, {"weights": torch.zeros(200_000)}, SETTINGS)

    assert_is(1, folder)
    assert len(list(folder.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_an_error(read_only_folder: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        save_checkpoint(read_only_folder / "checkpoints", 1, state_of(1), SETTINGS)


def die_at_event(number: int, folder: Path) -> None:
    """End this process, as SIGKILL does, before the file system call of that number."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        watched = ("open", "os.rename", "os.remove")
        if event in watched and str(arguments[0]).startswith(str(folder)):
            seen += 1
            if seen == number:
                os._exit(9)

    sys.addaudithook(hook)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_crash_before_any_file_system_call_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    left, number, status = set(), 0, 9
    while status == 9:
        number += 1
        folder = tmp_path / str(number)
        for step in (1, 2):
            save_checkpoint(folder, step, state_of(step), SETTINGS)
        child = os.fork()
        if child == 0:
            die_at_event(number, folder)
            save_checkpoint(folder, 3, state_of(3), SETTINGS)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = latest_checkpoint(folder, SETTINGS)
        assert found is not None
        left.add(found.step)
        assert_is(found.step, folder)
        save_checkpoint(folder, 4, state_of(4), SETTINGS)
        assert_is(4, folder)
        assert not list(folder.glob(".*"))
        assert len(list(folder.iterdir())) == 4

    assert left == {2, 3}
    assert number > 8
