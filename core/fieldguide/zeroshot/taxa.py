"""What to choose from, where the labels are taxa of a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fieldguide.zeroshot.class_sets import fill
from fieldguide.zeroshot.taxon_answers import Leaves

if TYPE_CHECKING:
    from fieldguide.taxonomy.prune import Pruned
    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.taxa_calibration import TaxaCalibration
    from fieldguide.zeroshot.taxon_answers import TaxonAnswer

LabelTexts = Callable[["Tree", int, Sequence[str]], Sequence[str]]
"""Makes the prompts of one taxon of a tree from templates with one ``{}`` each."""


def plain_texts(tree: Tree, node: int, templates: Sequence[str]) -> list[str]:
    """Return every template around a taxon's common name, or its own where it has none."""
    return fill(templates, [tree.common_name(node) or tree.name_of(node)])


@dataclass(frozen=True, eq=False)
class Taxa:
    """Taxa to choose from, and how the choice is told.

    Attributes:
        pruned: the labels with all taxa above them.
        texts: makes the prompts of a label.
        templates: the user's own; None for those of the modality.
        answer: turns probabilities of labels into what is said.
        language: of the common names in results.
        calibration: of their probabilities; None for the model's own.
        about: how the labels were chosen, for the record of a job.
    """

    pruned: Pruned
    texts: LabelTexts = plain_texts
    templates: Sequence[str] | None = None
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

    def prompts(self, usual: Sequence[str] = ("{}",)) -> Sequence[Sequence[str]]:
        """Return the prompts of each label, in the order of the labels, made when asked for.

        Args:
            usual: templates where the user named none.
        """
        templates = usual if self.templates is None else self.templates
        return _Prompts(self, templates)


@dataclass(frozen=True, eq=False)
class _Prompts(Sequence[Sequence[str]]):
    taxa: Taxa
    templates: Sequence[str]

    def __len__(self) -> int:
        return len(self.taxa)

    def __getitem__(self, label: Any) -> Any:
        if isinstance(label, slice):
            return [self[place] for place in range(*label.indices(len(self)))]
        node = int(self.taxa.pruned.labels[label])
        return self.taxa.texts(self.taxa.tree, node, self.templates)
