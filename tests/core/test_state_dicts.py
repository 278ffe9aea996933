"""Checkpoints are read as data: what would run code, is damaged or lies of its size is refused."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fieldguide.errors import WeightsError
from fieldguide.models.state_dicts import read_state_dict, tensors_digest

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def assert_same(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin"])
def test_a_pickle_of_tensors_is_read(name: str, tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / name)
    assert_same(read_state_dict(tmp_path / name))


def test_a_pickle_of_the_old_form_is_read(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert_same(read_state_dict(tmp_path / "w.pt"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_training_checkpoint_is_unwrapped(prefix: str, tmp_path: Path) -> None:
    weight = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(weight.parameters())
    weight(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = {prefix + name: tensor for name, tensor in TENSORS.items()}
    content = {"epoch": 3, "name": "run", "state_dict": state, "optimizer": optimizer.state_dict()}
    torch.save(content, tmp_path / "epoch_3.pt")
    assert_same(read_state_dict(tmp_path / "epoch_3.pt"))


@pytest.mark.parametrize("new_form", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda bomb: bomb,
        lambda bomb: {"state_dict": {"a": bomb}},
        lambda bomb: {"state_dict": TENSORS, "optimizer": bomb},
        lambda bomb: {**TENSORS, "extra": [[bomb]]},
    ],
    ids=["alone", "nested", "beside", "deep"],
)
@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin"])
def test_code_in_a_pickle_is_refused_and_not_run(
    name: str, wrap: Any, new_form: bool, tmp_path: Path
) -> None:
    target = tmp_path / "was_run"
    torch.save(wrap(Bomb(target)), tmp_path / name, _use_new_zipfile_serialization=new_form)
    with pytest.raises(WeightsError, match=r"refused.*mkdir.*could run code.*safetensors"):
        read_state_dict(tmp_path / name)
    assert not target.exists()


def test_the_bomb_of_these_tests_does_go_off_where_pickles_are_trusted(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "was_run")))
    assert (tmp_path / "was_run").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.bin"])
def test_a_plain_pickle_with_code_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    target = tmp_path / "was_run"
    (tmp_path / name).write_bytes(pickle.dumps({"a": Bomb(target)}, protocol=2))
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / name)
    assert not target.exists()


def test_objects_beside_tensors_are_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save({"state_dict": TENSORS, "args": Path("x")}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"pathlib.*save_file"):
        read_state_dict(tmp_path / "w.pt")


def test_a_torchscript_program_is_refused_and_its_safe_form_named(tmp_path: Path) -> None:
    program = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    torch.jit.save(program, tmp_path / "ViT-B-32.pt")
    with pytest.raises(WeightsError, match=r"TorchScript.*ViT-B-32-quickgelu:openai"):
        read_state_dict(tmp_path / "ViT-B-32.pt")


def test_a_safetensors_file_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save(Bomb(tmp_path / "was_run"), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="safetensors"):
        read_state_dict(tmp_path / "w.safetensors")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
def test_a_cut_file_is_refused(name: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / name
    large = {"a": torch.arange(4096.0)}
    if name.endswith("safetensors"):
        save_file(large, path)
    else:
        torch.save(large, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(WeightsError, match=r"again"):
        read_state_dict(path)


def test_a_safetensors_header_of_absurd_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(WeightsError, match="again"):
        read_state_dict(tmp_path / "w.safetensors")


def test_a_compressed_archive_is_refused_before_it_grows(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "w.pt").stat().st_size < 20_000
    with pytest.raises(WeightsError, match="compressed"):
        read_state_dict(tmp_path / "w.pt")


def test_tensors_that_claim_more_than_their_file_holds_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="claims"):
        read_state_dict(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {},
        {"epoch": 3},
        {1: torch.ones(1)},
        {"a": torch.ones(2).to_sparse()},
        {"model": TENSORS},
        torch.ones(3),
    ],
    ids=["list", "empty", "number", "unnamed", "sparse", "wrapped", "tensor"],
)
def test_what_holds_no_plain_named_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="state_dict"):
        read_state_dict(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_folder_or_a_missing_file_is_an_error_of_ours(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_state_dict(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / name)


def test_the_digest_does_not_depend_on_the_container(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in TENSORS.items()}}, tmp_path / "w.pt")
    one, other = (tensors_digest(read_state_dict(tmp_path / n)) for n in ("w.safetensors", "w.pt"))
    assert one == other


@pytest.mark.parametrize(
    "changed",
    [
        {"b": TENSORS["b"]},
        {**TENSORS, "b": torch.tensor([1.0, 1, 1, np.nextafter(np.float32(1), np.float32(2))])},
        {**TENSORS, "b": TENSORS["b"].double()},
        {**TENSORS, "b": TENSORS["b"].reshape(2, 2)},
        {"c.weight": TENSORS["a.weight"], "b": TENSORS["b"]},
    ],
    ids=["fewer", "one bit", "type", "shape", "name"],
)
def test_any_change_of_the_tensors_changes_the_digest(changed: dict[str, torch.Tensor]) -> None:
    assert tensors_digest(changed) != tensors_digest(TENSORS)


def test_half_precision_and_empty_tensors_have_a_digest() -> None:
    tensors = {"a": torch.ones(3, dtype=torch.bfloat16), "b": torch.zeros(0), "c": torch.tensor(2)}
    assert len(tensors_digest(tensors)) == 64
