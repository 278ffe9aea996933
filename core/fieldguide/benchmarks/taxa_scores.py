"""The rows of a labelled manifest, scored once for an evaluation and a calibration of taxa."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fieldguide.benchmarks.manifest_labels import find_labelled
from fieldguide.errors import UsageError
from fieldguide.taxonomy.lookup import find_taxon
from fieldguide.zeroshot.classifier import ZeroShotClassifier, softmax
from fieldguide.zeroshot.taxa_calibration import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Batch, Row
    from fieldguide.guides import Guide
    from fieldguide.models.embeddings import SpaceId
    from fieldguide.planning import Plan
    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.taxa import Taxa

NOT_OFFERED = -1
MAX_SCORES = 2**29
"""Of rows by labels: 2 GiB of cosines."""


class Truth(NamedTuple):
    """The narrowest offered taxon of a true one, and whether the true one is narrower."""

    nearest: int
    is_narrower: bool


@dataclass(frozen=True, eq=False)
class ScoredTaxa:
    """Labelled pictures and, for "none of these", pictures of other things.

    Attributes:
        taxa: what was chosen from.
        space: of the model.
        logit_scale: of the model.
        digest: of the labels' prompts.
        cosines: (N, C) float32 of the N labelled pictures with the C labels.
        truth: (N,) the narrowest offered taxon that each true one is or belongs to; -1 where
            nothing of its lineage is offered.
        narrower: (N,) whether the true taxon is narrower than that, so that nothing below is right;
            where it is not, such as for a label "bird", nothing is known of what is below.
        groups: (N,) rows of one group are resampled together.
        nulls: (K,) highest cosines of the pictures of other things.
        failed: rows that were not scored, with the reason.
        unknown: how many rows have each label that the tree does not have.
        provenance: of the job.
    """

    taxa: Taxa
    space: SpaceId
    logit_scale: float
    digest: str
    cosines: NDArray[np.float32]
    truth: NDArray[np.int32]
    narrower: NDArray[np.bool_]
    groups: tuple[str, ...]
    nulls: NDArray[np.float32]
    failed: tuple[Row, ...]
    unknown: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, logit_scale: float | None = None) -> NDArray[np.float32]:
        """Return (N, C) probabilities of the labels at a scale; at the model's own by default."""
        scale = self.logit_scale if logit_scale is None else logit_scale
        return softmax(scale * self.cosines.astype(np.float64))


def score_taxa(  # noqa: PLR0913 - each is one thing a user may say
    guide: Guide,
    manifest: str | Path,
    taxa: Taxa,
    *,
    label_column: str = "label",
    group_column: str | None = None,
    where: str | None = None,
    nulls: Any = None,
) -> ScoredTaxa:
    """Score the rows of a manifest whose labels are names of taxa of any rank.

    Args:
        guide: with the model.
        manifest: CSV or JSON Lines with a path and the name of a taxon in each row. Columns of
            ranks say where a taxon belongs that the tree does not have.
        taxa: what is chosen from; a true taxon need not be among them.
        label_column: which column names the taxon.
        group_column: rows that share its value are resampled together.
        where: only rows that fit.
        nulls: pictures that show none of the labels: files, folders or globs.

    Raises:
        UsageError: no row can be scored, there are too many labels for a table of all scores, or
            the guide has a prior.
    """
    if guide.prior_options:
        raise UsageError(
            "The figures and calibrations of taxa are those of pictures alone. Leave "
            f"{' and '.join(_typed(name) for name in guide.prior_options)} out, or name the labels "
            "one by one: --label."
        )
    items, _ = find_labelled(guide, manifest, label_column, where)
    if len(items) * len(taxa) > MAX_SCORES:
        raise UsageError(
            f"{len(items)} rows by {len(taxa)} labels are too many to hold. Choose from fewer: "
            "--clade NAME, or take fewer rows: --where."
        )
    plan = guide.planner.plan(items, thumbnails=False)
    classifier, digest = _cosines(plan, taxa, items)
    scored = list(_scored(guide.encode(items, plan), classifier))
    used = [(row, cosines) for row, cosines in scored if cosines is not None]
    if not used:
        reason = next((row.reason for row, _ in scored if row.reason), "There are no rows.")
        raise UsageError(f"No row of {manifest} was scored. The first: {reason}")
    label_of = [str(row.metadata[label_column]) for row, _ in used]
    truths = _truths(taxa, label_of, [row.metadata for row, _ in used])
    known = [place for place, truth in enumerate(truths) if truth is not None]
    if not known:
        raise UsageError(
            f"No row of {manifest} was scored whose {label_column!r} is a taxon of "
            f"{taxa.pruned.whole.info.name!r}, such as {label_of[0]!r}. "
            "Write scientific or common names as that tree has them."
        )
    return ScoredTaxa(
        taxa=taxa,
        space=classifier.vectors.space,
        logit_scale=plan.encoder.logit_scale if plan.encoder else 1.0,
        digest=digest,
        cosines=np.stack([used[place][1] for place in known]).astype(np.float32),
        truth=np.array([truth.nearest for truth in truths if truth], np.int32),
        narrower=np.array([truth.is_narrower for truth in truths if truth], bool),
        groups=tuple(_group(used[place][0], group_column) for place in known),
        nulls=np.zeros(0, np.float32) if nulls is None else _best(guide, nulls, taxa),
        failed=tuple(row for row, cosines in scored if cosines is None),
        unknown=Counter(n for n, truth in zip(label_of, truths, strict=True) if truth is None),
        provenance=guide.provenance(plan, labels=len(taxa), **taxa.about),
    )


def _typed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _truths(
    taxa: Taxa, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[Truth | None]:
    """Return what is offered of each true taxon; None where the tree knows nothing of it.

    A species that the tree does not have is known by its genus, family and so on, where the row has
    columns of these ranks.
    """
    ranks = taxa.pruned.whole.ranks
    found: dict[tuple[str, ...], Truth | None] = {}
    truths = []
    for name, row in zip(names, rows, strict=True):
        lineage = tuple(str(row[rank]) if row.get(rank) else "" for rank in ranks)
        if (name, *lineage) not in found:
            above = {rank: one for rank, one in zip(ranks, lineage, strict=True) if one}
            found[(name, *lineage)] = _truth(taxa, name, above)
        truths.append(found[(name, *lineage)])
    return truths


def _truth(taxa: Taxa, name: str, above: Mapping[str, str]) -> Truth | None:
    """Return what is offered of one true taxon, by its name or else by those above it."""
    pruned = taxa.pruned
    node = _find(pruned.whole, name)
    is_narrower = node is None
    for rank, wider in reversed(list(above.items())):
        if node is None:
            node = _find(pruned.whole, wider, rank)
    if node is None:
        return None
    nearest = pruned.nearest(node)
    if nearest is None:
        return Truth(NOT_OFFERED, is_narrower=True)
    return Truth(nearest, is_narrower or int(pruned.origins[nearest]) != node)


def _find(tree: Tree, name: str, rank: str | None = None) -> int | None:
    try:
        return find_taxon(tree, name, rank=rank)
    except UsageError:
        return None


def _cosines(plan: Plan, taxa: Taxa, items: Sequence[Item]) -> tuple[ZeroShotClassifier, str]:
    """Return a classifier whose logits are cosines, and the digest of its prompts."""
    if plan.encoder is None:
        if items and all(item.fault is not None for item in items):
            raise UsageError(f"No picture can be read. {items[0].name}: {items[0].fault}")
        raise UsageError(
            "No installed model covers these pictures. Name one with --model, or use it out of "
            "its scope: --out-of-scope."
        )
    prompts = taxa.prompts(plan)
    labels = tuple(taxa.tree.ids.take(taxa.pruned.labels).to_pylist())
    vectors = taxa.vectors(plan.encoder, prompts)
    return ZeroShotClassifier(labels, vectors, 1.0), digest_of(prompts)


def _scored(
    batches: Iterable[Batch], classifier: ZeroShotClassifier
) -> Iterable[tuple[Row, NDArray[np.float64] | None]]:
    for batch in batches:
        found: dict[int, NDArray[np.float64]] = {}
        if batch.embeddings is not None:
            found = dict(zip(batch.places, classifier.logits(batch.embeddings), strict=True))
        for place, row in enumerate(batch.rows):
            yield row, found.get(place)


def _best(guide: Guide, nulls: Any, taxa: Taxa) -> NDArray[np.float32]:
    """Return the highest cosine of each picture of other things that can be read."""
    items = guide.find(nulls)
    plan = guide.planner.plan(items, thumbnails=False)
    classifier, _ = _cosines(plan, taxa, items)
    scored = _scored(guide.encode(items, plan), classifier)
    return np.array([cosines.max() for _, cosines in scored if cosines is not None], np.float32)


def _group(row: Row, column: str | None) -> str:
    return row.item.id if column is None else str(row.metadata.get(column, row.item.id))
