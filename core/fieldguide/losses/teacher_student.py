"""A student that keeps a teacher's similarities; no pairs need to be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fieldguide.losses.composite import Composite
from fieldguide.losses.multi_positive import MultiPositive
from fieldguide.losses.similarity import SimilarityTargets
from fieldguide.losses.soft_targets import attributes_of
from fieldguide.losses.tiles import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

    from fieldguide.losses.sides import Side


@dataclass(frozen=True)
class TeacherStudent:
    """The divergence of the student's softmaxes from the teacher's, over rows and over columns.

    Castro and Heilbron 2022, "FitCLIP: Refining Large-Scale Pretrained Image-Text Models for
    Zero-Shot Video Understanding Tasks", arXiv:2203.13371: the sum of KL(teacher || student) over
    the texts of each image and over the images of each text, each a mean over the batch. The
    teacher's unit vectors come as attributes of the sides and receive no gradient. The authors
    multiply by the square of the teacher's scale and add the loss of a few labelled pairs: the
    weights of a :class:`~fieldguide.losses.composite.Composite` do both.

    Attributes:
        teacher_scale: multiplied by the teacher's cosines; None takes the student's scale, without
            gradient.
    """

    teacher_scale: float | None = None
    needs_teacher: ClassVar[bool] = True

    def __call__(self, images: Side, texts: Side, scale: Tensor, bias: Tensor) -> Tensor:
        """Return the loss, see :class:`~fieldguide.losses.sides.Loss`; the bias has no part in it.

        Raises:
            TuningError: a side has no attributes, or they differ in number.
        """
        vectors = attributes_of(images, texts, "teacher_student")
        sharpness = scale.detach() if self.teacher_scale is None else self.teacher_scale
        teacher = SimilarityTargets(*vectors, sharpness=sharpness)
        crossed = cross_entropy(images.vectors, texts.vectors, scale, teacher, (1.0, 1.0))
        of_images, of_texts = teacher.entropies()
        return crossed - of_images.mean() - of_texts.mean()


def fitclip() -> Composite:
    """Return FitCLIP's sum for pairs that are all labelled: learn them, and stay near the teacher.

    The weights are ours: the authors' are for few labelled pairs beside many others.
    """
    return Composite({"pairs": (1.0, MultiPositive()), "teacher": (1.0, TeacherStudent())})
