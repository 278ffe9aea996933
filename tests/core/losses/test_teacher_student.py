"""A student keeps a teacher's similarities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from fieldguide.errors import TuningError
from fieldguide.losses.composite import Composite
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.teacher_student import TeacherStudent


def sides(lab: Any, n_images: int = 6, n_texts: int = 6) -> tuple[Any, Any]:
    teachers = lab.units(n_images, seed=3).detach(), lab.units(n_texts, seed=4).detach()
    return (lab.alone(lab.units(n_images, seed=1), teachers[0]),
            lab.alone(lab.units(n_texts, seed=2), teachers[1]))  # fmt: skip


@pytest.mark.parametrize("shape", [(6, 6), (7, 4)])
def test_the_divergence_equals_that_of_torch_over_rows_and_columns(
    lab: Any, shape: tuple[int, int]
) -> None:
    images, texts = sides(lab, *shape)
    own = 12.0 * images.vectors @ texts.vectors.T
    teacher = 20.0 * images.attributes @ texts.attributes.T
    expected = sum(
        F.kl_div(own_scores.log_softmax(1), teachers.softmax(1), reduction="batchmean")
        for own_scores, teachers in ((own, teacher), (own.T, teacher.T))
    )
    loss = lab.value(TeacherStudent(teacher_scale=20.0), images, texts, 12.0)
    assert loss == pytest.approx(expected.item(), rel=1e-6)


def test_a_student_that_equals_its_teacher_has_no_loss_and_no_gradient(lab: Any) -> None:
    images, texts = lab.units(6, seed=1), lab.units(6, seed=2)
    same = lab.alone(images, images.detach()), lab.alone(texts, texts.detach())
    scale, bias = lab.scalars(10.0)
    loss = TeacherStudent()(*same, scale, bias)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    for gradient in torch.autograd.grad(loss, (images, texts, scale)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


def test_no_gradient_flows_into_the_teacher(lab: Any) -> None:
    teacher = lab.units(6, seed=5)
    images, texts = sides(lab)
    images = type(images)(images.vectors, images.keys, teacher)
    TeacherStudent()(images, texts, *lab.scalars(10.0)).backward()
    assert teacher.grad is None
    assert images.vectors.grad is not None


def test_labelled_pairs_join_by_a_composite(lab: Any) -> None:
    images, texts = sides(lab)
    share = 0.9
    both = Composite({
        "pairs": (2 * share, InfoNCE()),  # the authors add both directions
        "teacher": ((1 - share) * 10.0**2, TeacherStudent(teacher_scale=10.0)),
    })  # fmt: skip
    own = 10.0 * images.vectors @ texts.vectors.T
    teacher = 10.0 * images.attributes @ texts.attributes.T
    pairs = -(own.log_softmax(1).diagonal() + own.log_softmax(0).diagonal()).mean()
    kept = sum(
        F.kl_div(scores.log_softmax(1), teachers.softmax(1), reduction="batchmean")
        for scores, teachers in ((own, teacher), (own.T, teacher.T))
    )
    expected = share * pairs + (1 - share) * 10.0**2 * kept
    assert lab.value(both, images, texts, 10.0) == pytest.approx(expected.item(), rel=1e-9)


def test_a_batch_without_a_teacher_is_refused(lab: Any) -> None:
    side = lab.alone(lab.units(3))
    with pytest.raises(TuningError, match="teacher_student needs attributes"):
        lab.value(TeacherStudent(), side, side, 1.0)
