"""Losses tile by tile against the same losses with the whole matrix."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from torch import Tensor

from fieldguide.errors import TuningError
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.multi_positive import MultiPositive
from fieldguide.losses.sides import Side
from fieldguide.losses.sigmoid import Sigmoid
from fieldguide.losses.soft_targets import ContextualTargets, SemanticMatching
from fieldguide.losses.teacher_student import TeacherStudent

SMALL = (5, 3)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ),
]
LOSSES = [InfoNCE(), MultiPositive(), Sigmoid(), SemanticMatching(), ContextualTargets(),
          TeacherStudent()]  # fmt: skip
# the targets of the other one follow the vectors, without a gradient
FIXED_TARGETS = [loss for loss in LOSSES if not isinstance(loss, ContextualTargets)]
NAMES = [type(loss).__name__ for loss in LOSSES]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make several tiles of few rows, the last ones smaller."""
    for module in ("tiles", "keys"):
        monkeypatch.setattr(f"fieldguide.losses.{module}.TILE", SMALL)


def with_attributes(side: Side, lab: Any, seed: int) -> Side:
    labels = lab.units(len(side.vectors), dim=4, seed=seed).detach().to(side.vectors.device)
    return Side(side.vectors, side.keys, labels)


def gradients(value: Tensor, wanted: tuple[Tensor, ...]) -> list[Tensor]:
    return list(torch.autograd.grad(value, wanted))


@st.composite
def key_rows(draw: st.DrawFn) -> list[list[int]]:
    width = draw(st.integers(1, 3))
    row = st.lists(st.integers(-1, 5), min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=13))


@given(own=key_rows(), others=key_rows(), scale=st.floats(0.1, 100), weight=st.floats(0, 1))
def test_any_keys_and_weights_give_the_loss_and_gradients_of_the_whole_matrix(
    own: list[list[int]], others: list[list[int]], scale: float, weight: float, lab: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fieldguide.losses.tiles.TILE", SMALL)
        patch.setattr("fieldguide.losses.keys.TILE", SMALL)
        images, texts = lab.units(len(own), seed=1), lab.units(len(others), seed=2)
        sides = lab.keyed(images, own), lab.keyed(texts, others)
        factor, bias = lab.scalars(scale)
        weights = (weight, 1 - weight)
        ours = MultiPositive(weights)(*sides, factor, bias)
        theirs = lab.naive(*sides, factor, weights)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-6, abs=1e-12)
        wanted = (images, texts, factor)
        for mine, other in zip(gradients(ours, wanted), gradients(theirs, wanted), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-11)


def in_single_precision(lab: Any, noise: float, scale: float) -> tuple[list[float], list[float]]:
    """Return relative errors of gradients: ours and those of the whole matrix, in float32."""
    images = lab.units(257, 64, seed=1).detach()
    texts = torch.nn.functional.normalize(images + noise * lab.units(257, 64, seed=2).detach())
    leaves = [tensor.float().requires_grad_() for tensor in (images, texts, torch.tensor(scale))]
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    side = lab.alone(leaves[0]), lab.alone(leaves[1])
    wanted = gradients(ClipLoss()(*exact), tuple(exact))
    ours = InfoNCE()(*side, leaves[2], torch.tensor(0.0))
    errors = []
    for loss in (ours, ClipLoss()(*leaves)):
        found = gradients(loss, tuple(leaves))
        errors.append([float((own - other).norm() / other.norm())
                       for own, other in zip(found, wanted, strict=True)])  # fmt: skip
    return errors[0], errors[1]


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_single_precision_stays_within_its_bounds(
    lab: Any, scale: float, small_tiles: None
) -> None:
    ours, _ = in_single_precision(lab, 3.0, scale)
    for error, bound in zip(ours, (1e-5, 1e-5, 1e-4), strict=True):
        assert error < bound


@pytest.mark.parametrize("noise", [1.0, 0.2, 0.02])
def test_where_the_task_is_nearly_solved_single_precision_is_no_worse_than_the_whole_matrix(
    lab: Any, noise: float
) -> None:
    for error, other in zip(*in_single_precision(lab, noise, 100.0), strict=True):
        assert error <= 2 * other + 1e-6


@pytest.mark.parametrize("loss", FIXED_TARGETS, ids=[type(loss).__name__ for loss in FIXED_TARGETS])
def test_gradients_equal_finite_differences(loss: Any, lab: Any, small_tiles: None) -> None:
    keys = [0, 0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 4, 5]
    images, texts = lab.units(7, seed=1), lab.units(7, seed=2)
    sides = [with_attributes(lab.keyed(v, k), lab, 3 + i)
             for i, (v, k) in enumerate(zip((images, texts), keys, strict=True))]  # fmt: skip
    if isinstance(loss, TeacherStudent):
        loss = TeacherStudent(teacher_scale=4.0)

    def value(x: Tensor, y: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        first, second = sides
        result: Tensor = loss(Side(x, first.keys, first.attributes),
                              Side(y, second.keys, second.attributes), scale, bias)  # fmt: skip
        return result

    wanted = (images, texts, *lab.scalars(3.0, -1.0))
    if not isinstance(loss, Sigmoid):
        wanted = (*wanted[:3], wanted[3].detach())
    assert torch.autograd.gradcheck(value, wanted)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_tiles_change_nothing(loss: Any, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [0, 0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 4, 5]
    images, texts = lab.units(7, seed=1), lab.units(7, seed=2)
    factor, bias = lab.scalars(9.0, -3.0)
    sides = [with_attributes(lab.keyed(v, k), lab, 3 + i)
             for i, (v, k) in enumerate(zip((images, texts), keys, strict=True))]  # fmt: skip
    whole = loss(*sides, factor, bias)
    expected = gradients(whole, (images, texts, factor))
    for module in ("tiles", "keys"):
        monkeypatch.setattr(f"fieldguide.losses.{module}.TILE", SMALL)
    tiled = loss(*sides, factor, bias)
    assert tiled.item() == pytest.approx(whole.item(), rel=1e-9)
    for own, other in zip(gradients(tiled, (images, texts, factor)), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [InfoNCE(), Sigmoid()], ids=["InfoNCE", "Sigmoid"])
@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1)])
def test_a_frozen_side_or_scale_gets_no_gradient_and_changes_no_other(
    loss: Any, wanted: tuple[int, ...], lab: Any
) -> None:
    def inputs() -> list[Tensor]:
        return [lab.units(6, seed=1), lab.units(6, seed=2), lab.scalars(5.0)[0]]

    bias = lab.scalars(-1.0)[0].detach()
    everything = inputs()
    value = loss(lab.alone(everything[0]), lab.alone(everything[1]), everything[2], bias)
    expected = gradients(value, tuple(everything))
    some = [tensor if i in wanted else tensor.detach() for i, tensor in enumerate(inputs())]
    loss(lab.alone(some[0]), lab.alone(some[1]), some[2], bias).backward()
    for i, tensor in enumerate(inputs()):
        own = some[i].grad
        assert (own is not None) == (i in wanted)
        if own is not None:
            assert own.shape == tensor.shape
            torch.testing.assert_close(own, expected[i], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", [InfoNCE(), Sigmoid()], ids=["InfoNCE", "Sigmoid"])
def test_a_second_derivative_is_refused(loss: Any, lab: Any) -> None:
    images, texts = lab.units(4, seed=1), lab.units(4, seed=2)
    value = loss(lab.alone(images), lab.alone(texts), *lab.scalars(5.0))
    with pytest.raises(TuningError, match="create_graph"):
        torch.autograd.grad(value, images, create_graph=True)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_no_matrix_of_all_pairs_is_kept_for_the_backward_pass(loss: Any, lab: Any) -> None:
    rows, dim = 600, 4
    kept = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    images, texts = lab.units(rows, dim, seed=1), lab.units(rows, dim, seed=2)
    sides = [with_attributes(lab.alone(side), lab, 3) for side in (images, texts)]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(*sides, *lab.scalars(5.0))
    assert 0 < max(kept) <= rows * dim


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_autocast_does_not_round_the_logits(loss: Any, device: str, lab: Any) -> None:
    vectors = [lab.units(40, 16, seed=seed, dtype=torch.float32).detach().to(device)
               for seed in (1, 2)]  # fmt: skip
    scale, bias = (value.detach().float().to(device) for value in lab.scalars(100.0, -10.0))

    def run(dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
        leaves = [vector.to(torch.bfloat16).to(dtype).requires_grad_() for vector in vectors]
        factor = scale.clone().requires_grad_()
        sides = [with_attributes(Side(leaf, torch.arange(40, device=device)[:, None]), lab, 3)
                 for leaf in leaves]  # fmt: skip
        value = loss(*sides, factor, bias)
        value.backward()
        return value, [leaf.grad for leaf in (*leaves, factor)]  # type: ignore[misc]  # leaves

    exact, of_exact = run(torch.float64)
    with torch.autocast(device, torch.bfloat16):
        rounded, of_rounded = run(torch.bfloat16)

    assert rounded.dtype == torch.float32
    assert [grad.dtype for grad in of_rounded] == [torch.bfloat16, torch.bfloat16, torch.float32]
    # bfloat16 vectors are what they are: all that follows is float32
    assert rounded.item() == pytest.approx(exact.item(), rel=1e-5)
    assert of_rounded[2].item() == pytest.approx(of_exact[2].item(), rel=1e-4)
    for own, other in zip(of_rounded[:2], of_exact[:2], strict=True):
        assert float((own - other).norm() / other.norm()) < 2**-8


@pytest.mark.parametrize("device", DEVICES)
def test_the_backward_pass_inside_autocast_is_the_same(device: str, lab: Any) -> None:
    def run(inside: bool) -> Tensor:
        images, texts = (lab.units(9, seed=seed, dtype=torch.float32).detach().to(device)
                         for seed in (1, 2))  # fmt: skip
        images.requires_grad_()
        scale, bias = (value.detach().float().to(device) for value in lab.scalars(50.0))
        keys = torch.arange(9, device=device)[:, None]
        with torch.autocast(device, torch.bfloat16, enabled=inside):
            InfoNCE()(Side(images, keys), Side(texts, keys), scale, bias).backward()
        assert images.grad is not None
        return images.grad

    assert torch.equal(run(True), run(False))
