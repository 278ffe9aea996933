"""Disks that misbehave, for tests of what writes; a small encoder, for tests of what computes."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from fieldguide.contract import InputContract
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.towers import EagerTower, NormalisedTower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

TINY_DISK_KB = 400


def _mount(folder: Path, *options: str) -> None:
    command = ["mount", *options, str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a disk in memory")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with room for 400 kB."""
    folder = tmp_path / "tiny_disk"
    folder.mkdir()
    _mount(folder, "-t", "tmpfs", "-o", f"size={TINY_DISK_KB}k", "tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be made; root needs a disk for that."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    _mount(folder, "-t", "tmpfs", "-o", "ro", "tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class SmallEncoder:
    """An encoder of 32 px images around any network; its texts are all the same."""

    def __init__(self, network: torch.nn.Module, name: str = "small") -> None:
        self.device = torch.device("cpu")
        self.logit_scale = 10.0
        self.contract = InputContract(
            size_px=(32, 32), resize="squash", mean=(120.0, 115.0, 104.0), std=(65.0, 64.0, 66.0)
        )
        module = NormalisedTower(network, self.contract.mean, self.contract.std)
        self.image_module = module.eval().requires_grad_(False)
        self.image_tower = EagerTower(self.image_module, self.device)
        dim = self.image_tower(torch.zeros((1, 3, 32, 32), dtype=torch.uint8)).shape[1]
        self.space = SpaceId(
            model=name, encoder=name, contract=self.contract.digest, pooling="mean", dim=dim
        )

    def encode_images(self, pixels: torch.Tensor) -> Embeddings:
        return Embeddings(unit_length(self.image_tower(pixels).numpy()), self.space)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        vectors = np.eye(self.space.dim, dtype=np.float32)[:1].repeat(len(texts), axis=0)
        return Embeddings(vectors, self.space)


def small_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 24, 8, stride=8),
        torch.nn.GELU(),
        torch.nn.Flatten(),
        torch.nn.Linear(24 * 16, 16),
    )


@pytest.fixture
def make_encoder() -> Callable[..., SmallEncoder]:
    """Make an encoder around a network, by default around a small convolutional one."""

    def make(network: torch.nn.Module | None = None, name: str = "small") -> SmallEncoder:
        return SmallEncoder(network or small_network(), name)

    return make
