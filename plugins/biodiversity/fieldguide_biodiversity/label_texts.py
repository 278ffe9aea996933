"""The prompts of a taxon of a tree: what a label of a classification is called to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.zeroshot.class_sets import check_templates, fill
from fieldguide.zeroshot.template_sets import expand_templates
from fieldguide_biodiversity.taxa import RANKS
from fieldguide_biodiversity.text_types import NAMES, TaxonNames, group_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.taxonomy.tree import Tree

PLAIN = ("{}",)


def label_texts(
    tree: Tree,
    node: int,
    text_type: str = NAMES,
    templates: Sequence[str] = PLAIN,
    language: str = "en",
) -> list[str]:
    """Return the prompts of one taxon: every template around what the text type says of it.

    Args:
        tree: the taxa.
        node: of the tree.
        text_type: one of ``text_types.TEXT_TYPES``, ``mix`` for BioCLIP's five together, or
            ``names``, the default: all common names and the well-known group, which models of
            photographs know best. A model's record may name another, as BioCLIP's do.
        templates: each with one ``{}``, or the name of a set of ``template_sets``.
        language: of common names, ISO 639-1.

    Raises:
        UnknownNameError: there is no such text type.
        UsageError: a template has no place for the name, or several.
    """
    used = expand_templates(templates) or PLAIN
    check_templates(used)
    return fill(used, texts_of(names_in(tree, node, language), text_type))


def names_in(tree: Tree, node: int, language: str = "en") -> TaxonNames:
    """Return what a taxon of a tree is called.

    The taxonomic name has the seven ranks that BioCLIP was trained with, and the taxon's own name
    where its rank is another one; a genus is not said twice before its species.
    """
    lineage = tree.lineage(node)
    called = [tree.name_of(each) for each in lineage]
    own = called[-1]
    above = {
        rank: name
        for each, name in zip(lineage[:-1], called[:-1], strict=True)
        if (rank := tree.rank_of(each)) in RANKS[:-1]
    }  # wide to narrow; without the species of a subspecies
    genus = above.pop("genus", "")
    if genus and own.split()[:1] != [genus]:  # a tree of epithets, or a taxon between two ranks
        own = f"{genus} {own}"
    english = language == "en"
    spoken = tree.common_names(node)
    common = [name for told, name in spoken if told == language]
    common = common or [name for told, name in spoken if not told]
    return TaxonNames(
        common=common[0] if common else "",
        scientific=own,
        taxonomic=" ".join((*above.values(), own)),
        group=group_of(called) if english else "",
        more_common=tuple(common[1:]),
    )
