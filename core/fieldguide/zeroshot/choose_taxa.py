"""From what a user says of taxa to what is chosen from, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.taxonomy.at_rank import partition_at
from fieldguide.taxonomy.lookup import find_taxon
from fieldguide.taxonomy.prune import Pruned, prune
from fieldguide.taxonomy.tree_file import is_tree_file, read_tree
from fieldguide.zeroshot.bins import read_bins
from fieldguide.zeroshot.clades import LIST_SUFFIXES, REGION, Regions, labels_within, named_taxa
from fieldguide.zeroshot.given_vectors import GivenVectors, read_given_vectors
from fieldguide.zeroshot.stopping import StopWhereSure
from fieldguide.zeroshot.taxa import LabelTexts, Taxa, plain_texts
from fieldguide.zeroshot.taxa_calibration import TaxaCalibration, read_taxa_calibration
from fieldguide.zeroshot.taxon_answers import (
    USUAL_TOP,
    AtRank,
    IntoBins,
    Leaves,
    TaxonAnswer,
    require_rank,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.specs import DomainSpec
    from fieldguide.taxonomy.tree import Tree


def taxa(  # noqa: PLR0913 - the front door: each is one thing a user may say
    domain: str,
    clade: str | Sequence[str] = (),
    *,
    taxonomy: Tree | str | Path | None = None,
    rank: str | None = None,
    confidence: float | None = None,
    bins: Mapping[str, str] | str | Path | None = None,
    top: int | None = None,
    threshold: float = 0.0,
    text_type: str | None = None,
    templates: Sequence[str] | None = None,
    language: str = "en",
    calibration: TaxaCalibration | str | Path | None = None,
    regions: Regions | None = None,
    label_vectors: GivenVectors | str | Path | None = None,
) -> Taxa:
    """Return taxa to choose from, for :meth:`Guide.classify`.

    Args:
        domain: whose tree, file formats and texts are used.
        clade: names of taxa, files with lists of names, ``region:CODE``; by default the whole tree.
        taxonomy: a tree, or its file; by default the domain's own.
        rank: answer at this rank; with a confidence, no narrower than it.
        confidence: answer with the narrowest taxon whose probability reaches it, 0.5 to 1.
        bins: answer with these bins of taxa by name, or by a CSV file of taxa and bins.
        top: at most how many answers; by default 5.
        threshold: below this best probability "none of these" comes first.
        text_type: which names of a taxon go into its prompts; by default those that the model's
            record names, else what is usual in the domain.
        templates: prompts, each with one ``{}``; by default the first of the modality.
        language: of common names, ISO 639-1.
        calibration: of ``fieldguide evaluate --write-calibration``, or its file.
        regions: knows which taxa a region has.
        label_vectors: made elsewhere, for this tree, by the model of the job; or their file. The
            taxa that have one are the labels. By default vectors are made of prompts.

    Raises:
        UnknownNameError: there is no such domain, taxon or rank.
        UsageError: what was said makes no sense, or the domain has no tree.

    >>> import fieldguide as fg
    >>> insects = fg.taxa("biodiversity", "Insecta", rank="order")  # doctest: +SKIP
    >>> fg.guide("biodiversity").classify("photos/", taxa=insects)  # doctest: +SKIP
    """
    spec = get_catalog().domains[domain]
    tree = tree_of(spec, taxonomy)
    clades = (clade,) if isinstance(clade, str) else tuple(clade)
    given = _given(label_vectors, text_type, templates)
    among = None if given is None else given.nodes(tree)
    pruned = prune(tree, labels_within(tree, clades, regions, among))
    pruned, answer = _answer(pruned, bins, rank, confidence, (top or USUAL_TOP, threshold))
    if isinstance(answer, AtRank):
        _require_within(pruned, clades, answer.rank)
    about: dict[str, Any] = {
        "taxonomy": tree.info.name,
        "taxonomy_version": tree.info.version,
        "taxonomy_licence": tree.info.licence,
        "clades": list(clades),
        "rank": rank,
        "confidence": confidence,
        "top": top,
        "threshold": threshold,
        "text_type": text_type,
    }
    if given is not None:
        about["label_vectors"] = {"file": str(given.path), "sha256": given.digest}
    texts = texts_of(spec, text_type, language)
    if isinstance(calibration, str | Path):
        calibration = read_taxa_calibration(calibration)
    return Taxa(pruned, texts, templates, text_type, answer, language, calibration, about, given)


def tree_of(domain: DomainSpec, taxonomy: Tree | str | Path | None) -> Tree:
    """Return a tree, one of a file, or the domain's own.

    Raises:
        UsageError: the file cannot be read, or the domain has no tree or reads none.
    """
    if taxonomy is None:
        if domain.taxonomy is None:
            others = [each.name for each in get_catalog().domains.values() if each.taxonomy]
            named = "".join(f", or a domain that has one: --domain {name}" for name in others[:1])
            raise UsageError(
                f"The domain {domain.name!r} has no tree of its own. "
                f"Name one: --taxonomy FILE{named}."
            )
        own: Tree = domain.import_target(domain.taxonomy)()
        return own
    if not isinstance(taxonomy, str | Path):
        return taxonomy
    if is_tree_file(Path(taxonomy)):
        return read_tree(Path(taxonomy))
    if domain.taxonomy_reader is None:
        raise UsageError(
            f"{taxonomy} is no tree, and the domain {domain.name!r} reads no other file as one. "
            "Name a .tree file."
        )
    found: Tree = domain.import_target(domain.taxonomy_reader)(Path(taxonomy))
    return found


def _given(
    vectors: GivenVectors | str | Path | None,
    text_type: str | None,
    templates: Sequence[str] | None,
) -> GivenVectors | None:
    """Return vectors that may be named by their file."""
    if vectors is not None and (text_type is not None or templates):
        raise UsageError(
            "The label vectors are made already, of prompts of their own. Leave --text-type and "
            "--template out."
        )
    return read_given_vectors(Path(vectors)) if isinstance(vectors, str | Path) else vectors


def texts_of(domain: DomainSpec, text_type: str | None, language: str) -> LabelTexts:
    """Return what makes the prompts of a taxon.

    Raises:
        UsageError: a text type is named, and the domain has none.
    """
    if domain.label_texts is None:
        if text_type is not None:
            raise UsageError(f"The domain {domain.name!r} has no text types. Leave it out.")
        return plain_texts
    target = domain.import_target(domain.label_texts)

    def texts(tree: Tree, node: int, templates: Sequence[str], named: str | None) -> Sequence[str]:
        chosen = {} if named is None else {"text_type": named}
        found: Sequence[str] = target(tree, node, templates=templates, language=language, **chosen)
        return found

    return texts


def _answer(
    pruned: Pruned,
    bins: Mapping[str, str] | str | Path | None,
    rank: str | None,
    confidence: float | None,
    usual: tuple[int, float],
) -> tuple[Pruned, TaxonAnswer]:
    """Return the labels and how they are told; usual are the most answers and the threshold."""
    if bins is not None:
        if rank is not None or confidence is not None:
            raise UsageError("Bins are answers of their own: leave the rank and confidence out.")
        return _into_bins(pruned, bins, *usual)
    if confidence is not None:
        return pruned, StopWhereSure(confidence, rank)
    return pruned, Leaves(*usual) if rank is None else AtRank(rank, *usual)


def _require_within(pruned: Pruned, clades: Sequence[str], rank: str) -> None:
    """Raise UsageError where answers at a rank would be wider than the taxa that were named.

    Lists and regions are summed to any rank: what they hold is no bound of the answers.
    """
    named = [text for text in clades if not text.startswith(REGION)]
    if not named or any(text.lower().endswith(LIST_SUFFIXES) for text in named):
        return
    require_rank(pruned.tree, rank)
    tree = pruned.whole
    bounds = [range(node, int(tree.ends[node])) for node in named_taxa(tree, named)]
    for node in pruned.origins[np.unique(partition_at(pruned, rank))].tolist():
        if not any(node in bound for bound in bounds):
            raise UsageError(
                f"The answer at the rank {rank} would be {tree.name_of(node)!r}, which is wider "
                f"than {' and '.join(named)}. Name a narrower --rank, or a wider --clade."
            )


def _into_bins(
    pruned: Pruned, bins: Mapping[str, str] | str | Path, top: int, threshold: float
) -> tuple[Pruned, IntoBins]:
    """Return the labels that fall into a bin, and the answer."""
    named = read_bins(Path(bins)) if isinstance(bins, str | Path) else bins
    nodes = _binned(pruned.tree, named)
    inside = [
        label for label in pruned.labels.tolist() if nodes.keys() & set(pruned.tree.lineage(label))
    ]
    smaller = prune(pruned.tree, np.array(inside))
    return smaller, IntoBins(_binned(smaller.tree, named), top, threshold)


def _binned(tree: Tree, named: Mapping[str, str]) -> dict[int, str]:
    """Return the bin of each taxon.

    Raises:
        UsageError: a name means no taxon or several, or two names of one have different bins.
    """
    bins: dict[int, str] = {}
    for name, bin_ in named.items():
        node = find_taxon(tree, name)
        if bins.setdefault(node, bin_) != bin_:
            raise UsageError(
                f"{tree.name_of(node)} is in two bins by two names, one of them {name!r}: "
                f"{bins[node]!r} and {bin_!r}. Leave one out."
            )
    return bins
