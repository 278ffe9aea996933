"""What to choose from, where the labels are taxa of a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from fieldguide.zeroshot.class_sets import fill
from fieldguide.zeroshot.label_store import vectors_of_labels
from fieldguide.zeroshot.taxon_answers import Leaves

if TYPE_CHECKING:
    from fieldguide.models.embeddings import Embeddings, Encoder
    from fieldguide.planning import Plan
    from fieldguide.taxonomy.prune import Pruned
    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.given_vectors import GivenVectors
    from fieldguide.zeroshot.taxa_calibration import TaxaCalibration
    from fieldguide.zeroshot.taxon_answers import TaxonAnswer

LabelTexts = Callable[["Tree", int, Sequence[str], "str | None"], Sequence[str]]
"""Makes the prompts of one taxon of a tree from templates with one ``{}`` each, in a text type."""


def plain_texts(
    tree: Tree, node: int, templates: Sequence[str], text_type: str | None = None
) -> list[str]:
    """Return every template around a taxon's common name, or its own where it has none."""
    del text_type
    return fill(templates, [tree.common_name(node) or tree.name_of(node)])


@dataclass(frozen=True, eq=False)
class Taxa:
    """Taxa to choose from, and how the choice is told.

    Attributes:
        pruned: the labels with all taxa above them.
        texts: makes the prompts of a label.
        templates: the user's own; None for the first of the modality: labels can be many.
        text_type: which names the prompts have; None for those that the model's record names.
        answer: turns probabilities of labels into what is said.
        language: of the common names in results.
        calibration: of their probabilities; None for the model's own.
        about: how the labels were chosen, for the record of a job.
        given: their vectors, where these were made elsewhere; None for those of their prompts.
    """

    pruned: Pruned
    texts: LabelTexts = plain_texts
    templates: Sequence[str] | None = None
    text_type: str | None = None
    answer: TaxonAnswer = field(default_factory=Leaves)
    language: str = "en"
    calibration: TaxaCalibration | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    given: GivenVectors | None = None

    @property
    def tree(self) -> Tree:
        """The labels with all taxa above them."""
        return self.pruned.tree

    def __len__(self) -> int:
        """Return how many labels there are."""
        return len(self.pruned.labels)

    def prompts(self, plan: Plan) -> Sequence[Sequence[str]]:
        """Return the prompts of each label, in the order of the labels; made when asked for.

        Of labels whose vectors were made elsewhere they only say which vector is meant.

        Args:
            plan: of the job, whose modality has templates and whose model a text type, where the
                user named none.
        """
        labels = self.pruned.labels
        if (given := self.given) is not None:
            ids = self.tree.ids
            return _Made(len(labels), lambda place: (f"{given.digest} {ids[int(labels[place])]}",))
        usual = plan.modality.templates[:1] if plan.modality else ("{}",)
        templates = usual if self.templates is None else self.templates
        trained = None if plan.record is None else plan.record.text_type
        text_type = self.text_type or trained
        return _Made(
            len(labels),
            lambda place: self.texts(self.tree, int(labels[place]), templates, text_type),
        )

    def vectors(
        self, encoder: Encoder, prompts: Sequence[Sequence[str]], *, progress: bool = False
    ) -> Embeddings:
        """Return (C, D) of the labels: those that were given, or those of their prompts.

        Args:
            encoder: the model.
            prompts: of :meth:`prompts`.
            progress: whether a bar is shown while very many labels are embedded.

        Raises:
            SpaceMismatchError: the encoder changed its space meanwhile.
            UsageError: the given vectors cannot be of this model.
            StoreError: the vectors of very many labels cannot be kept.
        """
        if self.given is not None:
            return self.given.of(self.tree, self.pruned.labels, encoder.space)
        return vectors_of_labels(encoder, prompts, progress=progress)


class _Made(Sequence[Sequence[str]]):
    """Texts of labels that are made each time they are asked for, and not kept."""

    def __init__(self, count: int, make: Callable[[int], Sequence[str]]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Sequence[str]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Sequence[str]]: ...
    def __getitem__(self, place: int | slice) -> Sequence[str] | Sequence[Sequence[str]]:
        found = range(self._count)[place]
        return [self._make(one) for one in found] if isinstance(found, range) else self._make(found)
