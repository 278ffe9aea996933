"""How many images a step takes, and steps that do not fit into memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from fieldguide.errors import OutOfMemoryError
from fieldguide.models.batching import (
    MOST_ON_CPU,
    SHARE_OF_MEMORY,
    WAITING,
    SplittingTower,
    choose_batch_size,
    step_bytes,
)
from fieldguide.models.memory import bytes_per_image, free_main_memory

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
MIB = 1 << 20


class Narrow:
    """A tower that fits at most some images; a feature is its image's first pixel."""

    def __init__(self, fits: int, error: BaseException) -> None:
        self.fits = fits
        self.error = error
        self.asked: list[int] = []

    def __call__(self, pixels: Tensor) -> Tensor:
        self.asked.append(len(pixels))
        if len(pixels) > self.fits:
            raise self.error
        return pixels[:, 0, 0, :1].float()


def numbered(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory:"
        " you tried to allocate 17179869184 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("Exception from src/inference: std::bad_alloc"),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("fits", [1, 3, 7, 20])
def test_a_batch_that_does_not_fit_is_split_and_its_order_kept(
    fits: int, error: BaseException
) -> None:
    found = SplittingTower(Narrow(fits, error))(numbered(20))
    assert found.flatten().tolist() == list(range(20))


def test_the_step_that_fitted_is_kept_for_the_next_batches() -> None:
    tower = Narrow(6, SHORTAGES[0])
    splitting = SplittingTower(tower)
    splitting(numbered(20))
    assert tower.asked == [20, 10, 5, 5, 5, 5]
    tower.asked.clear()
    splitting(numbered(12))
    assert tower.asked == [5, 5, 2]


def test_a_batch_that_fits_goes_through_whole() -> None:
    tower = Narrow(100, SHORTAGES[0])
    SplittingTower(tower)(numbered(64))
    assert tower.asked == [64]


def test_an_empty_batch_goes_through() -> None:
    assert SplittingTower(Narrow(4, SHORTAGES[0]))(numbered(0)).shape == (0, 1)


def test_when_one_image_does_not_fit_the_error_says_what_to_do() -> None:
    with pytest.raises(OutOfMemoryError, match=r"one image at a time.*--device cpu"):
        SplittingTower(Narrow(0, SHORTAGES[0]))(numbered(8))


def test_another_error_of_the_tower_is_not_taken_for_a_shortage() -> None:
    tower = Narrow(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        SplittingTower(tower)(numbered(8))
    assert tower.asked == [8]


REAL_SHORTAGE = """
import resource
from pathlib import Path
import torch
from fieldguide.models.batching import SplittingTower

torch.set_num_threads(1)

def tower(pixels):
    torch.ones((len(pixels), 64, 1024, 256))  # 64 MiB an image
    return pixels[:, 0, 0, :1].float()

pixels = torch.arange(16, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
tower(pixels[:1])
status = Path("/proc/self/status").read_text().splitlines()
used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
splitting = SplittingTower(tower)
print(splitting(pixels).flatten().int().tolist() == list(range(16)), splitting.step)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of address space")
def test_a_process_that_truly_runs_out_of_memory_goes_on_in_smaller_steps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REAL_SHORTAGE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    right, step = done.stdout.split()
    assert right == "True"
    assert 1 <= int(step) < 16


def test_what_an_image_takes_follows_from_its_largest_layer() -> None:
    module = nn.Sequential(nn.Conv2d(3, 10, 3, padding=1), nn.Flatten(), nn.Linear(10 * 64, 4))
    # ten channels of 8 x 8 float32, four of which are alive at once
    assert bytes_per_image(module, torch.zeros(1, 3, 8, 8)) == 4 * 10 * 64 * 4


def test_a_measured_module_keeps_no_trace_of_the_measurement() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    bytes_per_image(module, torch.zeros(1, 3, 2, 2))
    assert not any(layer._forward_hooks for layer in module.modules())


def test_waiting_images_count_too() -> None:
    module = nn.Flatten()
    image = torch.zeros(1, 3, 8, 8)
    assert step_bytes(module, image, CPU) - bytes_per_image(module, image) == WAITING * 3 * 8 * 8


def steps_with(free: int | None, monkeypatch: pytest.MonkeyPatch, *, count: int = 1000) -> int:
    monkeypatch.setattr("fieldguide.models.batching.available_bytes", lambda device: free)
    return choose_batch_size(CPU, count, lambda: 10 * MIB)


def test_a_step_takes_its_share_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHARE_OF_MEMORY == 0.25
    assert steps_with(400 * MIB, monkeypatch) == 10
    assert steps_with(20 * MIB, monkeypatch) == 1


def test_a_step_never_takes_more_than_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps_with(1 << 40, monkeypatch) == MOST_ON_CPU
    assert steps_with(None, monkeypatch) == MOST_ON_CPU  # a system that does not tell


def test_for_a_handful_of_images_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> int:
        raise AssertionError("measured")

    monkeypatch.setattr("fieldguide.models.batching.available_bytes", lambda device: 8 * MIB)
    assert choose_batch_size(CPU, 1, never) == MOST_ON_CPU


@pytest.mark.parametrize(
    ("limit_mib", "free_mib"), [(None, 5000), (8000, 5000), (1500, 1000), (400, 0)]
)
def test_free_memory_is_bound_by_the_machine_and_by_the_control_group(
    tmp_path: Path, limit_mib: int | None, free_mib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kib = 1024
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: {9000 * kib} kB\nMemAvailable: {5000 * kib} kB\nHugePages: 0\n")
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nVmRSS:\t  {500 * kib} kB\nThreads:\t1\n")
    limit: Any = None if limit_mib is None else limit_mib * MIB
    monkeypatch.setattr("fieldguide.models.memory.memory_limit_bytes", lambda: limit)
    assert free_main_memory(meminfo, status) == free_mib * MIB


def test_a_system_without_proc_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldguide.models.memory.memory_limit_bytes", lambda: None)
    assert free_main_memory(tmp_path / "none", tmp_path / "none") is None
