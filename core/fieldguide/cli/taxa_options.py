"""Options of a classification by taxa of a tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli.options import chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.guides import Guide
    from fieldguide.zeroshot.taxa import Taxa

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

taxa_options = chain(
    click.option("--clade", "clades", multiple=True, metavar="NAME",
                 help="Choose from a taxon such as Insecta, FILE.txt or .csv with names, or "
                      "region:CODE; repeat. [default: all of the domain's tree, if it has one]"),
    click.option("--taxonomy", type=click.Path(exists=True, path_type=Path), metavar="FILE",
                 help="The tree to choose from. [default: the domain's own]"),
    click.option("--label-vectors", type=_FILE, metavar="FILE.npy",
                 help="Vectors of the tree's taxa that --model made elsewhere; no label is "
                      "embedded. The file does not say the model: you do."),
    click.option("--rank", "taxon_rank", metavar="RANK",
                 help="Answer at this rank, such as family; with --confidence, no narrower."),
    click.option("--confidence", type=click.FloatRange(0.5, 1), metavar="P",
                 help="Answer with the narrowest taxon whose probability reaches it."),
    click.option("--bins", type=_FILE, metavar="FILE",
                 help="Answer with bins of your own: a CSV of taxa and their bins."),
    click.option("--text-type", metavar="TYPE",
                 help="What prompts call a taxon, such as sci_com. [default: the model's own]"),
    click.option("--language", metavar="CODE", default="en", show_default=True,
                 help="Of common names, in prompts and results."),
)  # fmt: skip
_SAID = ("clades", "taxonomy", "taxon_rank", "confidence", "bins", "text_type", "label_vectors")


def chosen_taxa(guide: Guide, settings: Mapping[str, Any]) -> Taxa | None:
    """Return the taxa that the options ask for; None where labels are asked for otherwise.

    A domain with a tree of its own chooses from all of it where nothing was said of labels.

    Raises:
        UsageError: what was said makes no sense.
    """
    return _taxa(guide, settings) if _by_default(guide, settings) else named_taxa(guide, settings)


def named_taxa(guide: Guide, settings: Mapping[str, Any]) -> Taxa | None:
    """Return the taxa that the options ask for; None where none of them says anything.

    Raises:
        UsageError: what was said makes no sense.
    """
    return _taxa(guide, settings) if any(settings[name] for name in _SAID) else None


def _taxa(guide: Guide, settings: Mapping[str, Any]) -> Taxa:
    from fieldguide.zeroshot.choose_taxa import taxa  # pyarrow only when used
    from fieldguide.zeroshot.priors import regions_of

    return taxa(
        guide.domain.name,
        settings["clades"],
        taxonomy=settings["taxonomy"],
        rank=settings["taxon_rank"],
        confidence=settings["confidence"],
        bins=settings["bins"],
        top=settings.get("top") or 1,
        threshold=settings["threshold"] or 0.0,
        text_type=settings["text_type"],
        templates=list(settings["templates"]) or None,
        language=settings["language"],
        calibration=settings["calibration"],
        regions=regions_of(guide.prior),
        label_vectors=settings["label_vectors"],
    )


def _by_default(guide: Guide, settings: Mapping[str, Any]) -> bool:
    said = any(settings[n] for n in ("label", "labels_file", "classes", "descriptions"))
    return guide.domain.taxonomy is not None and not said and guide.adapter is None
