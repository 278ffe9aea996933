"""What to choose from, where the labels are taxa of a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fieldguide.zeroshot.class_sets import fill
from fieldguide.zeroshot.taxon_answers import Leaves

if TYPE_CHECKING:
    from fieldguide.planning import Plan
    from fieldguide.taxonomy.prune import Pruned
    from fieldguide.taxonomy.tree import Tree
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
    """

    pruned: Pruned
    texts: LabelTexts = plain_texts
    templates: Sequence[str] | None = None
    text_type: str | None = None
    answer: TaxonAnswer = field(default_factory=Leaves)
    language: str = "en"
    calibration: TaxaCalibration | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tree(self) -> Tree:
        """The labels with all taxa above them."""
        return self.pruned.tree

    def __len__(self) -> int:
        """Return how many labels there are."""
        return len(self.pruned.labels)

    def prompts(self, plan: Plan) -> list[Sequence[str]]:
        """Return the prompts of each label, in the order of the labels.

        Args:
            plan: of the job, whose modality has templates and whose model a text type, where the
                user named none.
        """
        usual = plan.modality.templates[:1] if plan.modality else ("{}",)
        templates = usual if self.templates is None else self.templates
        trained = None if plan.record is None else plan.record.text_type
        text_type = self.text_type or trained
        return [
            self.texts(self.tree, int(node), templates, text_type) for node in self.pruned.labels
        ]
