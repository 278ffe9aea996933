"""From labels and a description set to a classifier, with what a record of the run says of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError
from fieldguide.zeroshot.description_ensemble import DescriptionEnsembleClassifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.models.embeddings import Encoder
    from fieldguide.zeroshot.description_sets import DescriptionSet, Matched

_NAMED = 5


def match_labels(chosen: DescriptionSet, names: Mapping[str, Sequence[str]]) -> Matched:
    """Return the sentences of labels.

    Args:
        chosen: the description set.
        names: what each label is called.

    Raises:
        UsageError: the set describes none of them.
    """
    matched = chosen.match(names)
    if not matched.found:
        raise UsageError(
            f"{chosen.name} describes none of the {len(names)} labels, such as "
            f"{', '.join(map(repr, list(names)[:_NAMED]))}; its classes are "
            f"{', '.join(map(repr, chosen.labels[:_NAMED]))} ... Name the labels as it does, or "
            "leave the labels out to choose from all that it describes."
        )
    return matched


def described_classifier(
    encoder: Encoder,
    matched: Matched,
    prompts: Mapping[str, Sequence[str]],
    prompt_share: float,
) -> DescriptionEnsembleClassifier:
    """Return the classifier of labels with sentences; a label without any has its prompts alone.

    Raises:
        UsageError: the share is out of range.
    """
    sentences = {label: entry.texts() for label, entry in matched.found.items()}
    return DescriptionEnsembleClassifier.of(encoder, sentences, prompts, prompt_share=prompt_share)


def description_facts(classifier: object) -> dict[str, Any]:
    """Return what the record of a run says of descriptions; nothing where there are none."""
    if not isinstance(classifier, DescriptionEnsembleClassifier):
        return {}
    described = set(classifier.described)
    without = [label for label in classifier.labels if label not in described]
    return {"descriptions": {"described": len(described), "without": without}}
