"""What the pipeline does with a contract that is not of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fieldguide.contract import InputContract
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Reader, stacked
from fieldguide.models.prepare import prepare
from fieldguide.models.probing import probe_inputs
from fieldguide.samples import RGB, SRGB8, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Cube:
    """A contract of whole volumes, which repairs nothing."""

    size_px: tuple[int, ...] = (2, 3, 4)
    bands: tuple[str, ...] = ("ct",)
    units: str = "hounsfield_unit"
    digest: str = "of a test"
    spatial_dims: int = 3
    min_valid_fraction: float = 0.0

    def model_dump(self) -> dict[str, Any]:
        return {"size_px": self.size_px}

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[Any]]:
        return sample.repaired("nothing"), sample.array


def test_prepared_volumes_are_stacked_with_their_channels_behind_the_number() -> None:
    volumes = [np.random.default_rng(seed).random((2, 3, 4, 5), np.float32) for seed in (0, 1)]
    whole = stacked(volumes)
    assert whole.shape == (2, 5, 2, 3, 4)
    assert whole[1, 4, 1, 2, 3] == volumes[1][1, 2, 3, 4]


def test_prepared_pictures_are_stacked_as_before_in_memory_too() -> None:
    pictures = [np.random.default_rng(s).integers(0, 255, (6, 5, 3), np.uint8) for s in (0, 1)]
    whole, before = stacked(pictures), torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    assert torch.equal(whole, before)
    assert whole.stride() == before.stride()


def test_a_reader_asks_the_contract_itself_to_prepare() -> None:
    array = np.zeros((2, 3, 4, 1), np.float32)
    reader = Reader({}, (), Cube())
    row, pixels = reader.read_by(
        Item("a", "a"), lambda _: Sample(array, ("ct",), "hounsfield_unit")
    )
    assert (row.status, row.reason) == ("ok", "repaired: nothing")
    assert pixels is array


def test_a_contract_of_pictures_prepares_as_the_function_does() -> None:
    contract = InputContract(
        size_px=(4, 4), resize="squash", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
    sample = Sample(np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8), RGB, SRGB8)
    ours, theirs = contract.prepare(sample, ()), prepare(sample, contract, ())
    assert np.array_equal(ours[1], theirs[1])


def test_a_probe_has_the_shape_that_a_contract_of_volumes_states() -> None:
    assert probe_inputs(Cube(), 2).shape == (2, 1, 2, 3, 4)
