"""``fieldguide demo``: classify, index and search pictures of every installed domain."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from fieldguide.errors import FieldguideError
from fieldguide.guides import Guide
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.writers.html import render
from fieldguide.writers.provenance import make_provenance, write_provenance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.demo_set import DemoImage, DemoSet
    from fieldguide.results import Match, Prediction
    from fieldguide.runtime import Runtime
    from fieldguide.specs import DomainSpec

MATCHES = 4


@dataclass(frozen=True)
class Shown:
    """One demo set with what was found.

    Attributes:
        rows: each picture with its prediction.
        right: how many of the pictures with a truth were named right.
        named: how many pictures have a truth.
        matches: answers to the set's query; empty when nothing could be indexed.
        model: the model's name, or None when all pictures were refused.
    """

    set: DemoSet
    rows: Sequence[tuple[DemoImage, Prediction]]
    right: int
    named: int
    matches: Sequence[Match]
    model: str | None


@dataclass(frozen=True)
class Chapter:
    """One domain of the report; ``problem`` says why it could not be shown."""

    domain: DomainSpec
    shown: Sequence[Shown]
    seconds: float
    problem: str | None = None


def run_demo(folder: Path, runtime: Runtime) -> Path:
    """Run the demo and return the path of its report.

    Args:
        folder: gets pictures, one index a set, and ``report.html``.
        runtime: device, batch size, workers, progress.

    Raises:
        StoreError: the folder cannot be written.
    """
    catalog = get_catalog()
    started = time.monotonic()
    chapters = []
    for domain in catalog.domains.usable():
        if domain.demo is not None:
            if runtime.progress:
                click.echo(f"{domain.name} ...", err=True)
            chapters.append(_chapter(domain, folder / domain.name, runtime, catalog))
    facts = make_provenance(domains=[chapter.domain.name for chapter in chapters])
    report = folder / "report.html"
    render(
        report,
        "demo.html",
        title="What fieldguide sees",
        chapters=chapters,
        seconds=time.monotonic() - started,
        provenance=facts,
    )
    write_provenance(facts, report)
    return report


def _chapter(domain: DomainSpec, folder: Path, runtime: Runtime, catalog: Catalog) -> Chapter:
    started = time.monotonic()
    try:
        sets: Sequence[DemoSet] = domain.import_target(str(domain.demo))(folder)
        shown = []
        for number, demo in enumerate(sets):
            guide = Guide(
                domain.name, modality=demo.modality, runtime=runtime, catalog=catalog,
                show_paths=True,  # they are drawn, or public
            )  # fmt: skip
            shown.append(_show(demo, guide, folder / f"{number}.fg"))
    except FieldguideError as error:
        return Chapter(domain, [], time.monotonic() - started, str(error))
    return Chapter(domain, shown, time.monotonic() - started)


def _show(demo: DemoSet, guide: Guide, index_folder: Path) -> Shown:
    paths = [image.path for image in demo.images]
    predictions = guide.classify(paths, demo.labels, top=3, thumbnails=True)
    rows = list(zip(demo.images, predictions, strict=True))
    named = [row for row in rows if row[0].truth is not None]
    model: Any = predictions.provenance["model"]
    matches: Sequence[Match] = ()
    if any(prediction.guesses for _, prediction in rows):
        matches = guide.index(paths, index_folder).search(demo.query, k=MATCHES)
    return Shown(
        set=demo,
        rows=rows,
        right=sum(prediction.label == image.truth for image, prediction in named),
        named=len(named),
        matches=matches,
        model=None if model is None else model["name"],
    )
