"""Rows of several processes as one batch: their order, padding, gradient, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fieldguide.errors import TuningError, UsageError
from fieldguide.losses.sides import Side
from fieldguide.tuning.gather import gather
from fieldguide.tuning.processes import share_of, start_processes

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


def test_one_process_gathers_the_side_itself() -> None:
    side = Side(torch.ones(2, 3), torch.arange(2)[:, None])

    assert gather(side) is side


@pytest.mark.parametrize(("rows", "count"), [(0, 2), (1, 3), (7, 2), (8, 2), (10, 4)])
def test_shares_are_the_batch_in_its_order_and_of_nearly_equal_size(rows: int, count: int) -> None:
    parts = [list(range(rows))[share_of(rows, rank, count)] for rank in range(count)]

    assert list(itertools.chain(*parts)) == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_that_nobody_started_is_the_main_one_and_has_everything() -> None:
    processes = start_processes("cpu")

    assert processes.is_main
    assert (processes.count, processes.rank, processes.share(5)) == (1, 0, slice(0, 5))
    assert processes.collect("mine") == ["mine"]
    assert processes.anywhere(True)


def test_two_trainings_in_one_python_process_may_have_different_precisions() -> None:
    assert start_processes("cpu").accelerator.mixed_precision == "no"
    assert start_processes("cpu", "bf16").accelerator.mixed_precision == "bf16"


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="--device cpu"):
        start_processes("no_such_device")


def test_several_processes_on_a_device_without_exchange_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(TuningError, match="--device cpu"):
        start_processes("meta")


@pytest.fixture(scope="module")
def found(
    torchrun: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Tensor]]:
    """What three processes got, of which the second has no rows."""
    folder = tmp_path_factory.mktemp("gathered")
    torchrun(HERE / "gather_worker.py", folder, processes=3)
    return [load_file(folder / f"{rank}.safetensors") for rank in range(3)]


@pytest.mark.slow
def test_rows_come_in_the_order_of_the_processes_and_keys_are_padded(
    found: list[dict[str, Tensor]],
) -> None:
    vectors = [[0, 1], [2, 3], [200, 201], [202, 203], [204, 205]]
    keys = [[0, -1, -1], [0, -1, -1], [2, 2, 2], [2, 2, 2], [2, 2, 2]]
    for process in found:
        assert process["vectors"].tolist() == vectors
        assert process["keys"].tolist() == keys
        assert process["attributes"].tolist() == [[10 * x for x in row] for row in vectors]


@pytest.mark.slow
def test_the_gradient_of_own_rows_is_taken_times_the_number_of_processes(
    found: list[dict[str, Tensor]],
) -> None:
    expected = [[[0, 3], [6, 9]], [], [[12, 15], [18, 21], [24, 27]]]

    assert [process["gradient"].tolist() for process in found] == expected


@pytest.mark.slow
def test_averaged_gradients_count_a_parameter_without_one_as_zero(
    found: list[dict[str, Tensor]],
) -> None:
    for process in found:
        assert process["used"].tolist() == [1.0, 1.0]
        assert process["unused"].tolist() == [1.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("width", "columns of vectors are [2, 3, 2]"),
        ("description", "columns of attributes (-1: none) are [4, -1, -1]"),
        ("step", "differ in the step to go on from: [0, 0, 1]"),
    ],
)
def test_processes_that_do_not_fit_together_are_refused_in_each_of_them(
    found: list[dict[str, Tensor]], what: str, words: str
) -> None:
    for process in found:
        assert words in bytes(process[what].tolist()).decode()


@pytest.mark.slow
def test_a_flag_that_one_process_sets_is_seen_by_all(found: list[dict[str, Tensor]]) -> None:
    for process in found:
        assert process["flags"].tolist() == [True, False]
        assert process["collected"].tolist() == [0, 1, 2]
